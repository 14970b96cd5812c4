"""The exact top modes of A K~ by block Krylov iteration, one kernel product a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from eigenstep.kernel._processes import ALONE, Processes
from eigenstep.kernel.solvers._krylov_basis import KrylovBasis, RitzPairs
from eigenstep.kernel.solvers._modes import Modes


class Operator(Protocol):
    """A symmetric operator on blocks (N, b) of columns: the kernel matrix, or the pairs."""

    def product(self, block: Tensor) -> Tensor: ...


def krylov_modes(
    kernel: Operator,
    pairs: Operator,
    start: Tensor,
    n_modes: int,
    *,
    n_wanted: int | None = None,
    tolerance: float,
    max_passes: int,
    max_columns: int,
    processes: Processes = ALONE,
    progress: Callable[[int, float], None] | None = None,
) -> Modes:
    """Find the modes of the largest eigenvalues by block Krylov iteration with a Rayleigh-Ritz stage.

    The basis is orthonormal in the Euclidean product and Rayleigh-Ritz is done in the K~ product, so a
    rank-deficient K~ does no harm, and no inverse or root of K~ is formed.

    Parameters
    ----------
    kernel : K~, its products are summed over the processes already
    pairs : A, symmetric
    start : (N, b) first block, random or a guess at the modes; b is the block's width
    n_modes : k
    n_wanted : how many of them have to meet the tolerance; all by default
    tolerance : each mode's residual at most; the eigenvalue's error is of the residual's square
    max_passes : products at most; the residuals tell how far it came
    max_columns : basis columns in memory at most, then the basis is cut back to the best Ritz vectors
    processes : who shares the rows of the basis
    progress : called after each product with the passes made and the worst residual so far

    Examples
    --------
    >>> class Diagonal:
    ...     def __init__(self, entries): self.entries = torch.tensor(entries, dtype=torch.float64)
    ...     def product(self, block): return self.entries[:, None] * block
    >>> kernel, pairs = Diagonal(np.linspace(1.0, 0.0, 40)), Diagonal(np.full(40, 0.5))
    >>> start = torch.randn(40, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    >>> modes = krylov_modes(kernel, pairs, start, 3, tolerance=1e-8, max_passes=50, max_columns=40)
    >>> (2 * modes.eigenvalues).round(6)
    array([1.      , 0.974359, 0.948718])
    """
    n_views, width = start.shape
    rows = processes.share(n_views)
    capacity = max(max_columns, n_modes + 3 * width)
    basis = KrylovBasis(rows.stop - rows.start, capacity, start, processes)
    block = basis.orthonormal(start[rows])
    history: list[tuple[int, float]] = []
    check_at = 4 * n_modes + width
    passes = 0
    while True:
        image = kernel.product(processes.gather_rows(block, n_views))
        if not bool(torch.isfinite(image).all()):
            raise ValueError("expected finite kernel values, got NaN or infinity; scale the rows down")
        passes += 1
        basis.append(block, image[rows], pairs.product(image)[rows])
        if basis.n_columns + width > capacity:
            basis.restart(n_modes + width)
        block = basis.next_block()
        end = block.shape[1] == 0 or passes >= max_passes - 1
        if end or passes * width >= check_at:
            ritz = basis.ritz(n_modes)
            if end or (history and ritz.worst(n_wanted) > 0.5 * history[-1][1]):
                ritz = basis.raise_cutoff(n_modes, n_wanted)
            history.append((passes * width, ritz.worst(n_wanted)))
            if end or history[-1][1] <= tolerance or _stagnates(history):
                break
            check_at = passes * width + max(width, _columns_to_go(history, tolerance, n_modes))
        if progress is not None:
            progress(passes, history[-1][1] if history else np.inf)
    return _measured(kernel, pairs, basis, ritz, n_views, passes, processes)


def _columns_to_go(history: list[tuple[int, float]], tolerance: float, n_modes: int) -> int:
    """Extrapolate from the last two checks how many columns more the tolerance takes; from one, guess."""
    before, was = history[-2] if len(history) > 1 else (0, np.inf)
    now, worst = history[-1]
    # Image kernels were seen to gain a factor e in about half as many columns as there are modes.
    decay = np.log(was / worst) / (now - before) if np.isfinite(was) else 2 / n_modes
    return int(min(np.log(worst / tolerance) / decay, now)) if decay > 0 else n_modes


def _stagnates(history: list[tuple[int, float]]) -> bool:
    """Whether rounding keeps the residual from falling: seen soon near the end, late on the first plateau."""
    worst = [value for _, value in history]
    recent, least = (2, 0.7) if min(worst) < 0.05 else (5, 0.9)
    return len(worst) > recent and min(worst[-recent:]) > least * min(worst[:-recent])


def _measured(
    kernel: Operator,
    pairs: Operator,
    basis: KrylovBasis,
    ritz: RitzPairs,
    n_views: int,
    passes: int,
    processes: Processes,
) -> Modes:
    rows = processes.share(n_views)
    vectors, values = (processes.gather_rows(part, n_views) for part in basis.combine(ritz.coordinates))
    remainder = pairs.product(values) - vectors * torch.from_numpy(ritz.eigenvalues.copy()).to(vectors)
    images = kernel.product(remainder)
    squares = (remainder[rows].cpu().double() * images[rows].cpu().double()).sum(dim=0)
    residuals = processes.same(processes.sum(squares)).clamp(min=0.0).sqrt().numpy()
    return Modes(ritz.eigenvalues, vectors, values, residuals, passes + 1, ritz.indefiniteness)
