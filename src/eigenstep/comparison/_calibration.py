"""How far measures of agreement are above what the same embeddings give in shuffled order."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.comparison._null import PERMUTATIONS, chance_of, checked, chosen, shuffles, with_null
from eigenstep.comparison.measures import AGREEMENTS, Undefined


@dataclass(frozen=True)
class Calibrated:
    """A measure of agreement beside the same of shuffled images.

    Attributes
    ----------
    value : float
        Of the images in their order.
    chance, spread : float
        Mean and standard deviation over shuffled orders.
    z : float | None
        How many spreads the value is closer than by chance; None where shuffling changes nothing.
    p : float
        The share of orders, the given one among them, that are at least as close.
    """

    value: float
    chance: float
    spread: float
    z: float | None
    p: float


def calibrated_agreement(
    first: ArrayLike,
    second: ArrayLike,
    *,
    measures: Sequence[str] | None = None,
    neighbours: int = 10,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> dict[str, Calibrated]:
    """Return measures of agreement, each beside what shuffled images give.

    The rows of the second embedding are put into random orders: each embedding keeps its own spectrum and
    neighbours, and what relates them is gone. Gram matrices and neighbours are computed once. The least p is
    1 / (permutations + 1). It takes images for independent: of patches of one photograph, or frames of one
    film, it is too small.

    Parameters
    ----------
    first, second : ArrayLike
        (n, d_a) and (n, d_b) embeddings of the same images, row by row. Matrices of n^2 numbers are held.
    measures : Sequence[str] | None
        Names in `eigenstep.comparison.AGREEMENTS`; default: all. Those that are not defined for these
        embeddings, such as correlations over two columns, are left out, which a warning says.
    neighbours : int
        How many nearest neighbours of each image are compared.

    Raises
    ------
    ValueError
        Shapes that do not match, NaN, embeddings that are the same for all images, too few images, a measure
        that there is not, no permutations.

    Warns
    -----
    UserWarning
        Where images are no more than dimensions, by which some measures cannot tell.

    Examples
    --------
    >>> z, other = np.random.default_rng(0).normal(size=(2, 40, 8))
    >>> both = calibrated_agreement(z, other, measures=["cka_linear_biased", "cka_linear_debiased"])
    >>> for found in both.values():
    ...     print(f"{found.value:.2f}, by chance {found.chance:.2f}, p = {found.p:.2f}")
    0.12, by chance 0.17, p = 0.96
    -0.06, by chance 0.00, p = 0.97
    """
    ((a,), (b,)) = checked([first], [second])
    found, left_out = calibrate(a, b, measures, neighbours, permutations, seed)
    for sentence in [*left_out, *cannot_tell(len(a), max(a.shape[1], b.shape[1]), found)]:
        warnings.warn(sentence, stacklevel=2)
    return found


def calibrate(
    first: ArrayLike,
    second: ArrayLike,
    measures: Sequence[str] | None,
    neighbours: int,
    permutations: int,
    seed: int,
) -> tuple[dict[str, Calibrated], list[str]]:
    """What `calibrated_agreement` returns, and a sentence on each measure that is left out."""
    firsts, seconds = checked([first], [second])
    orders = shuffles(len(firsts[0]), permutations, seed)
    found, left_out = {}, []
    for measure in chosen(measures):
        try:
            values, null = with_null(measure, firsts, seconds, neighbours, orders)
        except Undefined as error:
            left_out.append(f"{measure.title} is left out: {error}")
            continue
        chance, spread, z, p = (float(each[0, 0]) for each in chance_of(measure, values, null))
        found[measure.name] = Calibrated(float(values[0, 0]), chance, spread, None if np.isnan(z) else z, p)
    return found, left_out


def cannot_tell(images: int, dimensions: int, names: Sequence[str] | dict[str, Calibrated]) -> list[str]:
    """A sentence where so few images of so many dimensions agree by some measures whatever they are.

    Examples
    --------
    >>> cannot_tell(500, 384, ["procrustes"])
    []
    >>> cannot_tell(300, 384, ["procrustes", "cka_linear_debiased"])[0][:83]
    '300 images are not more than 384 dimensions, where anything agrees by Procrustes: u'
    """
    crowded = [AGREEMENTS[name].title for name in names if name in AGREEMENTS and AGREEMENTS[name].crowded]
    if images > dimensions or not crowded:
        return []
    return [
        f"{images} images are not more than {dimensions} dimensions, where anything agrees by"
        f" {', '.join(crowded)}: use more images, or go by debiased CKA and neighbours"
    ]
