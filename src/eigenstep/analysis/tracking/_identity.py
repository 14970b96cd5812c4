"""Which principal direction of the probe batch is which mode, record by record."""

import numpy as np
from scipy.optimize import linear_sum_assignment

# A reference follows its mode only while the mode's variance differs from its neighbours' by this factor:
# nearer than that the principal directions are mixtures of both.
CLEAR = 4.0
# How far a reference moves towards the direction seen.
FOLLOW = 0.3
# Squared overlap from which a mode is found, and up to which it is lost, as it may be where its variance is
# below the largest by this, in natural units.
FOUND, LOST, SMALL = 0.6, 0.4, 4.6
# Variances of modes that have changed places differ by this, in natural units.
APART = 0.25
# Lengths below this are no direction.
SMALLEST = 1e-30


def identify(points: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Follow directions through exchanges of their order.

    Each mode is known by a reference, a unit vector over the n samples that slowly follows it. References
    stand still while two variances are near each other, so a mode is found again on the far side of a
    crossing, however slow, though its direction was mixed with another's on the way. Ranks are exchanged
    where the assignment of largest total squared overlap says so, clearly and in two records running.

    Parameters
    ----------
    points : (T, n, k), projections of the same n samples on each record's principal directions
    most : records compared at most, evenly spread; those between are as the one before

    Returns ranks (T, k), the direction that each of the k modes is at each record, and its squared overlap
    with the mode's reference (T, k).
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
    directions = points / np.maximum(lengths, SMALLEST)[:, None]
    clear, logs = _clear(lengths), 2 * np.log(np.maximum(lengths, SMALLEST))
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
    variances = np.maximum(lengths, SMALLEST) ** 2
    apart = variances[:, :-1] > CLEAR * variances[:, 1:]
    edge = np.ones((len(lengths), 1), bool)
    return np.hstack([edge, apart]) & np.hstack([apart, edge])


def _exchange(squares: np.ndarray, current: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """The current ranks, with those cycles of the best assignment exchanged whose modes are found there."""
    best = linear_sum_assignment(-squares)[1]
    moved = np.flatnonzero(best != current)
    result = current.copy()
    holder = np.argsort(current)
    while len(moved):
        cycle, mode = [], moved[0]
        while mode not in cycle:
            cycle.append(mode)
            mode = holder[best[mode]]
        found = squares[cycle, best[cycle]] > FOUND
        lost = (squares[cycle].max(axis=1) < LOST) & (logs[current[cycle]] < logs.max() - SMALL)
        apart = np.abs(logs[best[cycle]] - logs[current[cycle]]) > APART
        if found.any() and (found | lost).all() and apart.all():
            result[cycle] = best[cycle]
        moved = np.setdiff1d(moved, cycle)
    return result


def _update(
    references: np.ndarray, seen: np.ndarray, products: np.ndarray, current: np.ndarray, clear: np.ndarray
) -> None:
    """Move the references, in place; a direction that is nobody's is a mode not seen before."""
    squares = products**2
    spanned, known = squares.sum(axis=0), squares.max(axis=0) > FOUND
    for mode, rank in enumerate(current):
        if spanned[rank] < LOST or (clear[rank] and not known[rank]):
            references[:, mode] = seen[:, rank]
        elif clear[rank] and squares[mode, rank] > FOUND:
            towards = np.sign(products[mode, rank]) * seen[:, rank]
            moved = references[:, mode] + FOLLOW * (towards - references[:, mode])
            references[:, mode] = moved / np.linalg.norm(moved)
