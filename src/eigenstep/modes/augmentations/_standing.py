"""Where sets stand after some trainings: means, differences with standard errors, and what is told apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

# In so many races at most the best set is called worse than another: by theory of one look at all trainings,
# and of a race, which looks several times, by simulation.
LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """How much better a set is than another.

    Attributes
    ----------
    value : float
        Difference of the accuracies, in shares of the images.
    error : float
        Its standard error, over images and seeds.
    told_apart : bool
        Whether it is larger than chance would make it, see `Standing`.
    """

    value: float
    error: float
    told_apart: bool


class Standing:
    """What the trainings so far tell of the sets.

    The accuracies a_sr of set s and seed r are a_sr = mu_s + b_r + e_sr: a seed gives all sets the same first
    weights, batches and random numbers, and what it does to all of them alike is b_r. The means mu_s are
    those of least squares, and the variance of e is pooled over all sets. The variance of a difference is the
    sum of that of seeds, from this model, and that of images, of the images' own differences (averaged over
    seeds) over their number, so both other seeds and other images are allowed for.

    A set is told apart from the leader if it is behind by more than t standard errors, with Student's t at
    `LEVEL` over the number of other sets: whichever set is the best, it is not called worse than another in
    19 of 20 races (multiple comparisons with the best, Hsu 1984, with Bonferroni's bound).

    Parameters
    ----------
    right : Sequence[Sequence[NDArray[np.float64]]]
        For each set, for each of its seeds from 0 on, (n,) whether each image was told rightly, in [0, 1].

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> good, bad = (rng.random((4, 2000)) < share for share in (0.6, 0.4))
    >>> standing = Standing([good.astype(float), bad.astype(float)])
    >>> standing.leader, standing.behind(1).told_apart
    (0, True)
    """

    def __init__(self, right: Sequence[Sequence[NDArray[np.float64]]]) -> None:
        if not right or any(not len(each) for each in right):
            raise ValueError("expected at least one training of each set")
        self.seeds = [len(each) for each in right]
        self._by_image = np.array([np.mean(np.asarray(each), axis=0) for each in right])
        accuracies = [[float(np.mean(run)) for run in each] for each in right]
        sets, runs = len(right), max(self.seeds)
        rows = [
            (place, seed, value) for place, each in enumerate(accuracies) for seed, value in enumerate(each)
        ]
        design = np.zeros((len(rows), sets + runs - 1))
        for line, (place, seed, _) in enumerate(rows):
            design[line, place] = 1
            if seed:
                design[line, sets + seed - 1] = 1
        values = np.array([value for *_, value in rows])
        inverse = np.linalg.pinv(design.T @ design)
        found = inverse @ design.T @ values
        residuals = values - design @ found
        self.freedom = len(rows) - int(np.linalg.matrix_rank(design))
        self.seed_variance = float(residuals @ residuals) / self.freedom if self.freedom else float("nan")
        """Variance of an accuracy from seed to seed, beyond what a seed does to all sets; nan of one set."""
        shares = np.zeros(design.shape[1])
        shares[sets:] = np.bincount([seed for _, seed, _ in rows], minlength=runs)[1:] / len(rows)
        # Each mean is that over all seeds that were run, not of the first.
        self.means: NDArray[np.float64] = found[:sets] + float(shares @ found)
        self._covariance = inverse[:sets, :sets]

    @property
    def leader(self) -> int:
        """The set of the highest mean, the first among equals."""
        return int(np.argmax(self.means))

    @property
    def order(self) -> list[int]:
        """The sets, best first."""
        return [int(place) for place in np.argsort(-self.means, kind="stable")]

    def error(self, place: int) -> float:
        """Standard error of a set's own accuracy, over images and seeds."""
        image = float(self._by_image[place].var()) / self._by_image.shape[1]
        return float(np.sqrt(image + self._seeds(np.eye(len(self.means))[place])))

    def difference(self, first: int, second: int) -> Difference:
        """How much better the first set is than the second."""
        contrast = np.zeros(len(self.means))
        contrast[first] += 1
        contrast[second] -= 1
        images = self._by_image[first] - self._by_image[second]
        error = float(np.sqrt(images.var(ddof=1) / len(images) + self._seeds(contrast)))
        value = float(self.means[first] - self.means[second])
        return Difference(value, error, bool(abs(value) > self.critical * error))

    def behind(self, place: int) -> Difference:
        """How much better a set is than the leader: at most 0."""
        return self.difference(place, self.leader)

    @property
    def critical(self) -> float:
        """How many standard errors tell a set apart from the leader."""
        others = max(len(self.means) - 1, 1)
        if (
            not self.freedom
        ):  # one run of each set: what seeds do is not known, and images alone are allowed for
            return float(stats.norm.ppf(1 - LEVEL / others))
        return float(stats.t.ppf(1 - LEVEL / others, self.freedom))

    @property
    def tied(self) -> list[int]:
        """The leader and the sets that are not told apart from it, best first."""
        return [place for place in self.order if place == self.leader or not self.behind(place).told_apart]

    def _seeds(self, contrast: NDArray[np.float64]) -> float:
        if not self.freedom:
            return 0.0
        return self.seed_variance * float(contrast @ self._covariance @ contrast)
