"""Landmarks whose kernel columns span nearly all the others: randomly pivoted Cholesky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# A residual counts as nothing up to this many roundings of K(x, x) in the precision of later use, and up to
# this many of its own error. Fewer let noise in where ranks are deficient, more lose small true pivots.
_PIVOT_ROUNDINGS = 50
_ERROR_ROUNDINGS = 300


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Chosen candidates, in the order in which they were chosen.

    Attributes
    ----------
    indices : NDArray[np.int64]
        (m,) positions among the candidates.
    factor : Tensor
        (m, m) lower triangular float64 L with L L^T the kernel matrix of the landmarks.
    """

    indices: NDArray[np.int64]
    factor: Tensor


def choose_landmarks(
    kernel: Any,
    prepared: Any,
    n_landmarks: int,
    generator: np.random.Generator,
    *,
    precision: torch.dtype | None = None,
    proposals: int | None = None,
    rounded: Tensor | None = None,
) -> Landmarks:
    """Choose landmarks among candidates by randomly pivoted Cholesky, in blocks.

    A candidate is drawn with probability proportional to what the landmarks so far leave unexplained of its
    K(x, x). Draws are made many at a time and thinned by rejection, so that the work is matrix products and
    the law of the result is that of one draw at a time. Sources: Chen, Epperly, Tropp, Webber,
    arXiv:2207.06503; Epperly, Tropp, Webber, arXiv:2410.03969.

    Fewer landmarks come back where fewer explain everything: duplicate rows, kernels of low rank.

    Parameters
    ----------
    kernel : Any
        a Kernel.
    prepared : Any
        `kernel.prepare(rows)` of n candidates, float64 rows where the device has them.
    n_landmarks : int
        m at most.
    generator : np.random.Generator
        Where the draws come from.
    precision : torch.dtype | None
        Dtype of the rows that will be held against the landmarks, that of `prepared` by default. A pivot at
        its rounding level would turn rounding into a feature, so such candidates count as explained.
    proposals : int | None
        Draws at a time; a good number is chosen by default.
    rounded : Tensor | None
        (n,) the size of what K(x, x) was computed from, of which its rounding is; K(x, x) itself by default.

    Raises
    ------
    ValueError
        n_landmarks < 1, a kernel whose diagonal is not finite or nowhere positive.

    Examples
    --------
    >>> class Linear:
    ...     def block(self, a, b): return a @ b.T
    ...     def diagonal(self, a): return (a * a).sum(dim=1)
    >>> rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]], dtype=torch.float64)
    >>> landmarks = choose_landmarks(Linear(), rows, 4, np.random.default_rng(0))
    >>> len(landmarks.indices)
    2
    >>> chosen = rows[landmarks.indices]
    >>> torch.allclose(landmarks.factor @ landmarks.factor.T, chosen @ chosen.T)
    True
    """
    if n_landmarks < 1:
        raise ValueError(f"expected at least one landmark, got n_landmarks={n_landmarks}")
    diagonal = kernel.diagonal(prepared)
    roundings = (torch.finfo(precision or diagonal.dtype).eps, torch.finfo(diagonal.dtype).eps)
    diagonal = to_float64(diagonal)
    if not torch.isfinite(diagonal).all():
        raise ValueError("expected finite kernel values, got NaN or infinity; scale the rows down")
    limit = min(n_landmarks, len(diagonal))
    block_size = proposals or max(8, min(200, limit // 5))
    chosen = np.empty(0, dtype=np.int64)
    # Row i is the factor's column of landmark i over all candidates: rows come in contiguous blocks.
    columns = diagonal.new_empty(limit, len(diagonal))
    left = _Residual(diagonal, diagonal.abs() if rounded is None else to_float64(rounded), *roundings)
    if not left.any():
        raise ValueError(
            f"no mode is learned from these rows (n_samples = {len(diagonal)}): expected K(x, x) > 0 for some"
            " of them, got zero for all"
        )
    while len(chosen) < limit and left.any():
        proposed = _draw(left.values, block_size, generator)
        past = columns[: len(chosen)]
        known = past[:, proposed]
        schur = to_float64(kernel.block(prepared[proposed], prepared[proposed])) - known.T @ known
        # What this product leaves is truer than a running subtraction.
        left.values[proposed] = schur.diagonal()
        kept, corner = left.at(proposed).accept(schur, limit - len(chosen), generator)
        new = proposed[kept]
        part = columns[len(chosen) : len(chosen) + len(new)]
        if kept:
            rows = to_float64(kernel.block(prepared[new], prepared)).addmm_(known[:, kept].T, past, alpha=-1)
            # Transposed, for LAPACK's order of entries is the other one and copies would cost as much.
            torch.linalg.solve_triangular(corner.T.to(rows), rows.T, upper=True, left=False, out=part.T)
        chosen = np.append(chosen, new)
        left.subtract(part, new, corner.diagonal().to(part))
    return Landmarks(chosen, columns[: len(chosen), chosen].T.tril())


def _draw(residual: Tensor, size: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw candidates with probability proportional to their residual, with replacement."""
    ends = residual.cpu().numpy().cumsum()
    places = np.searchsorted(ends, generator.random(size) * ends[-1], side="right")
    # A draw at the very end may round up to the total, past the last candidate that has any residual.
    return np.minimum(places, np.searchsorted(ends, ends[-1]))


class _Residual:
    """What the landmarks leave of each candidate's K(x, x), zero where that is no more than rounding.

    An entry F_ti of the factor has an error of about eps (K_tt K_ii)^(1/2) / F_tt, which counts where pivot t
    is small beside K_tt, and it enters the residual of candidate i as a square.

    values, rounded : (n,) the residuals, and the size of what K(x, x) was computed from
    error : (n,) squared error of each residual, in units of rounding
    """

    def __init__(self, values: Tensor, rounded: Tensor, used_rounding: float, own_rounding: float) -> None:
        self.values, self.rounded, self.error = values, rounded, rounded.square()
        self._used, self._own = used_rounding, own_rounding
        self._drop_rounding()

    def any(self) -> bool:
        return bool((self.values > 0).any())

    def at(self, places: NDArray[np.int64]) -> _Residual:
        part = _Residual(self.values[places].cpu(), self.rounded[places].cpu(), self._used, self._own)
        part.error = self.error[places].cpu()
        return part

    def subtract(self, columns: Tensor, pivots: NDArray[np.int64], pivot_entries: Tensor) -> None:
        """Take off what new landmarks explain: their columns (b, n) of the factor, with F_tt (b,)."""
        squares = columns.square()
        self.values -= squares.sum(dim=0)
        self.error += self.rounded * ((self.rounded[pivots] / pivot_entries.square()) @ squares)
        self._drop_rounding()

    def _drop_rounding(self) -> None:
        floor = torch.maximum(
            _PIVOT_ROUNDINGS * self._used * self.rounded, _ERROR_ROUNDINGS * self._own * self.error.sqrt()
        )
        self.values = torch.where(self.values > floor, self.values, 0.0)

    def accept(self, schur: Tensor, limit: int, generator: np.random.Generator) -> tuple[list[int], Tensor]:
        """Thin proposals to draws one at a time: keep each by the share left of its residual.

        Parameters
        ----------
        schur : Tensor
            (b, b) the proposals' Schur complement; this object is theirs alone.

        Returns
        -------
        tuple[list[int], Tensor]
            The places kept, `limit` at most, and the lower triangular factor of their Schur complement.
        """
        left, rounded, error = schur.cpu().numpy().copy(), self.rounded.numpy(), self.error.numpy()
        proposed, uniforms = left.diagonal().copy(), generator.random(len(left))
        factor = np.zeros_like(left)
        kept: list[int] = []
        for pivot in range(len(left)):
            value, total = left[pivot, pivot], rounded[pivot]
            floor = max(
                _PIVOT_ROUNDINGS * self._used * total, _ERROR_ROUNDINGS * self._own * error[pivot] ** 0.5
            )
            if len(kept) < limit and value > floor and uniforms[pivot] * proposed[pivot] < value:
                factor[pivot:, len(kept)] = left[pivot:, pivot] / value**0.5
                column = factor[pivot + 1 :, len(kept)]
                left[pivot + 1 :, pivot + 1 :] -= np.outer(column, column)
                error[pivot + 1 :] += rounded[pivot + 1 :] * (total / value) * column**2
                kept.append(pivot)
        return kept, torch.from_numpy(factor[kept, : len(kept)].copy())


def to_float64(values: Tensor) -> Tensor:
    """Return the values in float64, on the CPU where their device has none (MPS)."""
    return values.to("cpu" if values.device.type == "mps" else values.device).to(torch.float64)
