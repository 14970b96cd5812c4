"""When each eigenvalue rose, and how many separate steps that makes."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Curves = NDArray[np.float64]

# A logistic curve's time from 10 % to 90 %, times its growth rate.
LOGISTIC_WIDTH = float(np.log(81))
# Fewer records than this tell no rise.
FEWEST_RECORDS = 3
# A mode is above a level for good from where on at least this share of the records are.
SUSTAINED_SHARE = 0.9
# How long after its half-time a mode must be followed, beside the time from 10 % to half, and in records.
SETTLED_LENGTHS, SETTLED_RECORDS = 1.5, 3


@dataclass(frozen=True)
class Rise:
    """One mode's rise from nothing to its plateau.

    Attributes
    ----------
    mode : int
        Rank of the eigenvalue, 0 for the largest.
    half_time : float
        When the eigenvalue reached half of its plateau, in the unit of the times given.
    plateau : float
        The level it reached.
    width : float
        Time from 10 % to 90 % of the plateau.
    """

    mode: int
    half_time: float
    plateau: float
    width: float


def find_rises(
    times: ArrayLike,
    eigenvalues: ArrayLike,
    *,
    plateau: float | None = None,
    fraction: float = 0.15,
    growth: float = 5.0,
) -> list[Rise]:
    """The modes that were learned, in the order of the eigenvalues.

    A mode is learned when its eigenvalue has settled at no less than `fraction` of the largest one's
    plateau and at no less than `growth` times its own first value; so a spectrum that is broad from the
    start has no rises, and neither has an eigenvalue that still grows exponentially at the end. Crossing
    times are interpolated in logit(eigenvalue / plateau), which is linear in time for the logistic
    lambda' = 8 gamma lambda (1 - lambda).

    Parameters
    ----------
    times : ArrayLike
        (T,), increasing.
    eigenvalues : ArrayLike
        (T, d), descending along the last axis, negative ones allowed.
    plateau : float | None
        The level that a learned mode reaches, where it is known (1 for un-normalised Barlow Twins of a linear
        model); otherwise each mode's own.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> times = np.linspace(0, 10, 201)
    >>> curves = 1 / (1 + np.exp(-8 * np.stack([times - 2.0, 0.5 * (times - 5.0)], axis=1)))
    >>> [round(rise.half_time, 3) for rise in find_rises(times, curves)]
    [2.0, 5.0]
    """
    t, curves = np.asarray(times, float), np.asarray(eigenvalues, float)
    if t.ndim != 1 or curves.ndim != 2 or len(t) != len(curves):
        raise ValueError(f"expected times (T,) and eigenvalues (T, d), got {t.shape} and {curves.shape}")
    finite = np.isfinite(curves).all(axis=1)
    if not finite.all():
        t, curves = t[finite], curves[finite]
    if len(t) < FEWEST_RECORDS:
        return []
    rises = []
    for mode, curve, level in _candidates(curves, plateau, fraction, growth):
        if curve.max() < level / 2 or level <= 0 or level < growth * curve[0]:
            continue
        half, tenth, most = (_crossing(t, curve, level, share) for share in (0.5, 0.1, 0.9))
        if plateau is not None or _has_settled(t, tenth, half):
            rises.append(Rise(mode, half, level, most - tenth))
    return rises


def separate_steps(rises: Iterable[Rise]) -> list[list[Rise]]:
    """Group rises that overlap.

    A new step begins where a half-time is later than the one before by more than half of the two modes' mean
    width.

    Examples
    --------
    >>> rises = [Rise(0, 1.0, 1.0, 0.5), Rise(1, 1.1, 1.0, 0.5), Rise(2, 4.0, 1.0, 0.5)]
    >>> [len(step) for step in separate_steps(rises)]
    [2, 1]
    """
    steps: list[list[Rise]] = []
    for rise in sorted(rises, key=lambda rise: rise.half_time):
        before = steps[-1][-1] if steps else None
        if before is None or rise.half_time - before.half_time > (rise.width + before.width) / 4:
            steps.append([rise])
        else:
            steps[-1].append(rise)
    return steps


def running_median(curves: Curves) -> Curves:
    """Median of three neighbours: one outlying minibatch makes no step; monotone curves are unchanged.

    Examples
    --------
    >>> running_median(np.array([0.0, 0.1, 5.0, 0.2, 0.3]))
    array([0. , 0.1, 0.2, 0.3, 0.3])
    """
    before = np.concatenate([curves[:1], curves[:-1]])
    after = np.concatenate([curves[1:], curves[-1:]])
    middle: Curves = np.maximum(np.minimum(before, after), np.minimum(np.maximum(before, after), curves))
    return middle


def _candidates(
    curves: Curves, plateau: float | None, fraction: float, growth: float
) -> list[tuple[int, Curves, float]]:
    """The modes that may have risen: each with its smoothed curve and its plateau.

    No smoothed curve, and no plateau, is above the curve's maximum. So of most modes that has told already
    that they cannot have risen, and that they have not the largest plateau.
    """
    highest, smooth, levels = curves.max(axis=0), {}, {}
    reference = -np.inf
    for mode in np.argsort(-highest, kind="stable"):
        if highest[mode] < reference:
            break
        smooth[mode] = running_median(curves[:, mode])
        levels[mode] = _plateau(smooth[mode]) if plateau is None else plateau
        reference = max(reference, levels[mode])
    if plateau is None:
        possible = (highest >= growth * curves[0]) & (highest >= fraction * reference)
    else:
        possible = highest >= plateau / 2
    found = []
    for mode in np.flatnonzero(possible):
        curve = smooth[mode] if mode in smooth else running_median(curves[:, mode])
        level = plateau if plateau is not None else levels.get(mode)
        level = _plateau(curve) if level is None else level
        if level >= fraction * reference:
            found.append((int(mode), curve, level))
    return found


def _plateau(curve: Curves) -> float:
    """The median level after the curve last rose through half of that level."""
    level = curve.max()
    for _ in range(20):
        above = curve >= level / 2
        new = float(np.median(curve[_sustained(above) :]))
        if new == level:
            break
        level = new
    return float(level)


def _crossing(times: Curves, curve: Curves, plateau: float, share: float) -> float:
    index = _sustained(curve >= share * plateau)
    if index == 0:
        return float(times[0])
    ratios = np.clip(curve[index - 1 : index + 1] / plateau, 1e-12, 1 - 1e-12)
    low, high = np.log(ratios / (1 - ratios)) - np.log(share / (1 - share))
    weight = -low / (high - low) if high > low else 0.5
    return float(times[index - 1] + np.clip(weight, 0, 1) * (times[index] - times[index - 1]))


def _has_settled(times: Curves, tenth: float, half_time: float) -> bool:
    """Whether the record goes on long enough after a half-time to tell a plateau from mere growth.

    An exponential spends 0.86 of its own time from 10 % to half of its own "plateau" above that half. In 1.5
    of that time a logistic curve gets from half to 96 % of its plateau.
    """
    goes_on = times[-1] - half_time >= SETTLED_LENGTHS * (half_time - tenth)
    return bool(goes_on and (times >= half_time).sum() >= SETTLED_RECORDS)


def _sustained(above: NDArray[np.bool_]) -> int:
    """First index from which on at least nine in ten entries are true."""
    share = np.cumsum(above[::-1])[::-1] / np.arange(len(above), 0, -1)
    candidates = np.flatnonzero(above & (share >= SUSTAINED_SHARE))
    return int(candidates[0]) if len(candidates) else len(above) - 1
