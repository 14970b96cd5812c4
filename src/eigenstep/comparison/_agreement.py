"""Two embeddings of the same images by every measure at once, each beside chance and with an interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.comparison._resampling import bootstrap_intervals, permutation_chance
from eigenstep.comparison.measures import neighbour_agreement
from eigenstep.embeddings import as_tensor
from eigenstep.spectrum.agreement import (
    bases,
    cka_by_chance,
    linear_cka,
    overlap_by_chance,
    principal_angles,
    procrustes_similarity,
    space_overlap,
)


@dataclass(frozen=True)
class Agreement:
    """A measure of two embeddings: its value, a 95 % interval over images, and what chance gives."""

    value: float
    low: float
    high: float
    chance: float


def compare_embeddings(
    first: ArrayLike,
    second: ArrayLike,
    *,
    neighbours: int = 10,
    center: bool = True,
    resamples: int = 200,
    seed: int = 0,
    spaces: bool = True,
) -> dict[str, Agreement]:
    """Return how far two embeddings of the same images agree as a whole, by measure.

    `overlap` and `angle` (the mean principal angle, in degrees) see the spaces that the embeddings span,
    `cka` and `procrustes` their directions by size too, `neighbours` which images are close. Equal embeddings
    have 1 in all, and angle 0. See `space_overlap`, `principal_angles`, `linear_cka`, `procrustes_similarity`
    and `neighbour_agreement`.

    Parameters
    ----------
    first, second : ArrayLike
        (n, d_a) and (n, d_b) embeddings of the same images, row by row.
    center : bool
        Subtract the mean embedding before spaces are compared; the other measures always do.
    resamples : int
        Resamples of the images, for the intervals.
    spaces : bool
        Compare the spaces as well, which needs more images than dimensions; False leaves out `overlap` and
        `angle`.

    Raises
    ------
    ValueError
        As the measures.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(60, 3))
    >>> found = compare_embeddings(z, z @ [[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    >>> {name: round(agreement.value, 6) for name, agreement in found.items()}
    {'overlap': 1.0, 'angle': 0.0, 'cka': 1.0, 'procrustes': 1.0, 'neighbours': 1.0}
    """
    shared = neighbour_agreement(first, second, neighbours)

    def statistics(weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        of_spaces = []
        if spaces:
            angles = principal_angles(first, second, center=center, weights=weights)
            of_spaces = [np.mean(np.cos(angles) ** 2), np.rad2deg(angles.mean())]
        return np.array(
            [
                *of_spaces,
                linear_cka(first, second, weights),
                procrustes_similarity(first, second, weights),
                np.average(shared, weights=weights),
            ]
        )

    chances = [
        *(_chances_of_spaces(first, second, center, seed) if spaces else []),
        cka_by_chance(first, second),
        permutation_chance(procrustes_similarity, first, second, seed=seed),
        neighbours / (len(shared) - 1),
    ]
    values = statistics(None)
    intervals = bootstrap_intervals(statistics, len(shared), resamples=resamples, seed=seed)
    names = ("overlap", "angle", "cka", "procrustes", "neighbours")[0 if spaces else 2 :]
    tops = [90.0 if name == "angle" else 1.0 for name in names]
    return {
        name: _agreement(float(value), interval, chance, top)
        for name, value, interval, chance, top in zip(names, values, intervals, chances, tops, strict=True)
    }


def overlap_of_modes(
    first: ArrayLike,
    second: ArrayLike,
    modes: int | tuple[int, int],
    *,
    center: bool = True,
    resamples: int = 200,
    seed: int = 0,
) -> Agreement:
    """Return `space_overlap` of the first principal directions, with an interval and what chance gives.

    Meant for moments at which just these modes have been learned: at the end of training, where C = I, the
    first directions of an embedding are arbitrary. `modes` may be two numbers, one of each embedding: the
    overlap is 1 where the larger space holds the smaller one.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(60, 3)) * [3.0, 2.0, 0.1]
    >>> overlap_of_modes(z, z[:, :2], 2).chance.__round__(3)
    0.034
    """

    def statistics(weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        return np.array([space_overlap(first, second, modes, center=center, weights=weights)])

    images, counts = len(as_tensor(first)), modes if isinstance(modes, tuple) else (modes, modes)
    (interval,) = bootstrap_intervals(statistics, images, resamples=resamples, seed=seed)
    chance = overlap_by_chance(images, *counts, center=center)
    return _agreement(float(statistics(None)[0]), interval, chance, 1.0)


def _agreement(value: float, interval: NDArray[np.float64], chance: float, top: float) -> Agreement:
    low, high = np.clip(interval, 0, top)
    return Agreement(value, float(min(low, value)), float(max(high, value)), float(chance))


def _chances_of_spaces(first: ArrayLike, second: ArrayLike, center: bool, seed: int) -> list[float]:
    """Of the overlap and of the mean angle."""
    left, right = bases(first, second, None, center, None)
    return [
        overlap_by_chance(len(left), left.shape[1], right.shape[1], center=center),
        permutation_chance(lambda a, b: _mean_degrees(a, b, center), left, right, seed=seed),
    ]


def _mean_degrees(first: ArrayLike, second: ArrayLike, center: bool) -> float:
    return float(np.rad2deg(principal_angles(first, second, center=center).mean()))
