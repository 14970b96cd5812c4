"""The exact top modes of A K~ by block Krylov iteration, one kernel product a step, in bounded memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from eigenstep.kernel._processes import ALONE, Processes
from eigenstep.kernel.solvers._indefinite import eps_once_centered, refuse_indefinite
from eigenstep.kernel.solvers._kernel_matrix import (
    CenteredKernelMatrix,
    KernelMatrix,
    PanelKernelMatrix,
    StoredKernelMatrix,
    panel_storage,
)
from eigenstep.kernel.solvers._krylov_basis import KrylovBasis, RitzPairs
from eigenstep.kernel.solvers._problem import (
    Modes,
    Problem,
    Solution,
    SolverSettings,
    SymmetricOperator,
    exact_solution,
)
from eigenstep.kernel.solvers._view_rows import ViewRows
from eigenstep.machine import free_memory, size_in_words


def run_krylov(
    problem: Problem, settings: SolverSettings, generator: np.random.Generator, why: str
) -> Solution:
    width = min(block_width(settings.n_modes or problem.n_views), problem.n_views)
    random = torch.from_numpy(generator.standard_normal((problem.n_views, width)))
    start = problem.processes.same(random).to(problem.rows.device, problem.rows.dtype)
    solution = iterate(problem, settings, start, why)
    worst = _worst(solution, settings)
    lacking = len(solution.eigenvalues) < min(settings.n_modes or 0, problem.n_views)
    single = problem.eps > 1e-10 and problem.rows.device.type != "mps"
    if single and (lacking or worst > settings.acceptable):
        # A kernel of which one mode is nearly all has the others below float32's rounding of that one.
        rows = ViewRows(problem.rows.parts, problem.rows.device, torch.float64)
        start = torch.cat((solution.coefficients.double(), random.to(problem.rows.device)), dim=1)
        why += "; in float64, for float32 " + ("lost modes" if lacking else f"left residuals of {worst:.0e}")
        solution = iterate(replace(problem, rows=rows), settings, start, why)
        worst = _worst(solution, settings)
    if worst > settings.acceptable:
        warnings.warn(
            f"the modes' worst residual is {worst:.1e} of its eigenvalue, above tol={settings.tolerance:.0e}:"
            " raise max_iter or tol, or ask for fewer components",
            ConvergenceWarning,
            stacklevel=4,
        )
    return solution


def _worst(solution: Solution, settings: SolverSettings) -> float:
    return float((solution.residuals / solution.eigenvalues)[: settings.n_wanted].max(initial=0.0))


def iterate(problem: Problem, settings: SolverSettings, start: Tensor, why: str) -> Solution:
    """Run block Krylov iteration from a first block (N, b)."""
    n_modes = min(settings.n_modes or problem.n_views, problem.n_views)
    columns = _basis_columns(problem.n_views, n_modes, start.shape[1])
    with problem.processes.together():
        matrix, support, words = _kernel_matrix(problem, settings, columns)
        if problem.center:
            matrix = CenteredKernelMatrix(matrix)

    def progress(passes: int, worst: float) -> None:
        reached = f", worst residual {worst:.1e}" if np.isfinite(worst) else ""
        problem.progress.show(f"block Krylov, {passes} kernel products{reached}")

    modes = krylov_modes(
        matrix,
        problem.pairs,
        start,
        n_modes,
        n_wanted=settings.n_wanted,
        tolerance=settings.tolerance,
        max_passes=settings.max_iter,
        max_columns=columns,
        processes=problem.processes,
        progress=progress,
    )
    eps = problem.eps
    if isinstance(matrix, CenteredKernelMatrix):
        eps = eps_once_centered(eps, matrix.size_before(), modes.kernel_size)
        # A constant is nothing to the centred kernel, but something to the kernel that new rows meet.
        vectors = modes.vectors - modes.vectors.mean(dim=0)
        modes = replace(modes, vectors=vectors, values=modes.values.cpu().double() + matrix.means(vectors))
    refuse_indefinite(modes.indefiniteness, eps, centered=problem.center)
    how = f"block Krylov, {modes.passes} kernel products, {words}: {why}"
    return exact_solution(modes, problem, support, how, 100 * problem.eps, eps)


def krylov_modes(
    kernel: SymmetricOperator,
    pairs: SymmetricOperator,
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
    kernel : SymmetricOperator
        K~, its products are summed over the processes already.
    pairs : SymmetricOperator
        A, symmetric.
    start : Tensor
        (N, b) first block, random or a guess at the modes; b is the block's width.
    n_modes : int
        k.
    n_wanted : int | None
        How many of them have to meet the tolerance; all by default.
    tolerance : float
        Each mode's residual at most; the eigenvalue's error is of the residual's square.
    max_passes : int
        Products at most; the residuals tell how far it came.
    max_columns : int
        Basis columns in memory at most, then the basis is cut back to the best Ritz vectors.
    processes : Processes
        Who shares the rows of the basis.
    progress : Callable[[int, float], None] | None
        Called after each product with the passes made and the worst residual so far.

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
    kernel: SymmetricOperator,
    pairs: SymmetricOperator,
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
    residuals = processes.same(processes.sum(squares)).abs().sqrt().numpy()
    return Modes(ritz.eigenvalues, vectors, values, residuals, passes + 1, ritz.indefiniteness, ritz.largest)


def _kernel_matrix(
    problem: Problem, settings: SolverSettings, basis_columns: int
) -> tuple[KernelMatrix, Any, str]:
    """Return K~ as an operator within the memory budget, the prepared rows, and how it is kept, in words."""
    n_views, processes = problem.n_views, problem.processes
    if problem.kernel is None:
        return StoredKernelMatrix(problem.rows.all(), processes), None, "kernel given"
    prepared = problem.kernel.prepare(problem.rows.all())
    budget = settings.memory_budget
    if budget is None:
        # Processes on one machine share its memory; each has a GPU of its own.
        sharing = processes.size if problem.rows.device.type == "cpu" else 1
        budget = 0.7 * free_memory(problem.rows.device) / sharing + _nbytes(prepared)
    size = problem.rows.dtype.itemsize
    # The basis and its images, and a few blocks of all rows that a product passes around.
    arrays = size * n_views * (2 * basis_columns // processes.size + 256)
    storage = budget - _nbytes(prepared) - arrays
    if storage < 0:
        raise MemoryError(
            f"expected memory_budget above {size_in_words(budget - storage)}, which the rows and the basis"
            f" of {n_views:,} views take, got {size_in_words(budget)}; raise it, ask for fewer components,"
            " or use solver='nystrom'"
        )
    own = problem.kernel.kernel_matrix(prepared, storage, processes)
    if own is not None:
        words = "kernel stored" if isinstance(own, StoredKernelMatrix) else "kernel never stored"
        return own, prepared, words
    share = min(1.0, storage / panel_storage(n_views, processes.size, size))
    words = "kernel stored" if share == 1 else f"{share:.0%} of the kernel stored and the rest recomputed"
    matrix = PanelKernelMatrix(
        problem.kernel,
        prepared,
        storage=storage,
        processes=processes,
        progress=lambda done: problem.progress.show("kernel matrix", done),
    )
    return matrix, prepared, words


def _nbytes(prepared: Any) -> int:
    return prepared.nbytes if isinstance(prepared, Tensor) else prepared.data.nbytes


def block_width(n_modes: int) -> int:
    """Return how many columns a kernel product multiplies: whole registers, narrow for a deep basis."""
    return 16 if n_modes <= 20 else 32 if n_modes <= 80 else 48


def _basis_columns(n_views: int, n_modes: int, width: int) -> int:
    """Return how long the Krylov basis may grow before it restarts, which loses digits and time."""
    generous = 30 if n_views <= 20_000 else 12
    return min(max(generous * n_modes, 10 * width), n_modes + 1500, max(n_views, 3 * width + n_modes))
