"""Eigenvalues followed by mode instead of by rank.

Which principal direction of the probe batch is which mode, record by record, tells where eigenvalues of the
batch exchange their ranks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# Records at which the directions are compared: evenly spread, and enough for any rise that can be seen.
MOST_COMPARED = 1000
# Two eigenvalues whose logarithms differ by less than this meet.
MEETING_GAP = 0.3
# Squared overlap with its reference from which a mode's direction is certain.
CERTAIN_OVERLAP = 0.5
# A reference follows its mode only while the mode's variance differs from its neighbours' by this factor:
# nearer than that the principal directions are mixtures of both.
CLEAR_RATIO = 4.0
# How far a reference moves towards the direction seen.
REFERENCE_PACE = 0.3
# Squared overlap from which a mode is found, and up to which it is lost, as it may be where its variance is
# below the largest by this, in natural units.
FOUND_OVERLAP, LOST_OVERLAP, SMALL_BY = 0.6, 0.4, 4.6
# Variances of modes that have changed places differ by this, in natural units.
EXCHANGED_GAP = 0.25
# Lengths below this are no direction.
NO_LENGTH = 1e-30


@dataclass(frozen=True)
class Track:
    """One mode over time.

    Attributes
    ----------
    mode : int
        Its number.
    ranks : np.ndarray
        (T,), which eigenvalue of the batch it is, 0 for the largest.
    eigenvalues : np.ndarray
        (T,), the batch's, of that rank.
    variances : np.ndarray | None
        (T,), of the probe batch along the mode; None where it is not followed there.
    overlap : np.ndarray | None
        (T,), squared overlap of its direction on the probe batch with the one it is known by: near 1 where
        the identity is certain; None where modes are told by rank.
    """

    mode: int
    ranks: np.ndarray
    eigenvalues: np.ndarray
    variances: np.ndarray | None = None
    overlap: np.ndarray | None = None


def track_modes(eigenvalues: ArrayLike, points: ArrayLike | None = None) -> list[Track]:
    """Follow modes through crossings of their eigenvalues.

    The batch's eigenvalues have no directions of their own in a record; the probe batch's principal
    directions do. Where two of those exchange their order for good, the batch's eigenvalues of the same ranks
    are exchanged as well, at the record where they are nearest each other.

    Parameters
    ----------
    eigenvalues : ArrayLike
        (T, d), descending along the last axis.
    points : ArrayLike | None
        (T, n, k), the probe batch's projections on its first k principal directions, of any sign; the modes
        beyond the k-th, or all if it is None, are told by rank.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> late = np.geomspace(1e-3, 4, 50)  # overtakes the other mode, which stays at 1
    >>> eigenvalues = -np.sort(-np.stack([np.ones(50), late], axis=1))
    >>> directions = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 2)))[0]
    >>> points = np.stack([np.sqrt(v) * directions[:, :: -1 if v[0] > 1 else 1] for v in eigenvalues])
    >>> first, second = track_modes(eigenvalues, points)
    >>> [int(track.ranks[-1]) for track in (first, second)], bool((first.eigenvalues == 1).all())
    ([1, 0], True)
    """
    values = np.asarray(eigenvalues, float)
    if values.ndim != 2:
        raise ValueError(f"expected eigenvalues (T, d), got {values.shape}")
    records, dimension = values.shape
    if points is None or not records:
        return [_by_rank(values, mode) for mode in range(dimension)]
    points = np.asarray(points)
    if points.ndim != 3 or len(points) != records:
        raise ValueError(f"expected points (T, n, k) of {records} records, got {points.shape}")
    points = points[:, :, :dimension]
    seen, overlaps = identify(points, MOST_COMPARED)
    variances = np.einsum("tnk,tnk->tk", points, points, dtype=float) / points.shape[1]
    ranks = _exchange_where_they_meet(seen, overlaps, values)
    row = np.arange(records)
    followed = [
        Track(
            mode,
            ranks[:, mode],
            values[row, ranks[:, mode]],
            variances[row, seen[:, mode]],
            overlaps[:, mode],
        )
        for mode in range(points.shape[2])
    ]
    return followed + [_by_rank(values, mode) for mode in range(len(followed), dimension)]


def _by_rank(values: np.ndarray, rank: int) -> Track:
    return Track(rank, np.full(len(values), rank), values[:, rank])


def _exchange_where_they_meet(seen: np.ndarray, overlaps: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The ranks seen (T, k), each exchange moved to where the batch's eigenvalues meet.

    That is sought between the last record at which the directions were certain and the exchange; eigenvalues
    that do not meet there, as when few records are kept, are exchanged where the directions are.
    """
    logs = np.log(np.maximum(np.abs(values), np.finfo(float).tiny))
    ranks = np.tile(seen[0], (len(seen), 1))
    earliest = np.zeros(seen.shape[1], int)
    for change in np.flatnonzero((seen[1:] != seen[:-1]).any(axis=1)) + 1:
        moved = np.flatnonzero(seen[change] != seen[change - 1])
        old, new = seen[change - 1, moved], seen[change, moved]
        certain = np.flatnonzero((overlaps[:change, moved] > CERTAIN_OVERLAP).all(axis=1))
        start = max(certain[-1] if len(certain) else 0, earliest[moved].max())
        gap = np.abs(logs[start : change + 1, old] - logs[start : change + 1, new]).max(axis=1)
        near = np.flatnonzero(gap <= MEETING_GAP)
        meeting = start + int(near[len(near) // 2]) if len(near) else max(start, change)
        ranks[meeting:, moved] = new
        earliest[moved] = meeting
    return ranks


def identify(points: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Follow directions through exchanges of their order.

    Each mode is known by a reference, a unit vector over the n samples that slowly follows it. References
    stand still while two variances are near each other, so a mode is found again on the far side of a
    crossing, however slow, though its direction was mixed with another's on the way. Ranks are exchanged
    where the assignment of largest total squared overlap says so, clearly and in two records running.

    Parameters
    ----------
    points : np.ndarray
        (T, n, k), projections of the same n samples on each record's principal directions.
    most : int
        Records compared at most, evenly spread; those between are as the one before.

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        Ranks (T, k), the direction that each of the k modes is at each record, and its squared overlap with
        the mode's reference (T, k).
    """
    records = len(points)
    compared = np.unique(np.linspace(0, records - 1, most).round().astype(int)) if records > most else None
    ranks, overlaps = _follow(np.nan_to_num(points if compared is None else points[compared]).astype(float))
    if compared is None:
        return ranks, overlaps
    latest = np.searchsorted(compared, np.arange(records), side="right") - 1
    return ranks[latest], overlaps[latest]


def _follow(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    records, _, count = points.shape
    lengths = np.linalg.norm(points, axis=1)
    directions = points / np.maximum(lengths, NO_LENGTH)[:, None]
    clear, logs = _clear(lengths), 2 * np.log(np.maximum(lengths, NO_LENGTH))
    ranks, overlaps = np.zeros((records, count), int), np.zeros((records, count))
    modes = np.arange(count)
    current, proposed, before = modes, modes, np.eye(count)
    references = directions[0].copy()
    for record, seen in enumerate(directions):
        products = references.T @ seen
        squares = products**2
        best = _exchange(squares, current, logs[record])
        if (best != current).any() and (best == proposed).all():
            ranks[record - 1], overlaps[record - 1] = best, before[modes, best]
            current = best
        proposed, before = best, squares
        ranks[record], overlaps[record] = current, squares[modes, current]
        _update(references, seen, products, current, clear[record])
    return ranks, overlaps


def _clear(lengths: np.ndarray) -> np.ndarray:
    """(T, k): whether a direction's variance is apart from those of the directions beside it."""
    variances = np.maximum(lengths, NO_LENGTH) ** 2
    apart = variances[:, :-1] > CLEAR_RATIO * variances[:, 1:]
    edge = np.ones((len(lengths), 1), bool)
    return np.hstack([edge, apart]) & np.hstack([apart, edge])


def _exchange(squares: np.ndarray, current: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """The current ranks, with those cycles of the best assignment exchanged whose modes are found there."""
    from scipy.optimize import linear_sum_assignment

    best = linear_sum_assignment(-squares)[1]
    moved = np.flatnonzero(best != current)
    result = current.copy()
    holder = np.argsort(current)
    while len(moved):
        cycle, mode = [], moved[0]
        while mode not in cycle:
            cycle.append(mode)
            mode = holder[best[mode]]
        found = squares[cycle, best[cycle]] > FOUND_OVERLAP
        lost = (squares[cycle].max(axis=1) < LOST_OVERLAP) & (logs[current[cycle]] < logs.max() - SMALL_BY)
        apart = np.abs(logs[best[cycle]] - logs[current[cycle]]) > EXCHANGED_GAP
        if found.any() and (found | lost).all() and apart.all():
            result[cycle] = best[cycle]
        moved = np.setdiff1d(moved, cycle)
    return result


def _update(
    references: np.ndarray, seen: np.ndarray, products: np.ndarray, current: np.ndarray, clear: np.ndarray
) -> None:
    """Move the references, in place; a direction that is nobody's is a mode not seen before."""
    squares = products**2
    spanned, known = squares.sum(axis=0), squares.max(axis=0) > FOUND_OVERLAP
    for mode, rank in enumerate(current):
        if spanned[rank] < LOST_OVERLAP or (clear[rank] and not known[rank]):
            references[:, mode] = seen[:, rank]
        elif clear[rank] and squares[mode, rank] > FOUND_OVERLAP:
            towards = np.sign(products[mode, rank]) * seen[:, rank]
            moved = references[:, mode] + REFERENCE_PACE * (towards - references[:, mode])
            references[:, mode] = moved / np.linalg.norm(moved)
