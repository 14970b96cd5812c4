"""What a loss learns first: the operator that takes the pair graph's place, and the rate of each mode.

To second order in the embeddings f a loss is a constant minus a multiple of tr(f A f^T), A its own. Small
embeddings thus grow along the top modes A K a = gamma a, each at an exponent proportional to its gamma.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from eigenstep.kernel.pairs._lejepa import LeJEPA
from eigenstep.kernel.pairs._pair_graph import PairGraph
from eigenstep.kernel.pairs._pair_operator import PairOperator
from eigenstep.kernel.pairs._small_start_objective import (
    SmallStartObjective,
    check_positive,
    check_samples,
    one_number_if_equal,
)


def objective_operator(objective: "str | SmallStartObjective", graph: PairGraph) -> PairOperator:
    """Return the operator A whose top modes A K a = gamma a the objective learns first from a small start.

    Parameters
    ----------
    objective : str | SmallStartObjective
        "barlow_twins", "simclr", "vicreg" or "lejepa" with their losses' defaults, or an instance.
    graph : PairGraph
        Positive pairs over N views.

    Raises
    ------
    ValueError
        An unknown name, or too few samples for the loss to be defined.

    Examples
    --------
    >>> from eigenstep.kernel.pairs import paired
    >>> objective_operator("simclr", paired(2)).dense().round(3)
    array([[ 0.   , -0.083,  0.167, -0.083],
           [-0.083,  0.   , -0.083,  0.167],
           [ 0.167, -0.083,  0.   , -0.083],
           [-0.083,  0.167, -0.083,  0.   ]])
    """
    return make_objective(objective).operator(graph)


def make_objective(objective: "str | SmallStartObjective", **options: Any) -> "SmallStartObjective":
    """Return the objective of a name with its options, or the objective itself.

    Options given with an objective change it.

    Raises
    ------
    ValueError
        For an unknown name or a value out of range.
    TypeError
        For an option that it has not.

    Examples
    --------
    >>> make_objective("simclr", temperature=0.1)
    SimCLR(temperature=0.1)
    """
    if isinstance(objective, SmallStartObjective):
        return replace(objective, **options)
    if objective not in OBJECTIVES:
        raise ValueError(f"expected an objective among {', '.join(OBJECTIVES)}, got {objective!r}")
    return OBJECTIVES[objective](**options)


@dataclass(frozen=True)
class BarlowTwins(SmallStartObjective):
    """||C - I||_F^2 of embeddings as they are: A is the pair graph, uncentred, s ~ e^{4 gamma t}.

    The logistic curve is exact from an aligned start. Source: arXiv:2303.15438, sections 3 and 4.

    Examples
    --------
    >>> BarlowTwins().growth_rates([1.0, 0.5])
    array([4., 2.])
    """

    name: ClassVar[str] = "barlow_twins"
    closed_form: ClassVar[bool] = True

    @property
    def weights(self) -> Mapping[str, float]:
        return {"invariance": 1.0, "redundancy": 1.0}

    @property
    def plateau(self) -> float:
        return 1.0

    def operator(self, graph: PairGraph) -> PairOperator:
        return PairOperator(graph)

    def time_unit(self, dim: int | None = None) -> float:
        return 1.0


@dataclass(frozen=True)
class SimCLR(SmallStartObjective):
    """NT-Xent of embeddings as they are (inner products, not cosines), at a temperature T.

        L = -sum_kl A_kl s_kl + 1/N sum_k log sum_{l != k} exp s_kl,     s_kl = z_k . z_l / T
        effective A  =  A - N/(N-1) 11^T/N^2 + I/(N (N-1))
        s ~ e^{2 gamma t / T}

    To fourth order L = -tr(C)/T + tr(M M_c)/(2 T^2) + const, with C the effective cross-correlation of the
    embeddings, M their second moment over all views and M_c their covariance. Thus a mode that moves alone
    has lambda' = (4 gamma/T) lambda (1 - lambda/(T rho^2)), rho^2 = gamma^2/(m m_c), m and m_c its second
    moment and variance for s = 1. For views that agree and data without a mean rho = 1, and L is
    ||C/T - I||^2/2 + const: the plateau T given here. Multiply it by rho^2, about the invariance ratio
    squared, for data of other kinds. At the plateau s_kl is of order 1, so there the true loss departs from
    fourth order; half times from a small start do not depend on it. arXiv:2303.15438 has the operator.

    Cosine-normalised embeddings have no such start.

    Examples
    --------
    >>> SimCLR(temperature=0.5).growth_rates([1.0, 0.5])
    array([4., 2.])
    """

    temperature: float = 0.5
    name: ClassVar[str] = "simclr"
    closed_form: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)

    @property
    def weights(self) -> Mapping[str, float]:
        return {"alignment": 1.0, "uniformity": 1.0}

    @property
    def plateau(self) -> float:
        return self.temperature

    def operator(self, graph: PairGraph) -> PairOperator:
        size = graph.n_views
        check_samples(self.name, graph.n_samples)
        constant = np.full((size, 1), size**-0.5), np.array([[-1 / (size - 1)]])
        return PairOperator(graph, diagonal=1 / (size * (size - 1)), low_rank=constant)

    def time_unit(self, dim: int | None = None) -> float:
        return 2 * self.temperature


@dataclass(frozen=True)
class VICReg(SmallStartObjective):
    """VICReg with weights lambda, mu, nu and eps inside its roots, for embeddings smaller than sqrt(eps).

        effective A  =  Sigma_c - kappa Delta,     kappa = 2 lambda sqrt(eps) / mu
        s ~ e^{mu gamma t / (d sqrt(eps))}

    Delta = 2 (diag(A 1) - A): the mean square difference of positive views. Sigma_c: the mean over the
    graph's branches of the unbiased covariance; pairs have two branches, each with its own mean, all other
    graphs one. nu weighs the covariance term, which is of fourth order and has no part in the start. What
    ends the growth has no known closed form. The loss: arXiv:2105.04906.

    Examples
    --------
    >>> VICReg().growth_rates([1.0, 0.5], dim=10)
    array([250., 125.])
    """

    lambda_param: float = 25.0
    mu_param: float = 25.0
    nu_param: float = 1.0
    eps: float = 1e-4
    name: ClassVar[str] = "vicreg"
    closed_form: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_positive("mu_param", self.mu_param)
        check_positive("eps", self.eps)
        if not (np.isfinite(self.lambda_param) and self.lambda_param >= 0):
            raise ValueError(f"lambda_param expects a finite number >= 0, got {self.lambda_param}")

    @property
    def weights(self) -> Mapping[str, float]:
        return {"invariance": self.lambda_param, "variance": self.mu_param, "covariance": self.nu_param}

    @property
    def plateau(self) -> None:
        return None

    @property
    def kappa(self) -> float:
        return 2 * self.lambda_param * self.eps**0.5 / self.mu_param

    def operator(self, graph: PairGraph) -> PairOperator:
        counts = [branch.stop - branch.start for branch in graph.branches]
        check_samples(self.name, min(counts))
        share = 1 / len(counts)
        spread = np.empty(graph.n_views)
        constants = np.zeros((graph.n_views, len(counts)))
        for column, (branch, count) in enumerate(zip(graph.branches, counts, strict=True)):
            spread[branch] = share / (count - 1)
            constants[branch, column] = count**-0.5
        means = np.diag([-share / (count - 1) for count in counts])
        diagonal = spread - 2 * self.kappa * graph.row_sums()
        return PairOperator(graph, 2 * self.kappa, one_number_if_equal(diagonal), (constants, means))

    def time_unit(self, dim: int | None = None) -> float:
        if dim is None or dim < 1:
            raise ValueError(f"vicreg divides by the embedding's dimension: expected dim >= 1, got {dim}")
        return 4 * dim * self.eps**0.5 / self.mu_param


OBJECTIVES: dict[str, type[SmallStartObjective]] = {
    kind.name: kind for kind in (BarlowTwins, SimCLR, VICReg, LeJEPA)
}
