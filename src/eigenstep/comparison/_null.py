"""Measures of agreement of images in their order and in shuffled ones, of everything prepared once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.comparison.measures import AGREEMENTS, AgreementMeasure, Undefined
from eigenstep.spectrum.agreement import Matrix, checked_pair
from eigenstep.spelling import nearest

PERMUTATIONS = 199
# Sums in another order differ by rounding: values this close are ties.
TIE = 1e-12


def chosen(names: Sequence[str] | None) -> list[AgreementMeasure]:
    """The measures of these names, all by default; ValueError for one that there is not."""
    unknown = [name for name in names or () if name not in AGREEMENTS]
    if unknown:
        raise ValueError(
            f"unknown measure of agreement {unknown[0]!r}: expected one of {', '.join(AGREEMENTS)}."
            + nearest(unknown[0], AGREEMENTS)
        )
    return [AGREEMENTS[name] for name in (AGREEMENTS if names is None else names)]


def shuffles(images: int, permutations: int, seed: int) -> NDArray[np.intp]:
    """Random orders of the images, (permutations, n); ValueError where there are to be none."""
    if permutations < 1:
        raise ValueError(f"expected at least 1 permutation, got {permutations}")
    rows = np.tile(np.arange(images), (permutations, 1))
    return np.random.default_rng(seed).permuted(rows, axis=1)


def checked(firsts: Sequence[ArrayLike], seconds: Sequence[ArrayLike]) -> tuple[list[Matrix], list[Matrix]]:
    """Embeddings of the same images as float64; ValueError as of `checked_pair`, or where there are none."""
    if not len(firsts) or not len(seconds):
        raise ValueError(f"expected embeddings on both sides, got {len(firsts)} and {len(seconds)}")
    return (
        [checked_pair(each, seconds[0])[0] for each in firsts],
        [checked_pair(firsts[0], each)[1] for each in seconds],
    )


def with_null(
    measure: AgreementMeasure,
    firsts: Sequence[Matrix],
    seconds: Sequence[Matrix],
    neighbours: int,
    orders: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a measure of all pairs (m, k), and the same with the second's images shuffled, (P, m, k).

    Each order is the same for all pairs, so that the largest of them can be told from the largest by chance.

    Raises
    ------
    Undefined
        If the measure is not defined for one of the embeddings.
    """
    left = [measure.prepare(rows, neighbours) for rows in firsts]
    right = [measure.prepare(rows, neighbours) for rows in seconds]
    stacked = np.stack([each.ravel() for each in left]) if measure.between is None else None

    def of_all(others: Sequence[Matrix]) -> NDArray[np.float64]:
        if stacked is not None:
            return stacked @ np.stack([each.ravel() for each in others]).T
        return np.array([[measure.compare(one, other) for other in others] for one in left])

    values = of_all(right)
    if not np.isfinite(values).all():
        raise Undefined("its values are not finite")
    shuffled = [of_all([measure.shuffled(each, order) for each in right]) for order in orders]
    return values, np.array(shuffled)


def chance_of(
    measure: AgreementMeasure, values: NDArray[np.float64], null: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return chance, spread, z (NaN where nothing spreads) and p, each of the values' shape.

    p = (1 + the number of shuffled values that are at least as close) / (1 + permutations), which is exact
    for images that are independent (Phipson and Smyth 2010, arXiv:1603.05766).
    """
    sign = 1 if measure.larger_is_closer else -1
    chance, spread = null.mean(axis=0), null.std(axis=0)
    spread = np.where(spread > TIE, spread, 0.0)
    z = np.divide(sign * (values - chance), spread, out=np.full_like(values, np.nan), where=spread > 0)
    as_close = np.sum(sign * null >= sign * values - TIE, axis=0)
    return chance, spread, z, (1 + as_close) / (1 + len(null))


def searched_p(
    measure: AgreementMeasure, values: NDArray[np.float64], null: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return p (m, k) of each value among the largest of all pairs by chance: it holds after any search.

    Each pair is standardised by its mean and deviation over all orders, the given one among them, and
    compared with the largest of all pairs under each shuffled order (Westfall and Young 1993, maxT), for
    pairs of many dimensions agree more by chance than pairs of few.
    """
    sign = 1 if measure.larger_is_closer else -1
    everything = sign * np.concatenate([values[None], null])
    moved, spread = everything - everything.mean(axis=0), everything.std(axis=0)
    standard = np.divide(moved, spread, out=np.zeros_like(moved), where=spread > TIE)
    largest = standard[1:].max(axis=(1, 2))
    above = np.sum(largest[:, None, None] >= standard[0] - TIE, axis=0)
    found: NDArray[np.float64] = (1 + above) / (1 + len(null))
    return found
