"""Which mode of a run, at which checkpoint, is which of another's; and in which of the two it came first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from eigenstep.analysis import stand_out
from eigenstep.spectrum.agreement import checked_pair

Array = NDArray[np.float64]

# |correlation| over the images from which on a mode is what it comes to be, and is one of another run's.
ITSELF, SAME = 0.9, 0.5


@dataclass(frozen=True, eq=False)
class RunModes:
    """The modes of a run that can be told apart, at each of its T checkpoints and as they came to be.

    Attributes
    ----------
    steps : list[int]
        (T,) of the checkpoints.
    ranks : list[list[int]]
        (T, k) the places of those that can be told apart there, by descending variance, from 1.
    scores : list[Array]
        (T,) of (n, k): their values on the images, each of mean 0 and of length 1.
    """

    steps: list[int]
    ranks: list[list[int]]
    scores: list[Array]

    @property
    def last_seen(self) -> dict[int, int]:
        """The last checkpoint at which each mode can be told apart, by rank."""
        found = {rank: place for place, ranks in enumerate(self.ranks) for rank in ranks}
        return dict(sorted(found.items()))

    @property
    def final(self) -> Array:
        """(n, m): each mode that can be told apart anywhere, as it is at the last such checkpoint."""
        columns = [self.scores[at][:, self.ranks[at].index(rank)] for rank, at in self.last_seen.items()]
        return np.stack(columns, axis=1) if columns else np.zeros((len(self.scores[0]), 0))

    def itself_from(self) -> list[int]:
        """The step at which each of `final` first is what it comes to be, (m,)."""
        final = self.final
        reached = [np.abs(final.T @ each).max(axis=1, initial=0) >= ITSELF for each in self.scores]
        return [self.steps[place] for place in np.argmax(reached, axis=0)]


@dataclass(frozen=True)
class SameMode:
    """A mode of one run that is a mode of another's.

    Attributes
    ----------
    ranks : tuple[int, int]
        Which it is of either, from 1.
    steps : tuple[int, int]
        The checkpoints at which it is taken: the last ones at which it can be told apart.
    correlation : float
        |correlation| of its values in the two runs.
    itself_from : tuple[int, int]
        The steps at which it first is what it comes to be.
    """

    ranks: tuple[int, int]
    steps: tuple[int, int]
    correlation: float
    itself_from: tuple[int, int]

    def which_first(self, names: tuple[str, str]) -> str:
        """The name of the run in which it came first; "together" at the same step."""
        first, second = self.itself_from
        return "together" if first == second else names[first > second]


@dataclass(frozen=True, eq=False)
class ModesBeside:
    """The modes of two runs beside each other.

    Attributes
    ----------
    runs : tuple[RunModes, RunModes]
        Of either.
    same : list[SameMode]
        Which are the same.
    """

    runs: tuple[RunModes, RunModes]
    same: list[SameMode]


def run_modes(
    snapshots: Sequence[ArrayLike],
    steps: Sequence[int],
    learned: Sequence[int | None],
    *,
    center: bool = True,
) -> RunModes:
    """Find the modes that can be told apart at each checkpoint: principal directions of the embeddings.

    A mode has an identity where its variance and those of its neighbours differ by the factor that
    `eigenstep.analysis.stand_out` asks for: among nearly equal ones, as at the end of Barlow Twins, where all
    are 1, any rotation is as good. Of a run in which modes were seen to rise only learned ones are taken.

    Parameters
    ----------
    snapshots : Sequence[ArrayLike]
        T embeddings (n, d) of the same images, in the order of training.
    steps, learned : Sequence[int], Sequence[int | None]
        (T,) and how many modes had been learned then; None where nothing tells.
    center : bool
        Subtract the mean embedding before directions are found.

    Examples
    --------
    >>> z = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 3)))[0]
    >>> run_modes([z * [3.0, 1.1, 1.0], z * [3.0, 2.0, 1.0]], [5, 10], [None, None], center=False).ranks
    [[1], [1, 2]]
    """
    rises = any(learned)
    ranks, scores = [], []
    for snapshot, count in zip(snapshots, learned, strict=True):
        rows, _ = checked_pair(snapshot, snapshot)
        left, sizes, _ = np.linalg.svd(rows - rows.mean(axis=0) if center else rows, full_matrices=False)
        variances = np.square(sizes)
        most = min(count or 0, len(sizes)) if rises else len(sizes)
        apart = [rank for rank in range(1, most + 1) if _told_apart(variances, rank)]
        ranks.append(apart)
        scores.append(_unit(left[:, [rank - 1 for rank in apart]]))
    return RunModes(list(steps), ranks, scores)


def modes_within(modes: Array, run: RunModes) -> tuple[Array, NDArray[np.int_]]:
    """Look for modes (n, m) at each of a run's T checkpoints, one to one.

    Returns
    -------
    tuple[Array, NDArray[np.int_]]
        (m, T) |correlation| with the one that is found, and its rank there; 0 where none is left.

    Examples
    --------
    >>> z = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 3)))[0]
    >>> run = run_modes([z * [3.0, 0.1, 0.01], z * [9.0, 3.0, 0.01]], [5, 10], [1, 2], center=False)
    >>> correlations, ranks = modes_within(z[:, :2], run)
    >>> correlations.round(1), ranks
    (array([[1., 1.],
           [0., 1.]]), array([[1, 1],
           [0, 2]]))
    """
    shape = (modes.shape[1], len(run.steps))
    correlations, ranks = np.zeros(shape), np.zeros(shape, dtype=int)
    for place, scores in enumerate(run.scores):
        found = np.abs(modes.T @ scores)
        rows, columns = linear_sum_assignment(found, maximize=True)
        correlations[rows, place] = found[rows, columns]
        ranks[rows, place] = np.array(run.ranks[place], dtype=int)[columns]
    return correlations, ranks


def same_modes(first: RunModes, second: RunModes) -> list[SameMode]:
    """Match the modes of two runs as they came to be, one to one, by at least `SAME`.

    Examples
    --------
    >>> z = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 3)))[0]
    >>> early, late = z * [2.0, 0.1, 0.01], z * [9.0, 3.0, 0.01]
    >>> slow = run_modes([early, early, late], [0, 10, 20], [1, 1, 2], center=False)
    >>> fast = run_modes([early, late, late], [0, 10, 20], [1, 2, 2], center=False)
    >>> [(each.ranks, each.itself_from, each.which_first(("A", "B"))) for each in same_modes(slow, fast)]
    [((1, 1), (0, 0), 'together'), ((2, 2), (20, 10), 'B')]
    """
    found = np.abs(first.final.T @ second.final)
    came = first.itself_from(), second.itself_from()
    seen = list(first.last_seen.items()), list(second.last_seen.items())
    matched = []
    for row, column in zip(*linear_sum_assignment(found, maximize=True), strict=True):
        if found[row, column] >= SAME:
            (rank, at), (other, there) = seen[0][row], seen[1][column]
            steps = (first.steps[at], second.steps[there])
            itself = (came[0][row], came[1][column])
            matched.append(SameMode((rank, other), steps, float(found[row, column]), itself))
    return matched


def _told_apart(variances: Array, rank: int) -> bool:
    return stand_out(variances, rank) and (rank == 1 or stand_out(variances, rank - 1))


def _unit(columns: Array) -> Array:
    """Columns less their means, of length 1; zeros where nothing is left."""
    moved = columns - columns.mean(axis=0)
    lengths = np.linalg.norm(moved, axis=0)
    unit: Array = moved / np.where(lengths > 1e-12, lengths, np.inf)
    return unit
