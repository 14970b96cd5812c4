"""LeJEPA from a small start: what its test of normality and its prediction make of small embeddings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from eigenstep.kernel.pairs._pair_graph import PairGraph
from eigenstep.kernel.pairs._pair_operator import PairOperator
from eigenstep.kernel.pairs._small_start_objective import (
    SmallStartObjective,
    check_positive,
    check_samples,
    one_number_if_equal,
)


@dataclass(frozen=True)
class LeJEPA(SmallStartObjective):
    """LeJEPA, on average over its random directions; its share `weight` of SIGReg, batches of `batch_size`.

        effective A  =  M - (c_2/c_1) mu mu^T - kappa Delta,     kappa = (1 - weight) / (4 c_1 weight n)
        s ~ e^{2 weight n c_1 gamma t / d}

    M, mu: second moment and mean of each of the graph's branches, their squares averaged; pairs have two
    branches, all other graphs one, and so has everything with `pooled`. n = batch_size, twice that if pooled:
    how many embeddings are tested as one sample. Delta = 2 (diag(A 1) - A): the mean square difference of
    positive views. c_1, c_2: 1.546 and 2.432 with the default knots. So it is PCA without the mean, but for
    kappa, .048 by default, and for a mean that is held down more than centring would. `prediction` stands in
    the place of 1 - weight where it is given. What ends the growth has no known closed form.

    The loss: arXiv:2511.08544; this start: derived from it, to second order in the embeddings.

    Examples
    --------
    >>> LeJEPA(batch_size=100).growth_rates([1.0, 0.5], dim=10).round(3)
    array([1.546, 0.773])
    """

    weight: float = 0.05
    batch_size: int = 256
    pooled: bool = False
    prediction: float | None = None
    t_max: float = 3.0
    knots: int = 17
    name: ClassVar[str] = "lejepa"
    closed_form: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_positive("weight", self.weight)
        check_positive("batch_size", self.batch_size)
        check_positive("t_max", self.t_max)
        if self.knots < 2:
            raise ValueError(f"knots expects at least 2, got {self.knots}")

    @property
    def weights(self) -> Mapping[str, float]:
        return {
            "prediction": 1 - self.weight if self.prediction is None else self.prediction,
            "sigreg": self.weight,
        }

    @property
    def plateau(self) -> None:
        return None

    @property
    def sample_size(self) -> int:
        """How many embeddings are tested as one sample."""
        return self.batch_size * (2 if self.pooled else 1)

    @property
    def curvatures(self) -> tuple[float, float]:
        """c_1 and c_2: how the test's statistic, over n, begins to fall with E x^2 and rise with (E x)^2."""
        t = np.linspace(0, self.t_max, self.knots)
        normal = np.exp(-(t**2) / 2)
        steps = np.full(self.knots, 2 * self.t_max / (self.knots - 1))
        steps[[0, -1]] /= 2
        of_knots = steps * normal * t**2
        return float(of_knots @ (1 - normal)), float(of_knots.sum())

    @property
    def kappa(self) -> float:
        return self.weights["prediction"] / (4 * self.curvatures[0] * self.weight * self.sample_size)

    def operator(self, graph: PairGraph) -> PairOperator:
        branches = [slice(0, graph.n_views)] if self.pooled else list(graph.branches)
        counts = [branch.stop - branch.start for branch in branches]
        check_samples(self.name, min(graph.n_samples, *counts))
        share = 1 / len(counts)
        moment = np.empty(graph.n_views)
        constants = np.zeros((graph.n_views, len(counts)))
        for column, (branch, count) in enumerate(zip(branches, counts, strict=True)):
            moment[branch] = share / count
            constants[branch, column] = count**-0.5
        of_moment, of_mean = self.curvatures
        means = np.diag([-share * of_mean / of_moment / count for count in counts])
        diagonal = moment - 2 * self.kappa * graph.row_sums()
        return PairOperator(graph, 2 * self.kappa, one_number_if_equal(diagonal), (constants, means))

    def time_unit(self, dim: int | None = None) -> float:
        if dim is None or dim < 1:
            raise ValueError(f"lejepa divides by the embedding's dimension: expected dim >= 1, got {dim}")
        return 2 * dim / (self.weight * self.sample_size * self.curvatures[0])
