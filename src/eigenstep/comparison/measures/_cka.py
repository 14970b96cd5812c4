"""Centred kernel alignment without the bias that few images give it."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import pdist, squareform

from eigenstep.comparison.measures._measure import Undefined, agreement, check_images, value_of
from eigenstep.spectrum.agreement import Matrix, weighted

# The debiased estimator divides by n - 3.
LEAST_IMAGES = 4


def debiased_cka(first: ArrayLike, second: ArrayLike) -> float:
    """Return linear CKA from unbiased estimates of HSIC, in [-1, 1]: 0 on average for unrelated embeddings.

        <K, L> / (||K||_F ||L||_F)

    K and L are the Gram matrices of the images with their diagonal left out and U-centred, so that
    <K, L> / (n (n - 3)) is the unbiased HSIC of Song et al. 2012, equation 5
    (https://jmlr.org/papers/v13/song12a.html); Nguyen et al. 2021, arXiv:2010.15327, use it for CKA. Of 32
    images in 8 dimensions, unrelated, `eigenstep.comparison.linear_cka` is .2 on average and this .0.

    Parameters
    ----------
    first, second : ArrayLike
        (n, d_a) and (n, d_b) embeddings of the same images, row by row; no mean need be subtracted.

    Raises
    ------
    ValueError
        Shapes that do not match, NaN, embeddings that are the same for all images, fewer than 4 images.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [2.0], [5.0], [7.0]])
    >>> round(debiased_cka(line, -3 * line + 1), 12)
    1.0
    """
    a, b = value_of(first, second, lambda rows: _linear_debiased(rows, 0), LEAST_IMAGES)
    return float(np.sum(a * b))


def rbf_cka(
    first: ArrayLike, second: ArrayLike, bandwidth: float | None = None, *, debiased: bool = True
) -> float:
    """Return CKA of the kernels exp(-||x - y||^2 / (2 s^2)), which sees close images more than far ones.

    Parameters
    ----------
    first, second : ArrayLike
        (n, d_a) and (n, d_b) embeddings of the same images, row by row.
    bandwidth : float | None
        s, the same of both; default: of each the median distance between two of its images, whatever its
        scale (Kornblith et al. 2019, arXiv:1905.00414).
    debiased : bool
        By the unbiased HSIC, as `debiased_cka`; False: by the biased one, as `linear_cka`.

    Raises
    ------
    ValueError
        As `debiased_cka`; a bandwidth that is not positive.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [2.0], [5.0], [7.0]])
    >>> round(rbf_cka(line, -3 * line + 1), 12), round(rbf_cka(line, -3 * line + 1, 1.0), 2)
    (1.0, 0.96)
    """
    if bandwidth is not None and not bandwidth > 0:
        raise ValueError(f"expected a positive bandwidth, got {bandwidth}")
    center = u_centered if debiased else _centered
    a, b = value_of(first, second, lambda rows: _unit(center(_rbf(rows, bandwidth))), LEAST_IMAGES)
    return float(np.sum(a * b))


@agreement("cka_linear_debiased", "linear CKA, debiased")
def _linear_debiased(rows: Matrix, neighbours: int) -> Matrix:
    check_images(len(rows), LEAST_IMAGES)
    rows = rows - rows.mean(axis=0)  # which U-centring does as well, and with less rounding from here
    return _unit(u_centered(rows @ rows.T))


@agreement("cka_rbf_debiased", "RBF CKA, debiased")
def _rbf_debiased(rows: Matrix, neighbours: int) -> Matrix:
    check_images(len(rows), LEAST_IMAGES)
    return _unit(u_centered(_rbf(rows, None)))


@agreement("cka_linear_biased", "linear CKA, biased", crowded=True)
def _linear_biased(rows: Matrix, neighbours: int) -> Matrix:
    """What `eigenstep.comparison.linear_cka` compares, as a matrix of images."""
    centered = weighted(rows, None)
    return _unit(centered @ centered.T)


def u_centered(kernel: Matrix) -> Matrix:
    """Return a kernel matrix (n, n) U-centred: its diagonal 0, and its rows and columns of sum 0.

    Székely and Rizzo 2014, arXiv:1310.2926, definition 2.
    """
    n = len(kernel)
    bare = kernel - np.diag(np.diag(kernel))
    sums = bare.sum(axis=1)
    centered = bare - (sums[:, None] + sums) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centered, 0)
    return centered


def _centered(kernel: Matrix) -> Matrix:
    moved = kernel - kernel.mean(axis=0)
    centered: Matrix = moved - moved.mean(axis=1, keepdims=True)
    return centered


def _rbf(rows: Matrix, bandwidth: float | None) -> Matrix:
    distances = pdist(rows)
    # Where more than half of the images are the same one, the median of the others.
    width = bandwidth or float(np.median(distances)) or float(np.median(distances[distances > 0]))
    kernel: Matrix = squareform(np.exp(-((distances / width) ** 2) / 2))
    np.fill_diagonal(kernel, 1)
    return kernel


def _unit(matrix: Matrix) -> Matrix:
    size = np.linalg.norm(matrix)
    if not size:
        raise Undefined("all pairs of images are equally alike, which leaves nothing to compare")
    unit: Matrix = matrix / size
    return unit
