"""The aligned start that a generic small start behaves as."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class AlignedStart:
    """W(0) = rotation @ diag(scales) @ modes^T: the start from which every mode moves alone.

    Attributes
    ----------
    rotation : NDArray[np.float64]
        (d, k) orthonormal columns U, the output direction that learns each mode.
    scales : NDArray[np.float64]
        (k,) s_j(0) >= 0.
    """

    rotation: NDArray[np.float64]
    scales: NDArray[np.float64]


def aligned_start(weights: ArrayLike, modes: ArrayLike) -> AlignedStart:
    """Return the aligned start whose trajectory small generic weights follow.

        W(0) V = Q R (QR factors),     U = Q sign(diag R),     s_j(0) = |R_jj|

    Mode j grows only in output directions that modes 1 .. j-1 have not taken, so its start is what is left of
    W(0) v_j across them: |R_jj|, not the column's norm. Asymptotic for small weights and for modes with
    gaps gamma_1 > ... > gamma_d > gamma_{d+1}; exact when W(0) is aligned already. Within a group of equal
    eigenvalues the modes are an arbitrary basis and so are their scales; the space they span is not.

    Parameters
    ----------
    weights : ArrayLike
        (d, m) W(0).
    modes : ArrayLike
        (m, k) eigenvectors as columns, in the order in which they are learned, k <= d.

    Raises
    ------
    ValueError
        Shapes that do not match, more modes than outputs, or values that are not finite.

    Examples
    --------
    >>> start = aligned_start([[3.0, 1.0], [4.0, 7.0]], np.eye(2))
    >>> start.scales
    array([5. , 3.4])
    >>> start.rotation.round(12)
    array([[ 0.6, -0.8],
           [ 0.8,  0.6]])
    """
    initial = np.asarray(weights, dtype=np.float64)
    columns = np.asarray(modes, dtype=np.float64)
    if initial.ndim != 2 or columns.ndim != 2 or initial.shape[1] != columns.shape[0]:
        raise ValueError(
            f"expected weights (d, m) and modes (m, k), got {initial.shape} and {columns.shape}; "
            "modes are columns"
        )
    if columns.shape[1] > initial.shape[0]:
        raise ValueError(
            f"expected at most one mode for each of {initial.shape[0]} outputs, got {columns.shape[1]}; "
            "pass the top ones"
        )
    if not (np.isfinite(initial).all() and np.isfinite(columns).all()):
        raise ValueError("expected finite weights and modes, got NaN or infinity")
    orthogonal, triangular = scipy.linalg.qr(initial @ columns, mode="economic")
    diagonal = np.diagonal(triangular)
    return AlignedStart(orthogonal * np.where(diagonal < 0, -1.0, 1.0), np.abs(diagonal))


def start_scales(weights: ArrayLike, modes: ArrayLike) -> NDArray[np.float64]:
    """Return the start scales s_j(0) = |R_jj| of W(0) V = Q R, (k,); see `aligned_start`.

    Examples
    --------
    >>> start_scales([[3.0, 1.0], [4.0, 7.0]], np.eye(2))
    array([5. , 3.4])
    """
    return aligned_start(weights, modes).scales
