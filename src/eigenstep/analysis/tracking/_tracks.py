"""Eigenvalues followed by mode instead of by rank."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.analysis.tracking._identity import identify

# Records at which the directions are compared: evenly spread, and enough for any rise that can be seen.
COMPARED = 1000
# Two eigenvalues whose logarithms differ by less than this meet.
MEETING = 0.3
# Squared overlap with its reference from which a mode's direction is certain.
CERTAIN = 0.5


@dataclass(frozen=True)
class Track:
    """One mode over time.

    Attributes
    ----------
    mode : its number
    ranks : (T,), which eigenvalue of the batch it is, 0 for the largest
    eigenvalues : (T,), the batch's, of that rank
    variances : (T,), of the probe batch along the mode; None where it is not followed there
    overlap : (T,), squared overlap of its direction on the probe batch with the one it is known by: near 1
        where the identity is certain; None where modes are told by rank
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
    eigenvalues : (T, d), descending along the last axis
    points : (T, n, k), the probe batch's projections on its first k principal directions, of any sign; the
        modes beyond the k-th, or all if it is None, are told by rank

    Raises ValueError if the shapes do not fit.

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
    seen, overlaps = identify(points, COMPARED)
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
        certain = np.flatnonzero((overlaps[:change, moved] > CERTAIN).all(axis=1))
        start = max(certain[-1] if len(certain) else 0, earliest[moved].max())
        gap = np.abs(logs[start : change + 1, old] - logs[start : change + 1, new]).max(axis=1)
        near = np.flatnonzero(gap <= MEETING)
        meeting = start + int(near[len(near) // 2]) if len(near) else max(start, change)
        ranks[meeting:, moved] = new
        earliest[moved] = meeting
    return ranks
