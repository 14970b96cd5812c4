"""A measure of agreement: each embedding is prepared once, and then compared in any order of its images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.spectrum.agreement import Matrix, checked_pair

# The order in tables; measures that are not named here follow by their names.
ORDER = (
    *("cka_linear_debiased", "cka_rbf_debiased", "cka_linear_biased"),
    *("mutual_knn_cosine", "mutual_knn_inner_product", "mutual_knn_euclidean", "jaccard_knn_cosine"),
    *("cknna_cosine", "procrustes", "procrustes_angle"),
    *("rsa_euclidean_spearman", "rsa_euclidean_pearson", "rsa_correlation_spearman"),
)

Prepare = Callable[[Matrix, int], Matrix]


@dataclass(frozen=True)
class AgreementMeasure:
    """One of the measures of agreement.

    Attributes
    ----------
    name : str
        In JSON: what is compared, by which similarity, biased or not.
    title : str
        In tables.
    prepare : Callable[[Matrix, int], Matrix]
        Of an embedding (n, d) and a number of neighbours k, what is compared: (..., n, n) over pairs of
        images, or (n, r) where `pairwise` is False. Raises `Undefined` where there is nothing to compare.
    between : Callable[[Matrix, Matrix], float] | None
        The value for two that are prepared; None: the sum over their products, by which whole maps are fast.
    larger_is_closer : bool
        False of distances.
    pairwise : bool
        Whether the last two axes of what is prepared are images, or the first one alone.
    crowded : bool
        Whether unrelated embeddings agree the more, the more dimensions they have for their images, up to
        wholly: such a measure cannot tell where there are fewer images than dimensions.

    Examples
    --------
    >>> from eigenstep.comparison import AGREEMENTS
    >>> AGREEMENTS["mutual_knn_cosine"].title
    'mutual k-NN, cosine'
    """

    name: str
    title: str
    prepare: Prepare
    between: Callable[[Matrix, Matrix], float] | None = None
    larger_is_closer: bool = True
    pairwise: bool = True
    crowded: bool = False

    def compare(self, first: Matrix, second: Matrix) -> float:
        """The value for two prepared embeddings."""
        return float(np.sum(first * second)) if self.between is None else self.between(first, second)

    def shuffled(self, prepared: Matrix, order: NDArray[np.intp]) -> Matrix:
        """What is prepared, of the same images in another order, (n,)."""
        return prepared[..., order[:, None], order] if self.pairwise else prepared[order]


class Undefined(ValueError):
    """A measure is not defined for an embedding, whose other measures may be."""


REGISTERED: dict[str, AgreementMeasure] = {}


def agreement(name: str, title: str, **options: Any) -> Callable[[Prepare], Prepare]:
    """Mark the function that prepares an embedding for a measure; options as of `AgreementMeasure`."""

    def mark(prepare: Prepare) -> Prepare:
        REGISTERED[name] = AgreementMeasure(name, title, prepare, **options)
        return prepare

    return mark


def in_order() -> dict[str, AgreementMeasure]:
    """All measures that are registered, in the order of tables."""
    names = [*ORDER, *sorted(REGISTERED.keys() - set(ORDER))]
    return {name: REGISTERED[name] for name in names}


def value_of(
    first: ArrayLike, second: ArrayLike, prepare: Callable[[Matrix], Matrix], least: int = 2
) -> tuple[Matrix, Matrix]:
    """Return two checked embeddings prepared alike; ValueError for fewer than `least` images."""
    a, b = checked_pair(first, second)
    check_images(len(a), least)
    return prepare(a), prepare(b)


def check_images(found: int, least: int) -> None:
    """Raise ValueError if there are fewer images than a measure needs."""
    if found < least:
        raise ValueError(f"expected at least {least} images, got {found}; use more images")
