"""Alignment of two kernels on the nearest neighbours that both have in common."""

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.comparison.measures._measure import Undefined, agreement, check_images, value_of
from eigenstep.comparison.measures._neighbours import Similarity, marked, unit_rows
from eigenstep.spectrum.agreement import Matrix


def cknna(
    first: ArrayLike, second: ArrayLike, neighbours: int = 10, similarity: Similarity = "cosine"
) -> float:
    """Return CKNNA: debiased linear CKA of Gram matrices of which only mutual neighbours are kept.

        h(M_ab K, M_ab L) / sqrt(h(M_a K, M_a K) h(M_b L, M_b L))

    K and L are the Gram matrices, M_a and M_b mark the k nearest neighbours of each image in either
    embedding, M_ab those in both, and h is the unbiased HSIC of Song et al. 2012, equation 5. Huh et al.
    2024, arXiv:2405.07987, as their code (minyoungg/platonic-rep) computes it: the masked matrices are not
    symmetric there, so that the order of two embeddings moves the value, in its fourth digit or later.

    Parameters
    ----------
    first, second : ArrayLike
        (n, d_a) and (n, d_b) embeddings of the same images, row by row.
    neighbours : int
        From 2 to n - 2.
    similarity : {"cosine", "inner_product"}
        Of what K and L are; "cosine" is what they do, who normalise embeddings first.

    Raises
    ------
    ValueError
        As `eigenstep.comparison.neighbour_agreement`; fewer than 4 images or 2 neighbours; Euclidean
        distances, which are no kernel; an embedding whose own h is not positive.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(60, 3))
    >>> round(cknna(z, 2 * z), 12)
    1.0
    """
    if similarity == "euclidean":
        raise ValueError("expected the similarity cosine or inner_product, got euclidean")
    a, b = value_of(first, second, lambda rows: _prepared(rows, neighbours, similarity), 4)
    return _between(a, b)


def _between(first: Matrix, second: Matrix) -> float:
    mutual = first[1] * second[1]
    return _hsic(mutual * first[0], mutual * second[0])


@agreement("cknna_cosine", "CKNNA, cosine", between=_between)
def _by_cosine(rows: Matrix, neighbours: int) -> Matrix:
    return _prepared(rows, neighbours, "cosine")


def _prepared(rows: Matrix, neighbours: int, similarity: Similarity) -> Matrix:
    """The Gram matrix, scaled so that it agrees with itself by 1, and the marks: (2, n, n)."""
    check_images(len(rows), 4)
    if neighbours < 2:
        raise ValueError(f"expected at least 2 neighbours for CKNNA, got {neighbours}")
    marks = marked(rows, neighbours, similarity)
    if similarity == "cosine":
        rows = unit_rows(rows)
    gram = rows @ rows.T
    own = _hsic(marks * gram, marks * gram)
    if not own > 0:
        raise Undefined(f"CKNNA of an embedding with itself is to be positive, got {own:.2g}")
    return np.stack([gram / np.sqrt(own), marks])


def _hsic(first: Matrix, second: Matrix) -> float:
    """The unbiased HSIC, times n (n - 3), of matrices of which the diagonal is 0."""
    n = len(first)
    product = np.sum(first * second.T)
    totals = first.sum() * second.sum() / ((n - 1) * (n - 2))
    return float(product + totals - 2 * (first.sum(axis=0) @ second.sum(axis=1)) / (n - 2))
