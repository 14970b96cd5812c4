"""The one equation that all families share, p' = rate p (drive - restraint p), from any start."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._growth_rates import checked_modes, checked_times
from eigenstep.theory._learning_times import half_times, rise_widths
from eigenstep.theory._mode_trajectories import mode_eigenvalues

Numbers = NDArray[np.float64]
# The rate of Barlow Twins, whose closed form the others' is in other units.
BARLOW_TWINS_RATE = 8.0


def mode_sizes(
    drives: Numbers, restraints: Numbers, starts: Numbers, rate: float, times: ArrayLike
) -> Numbers:
    """Return p_j(t) of p' = rate p (drive - restraint p), (T, k).

    The share x = p restraint / drive of where a mode ends obeys x' = rate drive x (1 - x). That is Barlow
    Twins' eigenvalue of C for gamma = drive at the time rate t / 8, and `mode_eigenvalues` knows it.

    A negative drive decays to 0. Without a drive p falls as 1 / (1 / p(0) + restraint rate t), and stays
    where it is if there is no restraint either.

    Examples
    --------
    >>> drives, restraints, starts = np.array([1.0, 0.0, -1.0]), np.array([2.0, 1.0, 1.0]), np.full(3, 0.1)
    >>> mode_sizes(drives, restraints, starts, 8.0, [0.0, 1.0, np.inf]).round(4)
    array([[0.1   , 0.1   , 0.1   ],
           [0.4993, 0.0556, 0.    ],
           [0.5   , 0.    , 0.    ]])
    """
    values, sizes = checked_modes(drives, starts)
    moments = checked_times(times)
    shared = (values != 0) & (restraints > 0)
    ends = np.divide(values, restraints, out=np.ones_like(values), where=shared)
    course = mode_eigenvalues(
        np.where(shared, values, 0.0),
        _start_scales(values, restraints, sizes),
        moments * rate / BARLOW_TWINS_RATE,
    )
    # What no restraint or no drive leaves of the equation; 0 x infinity would be no number.
    clock = rate * moments[:, None]
    decay = np.multiply(clock, values, out=np.zeros_like(course), where=(values < 0) & ~shared)
    slowing = np.multiply(
        clock, restraints * sizes, out=np.zeros_like(course), where=(values == 0) & (restraints * sizes > 0)
    )
    return np.where(shared, course * ends, sizes * np.exp(decay) / (1 + slowing))


def times_to_half(drives: Numbers, restraints: Numbers, starts: Numbers, rate: float) -> Numbers:
    """Return when p_j passes half of its end, log(drive / (restraint p(0)) - 1) / (rate drive), (k,).

    Infinity for a mode that is never learned, negative for one that starts above half; see `half_times`.

    Examples
    --------
    >>> times_to_half(np.array([2.0, 0.0]), np.array([4.0, 4.0]), np.full(2, 0.05), 8.0).round(6)
    array([0.137327,      inf])
    """
    values, sizes = checked_modes(drives, starts)
    found: Numbers = half_times(values, _start_scales(values, restraints, sizes)) * (BARLOW_TWINS_RATE / rate)
    return found


def times_of_rise(drives: Numbers, rate: float) -> Numbers:
    """Return the time from 10 % to 90 % of the end, log(81) / (rate drive), (k,); infinity if never."""
    found: Numbers = rise_widths(drives) * (BARLOW_TWINS_RATE / rate)
    return found


def mode_ends(drives: Numbers, restraints: Numbers, starts: Numbers) -> Numbers:
    """Return p_j at infinite time: drive / restraint, 0 without a drive, p(0) if nothing acts on it, (k,)."""
    return mode_sizes(drives, restraints, starts, 1.0, np.inf)[0]


def _start_scales(drives: Numbers, restraints: Numbers, starts: Numbers) -> Numbers:
    """The start s with drive s^2 = p(0) restraint / drive, so that the share begins where p does."""
    return np.divide(
        np.sqrt(starts * restraints), np.abs(drives), out=np.zeros_like(drives), where=drives != 0
    )
