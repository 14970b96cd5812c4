"""The eigenvalues that measures are taken of: of embeddings, of moments, or but the leading ones."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import xlogy
from torch import Tensor

from eigenstep.embeddings import as_float64


def second_moment_eigenvalues(embeddings: ArrayLike | Tensor, *, center: bool) -> np.ndarray:
    """Eigenvalues of Z^T Z / n, the min(n, d) that can differ from zero, descending.

    From the singular values of Z, so that small ones keep their accuracy. NaN throughout if an embedding is
    not finite.
    """
    z = embedding_rows(embeddings)
    if not torch.isfinite(z).all():
        return np.full(min(z.shape), np.nan)
    z = centered(z) if center else z
    values: np.ndarray = (torch.linalg.svdvals(z).square() / len(z)).numpy()
    return values


def checked_eigenvalues(eigenvalues: ArrayLike) -> np.ndarray:
    """Eigenvalues (k,) of a second moment, descending, in float64.

    What only rounding can have made, negative values and those below k eps of the largest, is zero. NaN
    throughout if one is not finite.

    Raises
    ------
    ValueError
        For another shape.
    """
    values = float64_array(eigenvalues, "eigenvalues")
    if values.ndim != 1 or not len(values):
        raise ValueError(f"expected eigenvalues of shape (k,), got {values.shape}")
    if not np.isfinite(values).all():
        return np.full(len(values), np.nan)
    values = np.sort(values)[::-1]
    return np.where(values > len(values) * np.finfo(np.float64).eps * values[0], values, 0.0).clip(0)


def complete_spectrum(leading: ArrayLike, *, trace: float, size: int) -> np.ndarray:
    """Leading eigenvalues (k,), continued to `size` by equal ones that carry the rest of the trace.

    Of all spectra with these leading values the continued one has the largest entropy and participation
    ratio, so those measures become upper bounds; the stable rank stays exact.

    Parameters
    ----------
    trace : float
        Sum of all eigenvalues.
    size : int
        How many there are, min(d, rows).

    Examples
    --------
    >>> complete_spectrum([4.0, 2.0], trace=7.0, size=4)
    array([4. , 2. , 0.5, 0.5])
    """
    values = float64_array(leading, "eigenvalues")
    missing = size - len(values)
    if missing <= 0:
        return values
    return np.concatenate([values, np.full(missing, max(trace - values.sum(), 0.0) / missing)])


def entropy_rank(values: np.ndarray, *, eps: float) -> float:
    """exp(-sum_k p_k log p_k) with p_k = values_k / sum(values) + eps; 0 if all values are zero."""
    total = values.sum()
    if total == 0:
        return 0.0
    p = values / total + eps
    return float(np.exp(-xlogy(p, p).sum()))


def embedding_rows(embeddings: ArrayLike | Tensor) -> Tensor:
    """Embeddings (n, d) in float64 on the CPU. Raises ValueError if the shape is another."""
    z = as_float64(embeddings)
    if z.ndim != 2 or 0 in z.shape:
        raise ValueError(f"expected embeddings of shape (n, d), got {tuple(z.shape)}")
    return z


def float64_array(values: ArrayLike | Tensor, name: str) -> np.ndarray:
    """`as_float64` as an array."""
    found: np.ndarray = as_float64(values, name).numpy()
    return found


def centered(z: Tensor) -> Tensor:
    """Rows minus their mean; zero where they differ from it by rounding alone."""
    deviations = z - z.mean(0)
    rounding = 64 * torch.finfo(torch.float64).eps * z.abs().amax(0)
    return torch.where(deviations.abs() > rounding, deviations, 0.0)
