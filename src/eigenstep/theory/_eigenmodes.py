"""Eigenmodes of a symmetric operator, largest eigenvalue first."""

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray


def top_eigenmodes(operator: ArrayLike, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the `count` largest eigenvalues, descending, and their eigenvectors as columns, (m, count).

    Each vector's entry of largest magnitude is positive, so that signs do not depend on the LAPACK build.
    Eigenvalues that are zero to working precision are returned as 0: on data of deficient rank they would
    otherwise be rounding errors of either sign, and a mode that is frozen would seem to be learned late.

    Examples
    --------
    >>> values, modes = top_eigenmodes(np.diag([1.0, 4.0, 2.0]), 2)
    >>> values
    array([4., 2.])
    >>> modes
    array([[0., 0.],
           [1., 0.],
           [0., 1.]])
    """
    matrix = symmetric_operator(operator)
    size = len(matrix)
    if not 1 <= count <= size:
        raise ValueError(f"expected between 1 and {size} modes of an operator of size {size}, got {count}")
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=[size - count, size - 1])
    values, vectors = values[::-1].copy(), vectors[:, ::-1]
    values[np.abs(values) <= size * np.finfo(np.float64).eps * scipy.linalg.norm(matrix)] = 0.0
    peaks = vectors[np.abs(vectors).argmax(axis=0), np.arange(count)]
    return values, vectors * np.where(peaks < 0, -1.0, 1.0)


def symmetric_operator(operator: ArrayLike) -> NDArray[np.float64]:
    """Return the operator as float64 (m, m); ValueError if it is not square, finite and symmetric."""
    matrix = np.asarray(operator, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"expected a square operator of shape (m, m), got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("expected a finite operator, got NaN or infinity")
    asymmetry = float(np.abs(matrix - matrix.T).max())
    if asymmetry > 1e-6 * float(np.abs(matrix).max()):
        raise ValueError(
            f"expected a symmetric operator, got entries that differ by {asymmetry:.3g} from their mirror; "
            "cross_correlation gives a symmetric one"
        )
    return (matrix + matrix.T) / 2


def matching_weights(weights: ArrayLike, n_features: int) -> NDArray[np.float64]:
    """Return weights as finite float64 (d, m) with m = n_features, or raise ValueError."""
    matrix = np.asarray(weights, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] == 0 or matrix.shape[1] != n_features:
        raise ValueError(f"expected weights of shape (d, {n_features}), got {matrix.shape}; rows are outputs")
    if not np.isfinite(matrix).all():
        raise ValueError("expected finite weights, got NaN or infinity")
    return matrix
