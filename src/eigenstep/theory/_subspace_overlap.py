"""How far two spaces agree."""

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike


def subspace_overlap(first: ArrayLike, second: ArrayLike) -> float:
    """Return the overlap ||Q1^T Q2||_F^2 / d of two d-dimensional spaces: 1 if equal, 0 if orthogonal.

    Q1 and Q2 are orthonormal bases of the two column spaces. It is the mean squared cosine of the principal
    angles; two random spaces in m dimensions have d / m.

    Parameters
    ----------
    first, second : ArrayLike
        (m, d) columns that span each space, in any basis; pass W.T for the row space of weights.

    Raises
    ------
    ValueError
        Shapes that differ, more columns than rows, or columns that are linearly dependent.

    Examples
    --------
    >>> round(subspace_overlap([[1.0], [0.0]], [[1.0], [1.0]]), 12)
    0.5
    """
    bases = [np.asarray(columns, dtype=np.float64) for columns in (first, second)]
    shape = bases[0].shape
    if bases[1].shape != shape or len(shape) != 2 or not 1 <= shape[1] <= shape[0]:
        raise ValueError(f"expected two arrays of one shape (m, d), d <= m, got {shape} and {bases[1].shape}")
    left, right = (_orthonormal_basis(columns) for columns in bases)
    return float(np.sum((left.T @ right) ** 2) / shape[1])


def _orthonormal_basis(columns: np.ndarray) -> np.ndarray:
    basis, singular_values, _ = scipy.linalg.svd(columns, full_matrices=False)
    if singular_values[-1] <= len(columns) * np.finfo(np.float64).eps * singular_values[0]:
        raise ValueError(
            f"expected {columns.shape[1]} linearly independent columns, got singular values from "
            f"{singular_values[0]:.3g} down to {singular_values[-1]:.3g}; keep only the learned directions"
        )
    return basis
