"""Representational similarity analysis: whether the same pairs of images are far apart."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

from eigenstep.comparison.measures._measure import Undefined, agreement, value_of
from eigenstep.spectrum.agreement import Matrix

Dissimilarity = Literal["euclidean", "correlation", "cosine"]
Correlation = Literal["spearman", "pearson"]


def rsa(
    first: ArrayLike,
    second: ArrayLike,
    dissimilarity: Dissimilarity = "euclidean",
    correlation: Correlation = "spearman",
) -> float:
    """Return the correlation of two embeddings' dissimilarities over all pairs of images, in [-1, 1].

    Kriegeskorte et al. 2008, doi:10.3389/neuro.06.004.2008.

    Parameters
    ----------
    first, second : ArrayLike
        (n, d_a) and (n, d_b) embeddings of the same images, row by row.
    dissimilarity : {"euclidean", "correlation", "cosine"}
        Euclidean distances see no rotation and no mean. Those by correlation, 1 - the correlation of two
        rows over their columns, which are usual in neuroscience, depend on the axes.
    correlation : {"spearman", "pearson"}
        Of ranks or of the dissimilarities themselves.

    Raises
    ------
    ValueError
        Shapes that do not match, NaN, embeddings that are the same for all images, fewer than 3 images, all
        pairs of which are equally far apart; correlations of fewer than three columns, or of a row of equal
        numbers; cosines of a row of zeros.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [3.0], [7.0]])
    >>> round(rsa(line, 1 - 2 * line), 12), round(rsa(line, line**2, correlation="pearson"), 3)
    (1.0, 0.94)
    """
    a, b = value_of(first, second, lambda rows: _standardised(rows, dissimilarity, correlation), 3)
    return float(np.sum(a * b))


@agreement("rsa_euclidean_spearman", "RSA, Euclidean, Spearman")
def _euclidean_ranks(rows: Matrix, neighbours: int) -> Matrix:
    return _standardised(rows, "euclidean", "spearman")


@agreement("rsa_euclidean_pearson", "RSA, Euclidean, Pearson")
def _euclidean(rows: Matrix, neighbours: int) -> Matrix:
    return _standardised(rows, "euclidean", "pearson")


@agreement("rsa_correlation_spearman", "RSA, correlation, Spearman")
def _correlation_ranks(rows: Matrix, neighbours: int) -> Matrix:
    return _standardised(rows, "correlation", "spearman")


def _standardised(rows: Matrix, dissimilarity: Dissimilarity, correlation: Correlation) -> Matrix:
    """The dissimilarities as a matrix (n, n) of which the sum over two's products is their correlation."""
    if dissimilarity == "correlation" and rows.shape[1] < 3:
        raise Undefined(f"expected at least three columns to correlate rows over, got {rows.shape[1]}")
    with np.errstate(invalid="ignore", divide="ignore"):
        values = pdist(rows, dissimilarity)
    if not np.isfinite(values).all():
        raise Undefined(
            f"a row of {'zeros' if dissimilarity == 'cosine' else 'equal numbers'} has no {dissimilarity}"
        )
    if correlation == "spearman":
        values = rankdata(values)
    moved = values - values.mean()
    size = np.linalg.norm(moved)
    if size <= np.finfo(np.float64).eps * np.linalg.norm(values):
        raise Undefined("all pairs of images are equally far apart, which leaves nothing to correlate")
    matrix: Matrix = squareform(moved / (np.sqrt(2) * size))  # where each pair of images stands twice
    return matrix
