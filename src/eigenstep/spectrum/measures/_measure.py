"""What is recorded of embeddings at every measurement: the measures, each by its name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# The order in a record; measures that are not named here follow by their names.
ORDER = (
    *("rank_me", "effective_rank", "participation_ratio", "stable_rank", "alpha_req", "lidar"),
    *("modes_past_half", "modes_above_noise", "mean_norm", "normalized_std", "cosine_concentration"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownMoments:
    """What a monitor knows of the embeddings of a moment; None where it does not.

    Attributes
    ----------
    count : int
        Rows n of one view.
    views : int
        1 or 2; the moments have n * views rows.
    eigenvalues : np.ndarray
        (d,) of the views' pooled covariance about their mean.
    cross_eigenvalues : np.ndarray
        (d,) of the cross-correlation, centred or not.
    second_moment_eigenvalues : np.ndarray | None
        (d,) of the pooled second moment about zero.
    covariance, cross_correlation : np.ndarray | None
        (d, d), both about the mean of both views, or (r, r) in a basis of the embeddings' span.
    mean_norm : float
        Mean norm of the embeddings.
    unit_mean, unit_mean_square : np.ndarray | None
        (d,), mean and mean square of z / ||z||.
    plateau : float
        Eigenvalue of a learned mode in theory.
    """

    count: int
    views: int
    eigenvalues: np.ndarray
    cross_eigenvalues: np.ndarray
    second_moment_eigenvalues: np.ndarray | None
    covariance: np.ndarray | None
    cross_correlation: np.ndarray | None
    mean_norm: float
    unit_mean: np.ndarray | None
    unit_mean_square: np.ndarray | None
    plateau: float

    @property
    def rows(self) -> int:
        return self.count * self.views


@dataclass(frozen=True)
class Measure:
    """One of the measures that are recorded.

    Attributes
    ----------
    name : str
        In records and tables.
    meaning : str
        What it is, in a few words.
    of : Callable[[KnownMoments], float]
        Its value; NaN where what it needs is not known.

    Examples
    --------
    >>> from eigenstep.spectrum.measures import MEASURES
    >>> MEASURES["stable_rank"].meaning
    'sum λ / largest λ of the covariance'
    """

    name: str
    meaning: str
    of: Callable[[KnownMoments], float]


RECORDED: dict[str, Measure] = {}


def recorded(
    name: str, meaning: str
) -> Callable[[Callable[[KnownMoments], float]], Callable[[KnownMoments], float]]:
    """Mark the function that gives a measure from moments: monitors record it, tables list it."""

    def mark(of: Callable[[KnownMoments], float]) -> Callable[[KnownMoments], float]:
        RECORDED[name] = Measure(name, meaning, of)
        return of

    return mark


def in_order() -> dict[str, Measure]:
    """All measures that are recorded, in the order in which they are."""
    names = [*ORDER, *sorted(RECORDED.keys() - set(ORDER))]
    return {name: RECORDED[name] for name in names}
