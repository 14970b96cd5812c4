"""Eigenvalues and principal projections of a batch of embeddings, in float64 on the CPU.

By torch throughout: NumPy's BLAS would keep threads of its own spinning beside those of the training.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.embeddings import as_float64


def cross_correlation_eigenvalues(
    z_a: ArrayLike | Tensor, z_b: ArrayLike | Tensor, *, center: bool
) -> np.ndarray:
    """Eigenvalues of C = 1/(2n) sum_i (a_i b_i^T + b_i a_i^T), not normalised.

    Parameters
    ----------
    z_a, z_b : ArrayLike | Tensor
        (n, d), the two views' embeddings.
    center : bool
        Subtract the mean over both views first.

    Returns
    -------
    np.ndarray
        (d,), descending; negative ones are possible where the views disagree

    Examples
    --------
    >>> z = torch.eye(3) * 3**0.5
    >>> cross_correlation_eigenvalues(z, z, center=False).round(6)
    array([1., 1., 1.])
    """
    views = _both(z_a, z_b, center)
    n, dim = len(views) // 2, views.shape[1]
    if len(views) < dim:  # the non-zero part lives in the span of the 2n embeddings
        views = torch.linalg.qr(views.T, mode="r").R.T
    cross = views[:n].T @ views[n:] / n
    return _descending(torch.linalg.eigvalsh((cross + cross.T) / 2), dim)


def covariance_eigenvalues(
    z_a: ArrayLike | Tensor, z_b: ArrayLike | Tensor, *, center: bool = True
) -> np.ndarray:
    """Eigenvalues (d,), descending, of the two views' pooled covariance, divided by 2n.

    Examples
    --------
    >>> covariance_eigenvalues([[1.0, 0.0], [-1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]])
    array([1., 0.])
    """
    views = _both(z_a, z_b, center)
    dim = views.shape[1]
    gram = views.T @ views if dim <= len(views) else views @ views.T
    return _descending(torch.linalg.eigvalsh(gram / len(views)).clamp(min=0), dim)


def cross_covariance_singular_values(
    z_a: ArrayLike | Tensor, z_b: ArrayLike | Tensor, *, center: bool = True
) -> np.ndarray:
    """Singular values of 1/n sum_i a_i b_i^T, the cross-covariance of two encoders' embeddings.

    Parameters
    ----------
    z_a, z_b : ArrayLike | Tensor
        (n, d_a) and (n, d_b), row i of both of one pair.
    center : bool
        Subtract the mean of each side first.

    Returns
    -------
    np.ndarray
        (min(d_a, d_b),), descending.

    Raises
    ------
    ValueError
        For other shapes.

    Examples
    --------
    >>> a, b = torch.eye(4)[:, :3] * 2, torch.eye(4)[:, :2] * 3
    >>> cross_covariance_singular_values(a, b, center=False).round(6)
    array([1.5, 1.5])
    """
    a, b = as_float64(z_a), as_float64(z_b)
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b):
        raise ValueError(f"expected (n, d_a) and (n, d_b), got {tuple(a.shape)} and {tuple(b.shape)}")
    if center:
        a, b = a - a.mean(0), b - b.mean(0)
    count, kept = len(a), min(a.shape[1], b.shape[1])
    # What lies outside the span of the rows, which are fewer then, has no part in it.
    a, b = (torch.linalg.qr(z.T, mode="r").R.T if count < z.shape[1] else z for z in (a, b))
    values = torch.linalg.svdvals(a.T @ b / count)
    return _descending(values, max(kept, len(values)))[:kept]


def principal_projections(embeddings: ArrayLike | Tensor, count: int) -> np.ndarray:
    """Centred embeddings (n, d) on their first `count` principal directions.

    Returns
    -------
    np.ndarray
        (n, count) float32; columns beyond min(n, d) are zero, signs are arbitrary.

    Examples
    --------
    >>> principal_projections([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]], 1).round(6)
    array([[-2.],
           [ 0.],
           [ 2.]], dtype=float32)
    """
    values = as_float64(embeddings)
    left, singular, _ = torch.linalg.svd(values - values.mean(0), full_matrices=False)
    points = np.zeros((len(values), count), np.float32)
    kept = min(count, len(singular))
    points[:, :kept] = (left[:, :kept] * singular[:kept]).numpy()
    return points


def check_embeddings(z_a: Tensor, z_b: Tensor | None, dim: int | tuple[int, int] | None) -> None:
    """Raise ValueError unless one view or both are (n, dim), not empty and of a floating-point type.

    Of two encoders, whose dimensions are `dim`, the first is (n, dim[0]) and the second (n, dim[1]).

    Examples
    --------
    >>> check_embeddings(torch.zeros(3, 2), torch.zeros(3, 2), 2)
    >>> check_embeddings(torch.zeros(3, 4), None, 2)
    Traceback (most recent call last):
    ValueError: expected embeddings of shape (n, 2), got (3, 4)
    """
    if isinstance(dim, tuple):
        _check_sides(z_a, z_b, dim)
        return
    given = [tuple(z.shape) for z in (z_a, z_b) if z is not None]
    wanted = dim or (given[0][1] if len(given[0]) == 2 else "d")
    if len(set(given)) > 1 or len(given[0]) != 2 or given[0][1] != wanted or 0 in given[0]:
        raise ValueError(f"expected embeddings of shape (n, {wanted}), got {' and '.join(map(str, given))}")
    if not z_a.is_floating_point():
        raise ValueError(f"expected embeddings of a floating-point type, got {z_a.dtype}")


def _check_sides(z_a: Tensor, z_b: Tensor | None, dims: tuple[int, int]) -> None:
    if z_b is None:
        raise ValueError(f"expected embeddings of two encoders, {_sides(*dims)}, got z_a alone; give z_b too")
    given = f"got {tuple(z_a.shape)} and {tuple(z_b.shape)}"
    shapes = [tuple(z.shape[1:]) for z in (z_a, z_b)]
    if shapes != [(dims[0],), (dims[1],)] or not len(z_a) or not len(z_b):
        raise ValueError(f"expected embeddings of two encoders, {_sides(*dims)}, {given}")
    if len(z_a) != len(z_b):
        raise ValueError(
            f"expected as many rows of z_a as of z_b, row i of both of one pair, {given}; give both sides of"
            " the same samples in the same order"
        )
    for z in (z_a, z_b):
        if not z.is_floating_point():
            raise ValueError(f"expected embeddings of a floating-point type, got {z.dtype}")


def _sides(d_a: int, d_b: int) -> str:
    return f"(n, {d_a}) and (n, {d_b})"


def _both(z_a: ArrayLike | Tensor, z_b: ArrayLike | Tensor, center: bool) -> Tensor:
    a, b = as_float64(z_a), as_float64(z_b)
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"expected two views of shape (n, d), got {tuple(a.shape)} and {tuple(b.shape)}")
    views = torch.cat([a, b])
    return views - views.mean(0) if center else views


def _descending(eigenvalues: Tensor, dim: int) -> np.ndarray:
    return np.sort(np.pad(eigenvalues.numpy(), (0, dim - len(eigenvalues))))[::-1]
