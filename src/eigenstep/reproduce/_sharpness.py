"""How separate the steps of a run are, as one number."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.isotonic import isotonic_regression

from eigenstep.theory import half_times

QUANTILES = (0.1, 0.5, 0.9)
# Where separate steps begin, in gaps over widths; `eigenstep.analysis.separate_steps` draws the same line.
SEPARATE_GAP = 0.5
# An eigenvalue counts as learned from this share of the largest plateau on, as in `find_rises`.
LEARNED_SHARE = 0.15
# A rise has settled when its record goes on for so many of its widths after its half: an exponential spends
# 0.63 of its own width above half of its own last value.
SETTLED_WIDTHS = 0.75


def step_sharpness(crossings: ArrayLike) -> float:
    """The median over neighbouring modes of the time between their half-times over their mean width.

    Above 1 the loss rests between most steps, below 1/2 most modes rise together. NaN with fewer than two
    modes.

    Parameters
    ----------
    crossings : ArrayLike
        (3, k), when each eigenvalue, in the order of the rise, passes 10 %, 50 % and 90 % of its plateau: 0
        if it starts above, so that what was never small has no gap before it.

    Examples
    --------
    >>> step_sharpness([[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]])
    1.5
    """
    gaps = step_gaps(crossings)
    return float(np.median(gaps)) if len(gaps) else float("nan")


def separate_share(crossings: ArrayLike) -> float:
    """The share of neighbouring modes that are more than half a width apart; NaN with fewer than two.

    Examples
    --------
    >>> separate_share([[0.9, 1.9, 2.0], [1.0, 2.0, 2.1], [1.1, 2.1, 2.2]])  # 10, 50 and 90 % of three modes
    0.5
    """
    gaps = step_gaps(crossings)
    return float(np.mean(gaps > SEPARATE_GAP)) if len(gaps) else float("nan")


def step_gaps(crossings: ArrayLike) -> NDArray[np.float64]:
    """(k - 1,), between neighbouring half-times, in units of the two modes' mean width."""
    tenth, half, most = np.asarray(crossings, float)
    widths = most - tenth
    means = (widths[1:] + widths[:-1]) / 2
    # Modes that start beyond 90 % have no width and no gap: nothing rises.
    gaps: NDArray[np.float64] = np.divide(np.diff(half), means, out=np.zeros(len(means)), where=means > 0)
    return gaps


def predicted_crossings(
    gamma: ArrayLike, start_scales: ArrayLike, learning_rate: float | None = None
) -> NDArray[np.float64]:
    """(3, k), when the closed form's eigenvalues, by rank, pass 10 %, 50 % and 90 %.

    Mode j passes q at half_time_j + log(q / (1 - q)) / (8 gamma_j). The curve of the rank-th largest
    eigenvalue passes q when the rank-th mode has passed it. Modes that are never learned are left out.

    Examples
    --------
    >>> predicted_crossings([1.0, 0.5], 1e-3).round(2)
    array([[1.45, 3.08],
           [1.73, 3.63],
           [2.  , 4.18]])
    """
    rates, scales = np.broadcast_arrays(np.asarray(gamma, float), np.asarray(start_scales, float))
    learned = (rates > 0) & (scales > 0)
    halves = half_times(rates, scales, learning_rate)[learned]
    # half_times takes a mode that starts at a tenth back to 1/2; the rate is the discrete one, if asked for.
    times = half_times(rates[learned], np.sqrt(0.1 / rates[learned]), learning_rate)
    crossings = halves + times * np.array([[-1.0], [0.0], [1.0]])
    return np.sort(np.maximum(crossings, 0.0), axis=1)


def measured_crossings(
    times: ArrayLike, eigenvalues: ArrayLike, plateau: float | None = None
) -> NDArray[np.float64]:
    """(3, k), when the recorded eigenvalues pass 10 %, 50 % and 90 % of their plateaus.

    Each rank's curve is fitted by the rising function next to it in least squares, which leaves out a
    minibatch's noise and an overshoot; an unknown plateau is that function's last value. Left out are
    eigenvalues that end below 15 % of the largest plateau, or have not settled when the record ends.

    Parameters
    ----------
    times : ArrayLike
        (T,), increasing.
    eigenvalues : ArrayLike
        (T, d), descending along the last axis.
    plateau : float | None
        The level that a learned mode reaches, if known.

    Examples
    --------
    >>> times = np.linspace(0, 5, 501)
    >>> curves = 1 / (1 + np.exp(-8 * np.array([1.0, 0.5]) * (times[:, None] - [1.73, 3.63])))
    >>> measured_crossings(times, curves, plateau=1.0).round(2)
    array([[1.46, 3.08],
           [1.73, 3.63],
           [2.  , 4.18]])
    """
    moments, curves = np.asarray(times, float), np.asarray(eigenvalues, float)
    fits = np.stack([isotonic_regression(curve) for curve in curves.T], axis=1)
    levels = fits[-1] if plateau is None else np.full(fits.shape[1], plateau)
    largest = float(levels.max())
    columns = []
    for fit, level in zip(fits.T, levels, strict=True):
        if level < LEARNED_SHARE * largest or fit[-1] < QUANTILES[-1] * level:
            continue
        tenth, half, most = (_first_time(moments, fit, q * level) for q in QUANTILES)
        if plateau is not None or moments[-1] - half >= SETTLED_WIDTHS * (most - tenth):
            columns.append((tenth, half, most))
    return np.array(columns, float).reshape(-1, len(QUANTILES)).T


def _first_time(times: NDArray[np.float64], rising: NDArray[np.float64], level: float) -> float:
    index = int(np.searchsorted(rising, level))
    if index == 0:
        return 0.0
    low, high = rising[index - 1 : index + 1]
    return float(np.interp(level, [low, high], times[index - 1 : index + 1]))
