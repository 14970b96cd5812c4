"""Predicted against measured learning times, as they are and up to one constant."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class TimeComparison:
    """What `compare_times` found.

    Attributes
    ----------
    predicted, measured : NDArray[np.float64]
        (m,) times of the modes that have both.
    modes : NDArray[np.intp]
        (m,) which these are.
    rank_correlation : float
        Spearman's, of the two orders; NaN for fewer than 2 modes.
    time_factor : float
        The one constant that, fitted to these very times, makes predicted ones measured ones.
    """

    modes: NDArray[np.intp]
    predicted: NDArray[np.float64]
    measured: NDArray[np.float64]
    rank_correlation: float
    time_factor: float

    @property
    def errors(self) -> NDArray[np.float64]:
        """(m,) measured / predicted - 1, with nothing fitted."""
        return self.measured / self.predicted - 1

    @property
    def fitted_errors(self) -> NDArray[np.float64]:
        """(m,) the same after the fitted constant: what is left to predict is the times' ratios."""
        return self.measured / (self.time_factor * self.predicted) - 1


def compare_times(predicted: ArrayLike, measured: ArrayLike) -> TimeComparison:
    """Compare the times at which modes are learned, mode by mode.

    The constant minimises sum_j (log measured_j - log(c predicted_j))^2, so c is the geometric mean of the
    ratios: no mode counts more for coming late.

    Parameters
    ----------
    predicted, measured : ArrayLike
        (k,) times; a mode whose time is not finite and positive in both is left out.

    Raises
    ------
    ValueError
        Shapes that differ, or no mode that has both times.

    Examples
    --------
    >>> found = compare_times([1.0, 2.0, 4.0, np.inf], [2.0, 4.4, 7.6, 9.0])
    >>> found.errors.round(2), round(found.time_factor, 2), found.fitted_errors.round(2)
    (array([1. , 1.2, 0.9]), 2.03, array([-0.01,  0.08, -0.06]))
    """
    foreseen, seen = np.asarray(predicted, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    if foreseen.shape != seen.shape or foreseen.ndim != 1:
        raise ValueError(f"expected two lists of times of one length, got {foreseen.shape} and {seen.shape}")
    both = np.isfinite(foreseen) & np.isfinite(seen) & (foreseen > 0) & (seen > 0)
    if not both.any():
        raise ValueError("expected a mode with both a predicted and a measured time, got none")
    foreseen, seen = foreseen[both], seen[both]
    return TimeComparison(
        modes=np.flatnonzero(both),
        predicted=foreseen,
        measured=seen,
        rank_correlation=_spearman(foreseen, seen),
        time_factor=float(np.exp(np.mean(np.log(seen / foreseen)))),
    )


def _spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (first, second)]
    if len(first) < 2 or any(np.ptp(values) == 0 for values in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])
