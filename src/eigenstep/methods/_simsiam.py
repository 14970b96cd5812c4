"""SimSiam: one view's embedding predicts the other's, through which no gradient flows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eigenstep.methods._method import Method, check_hidden

if TYPE_CHECKING:
    from eigenstep.methods._objective import Objective


@dataclass(frozen=True)
class SimSiamConfig:
    """SimSiam (used with --loss simsiam): a predictor, and no gradient through the predicted view."""

    predictor_hidden: int = 512
    """Width of the predictor's hidden layer."""
    fixed_predictor_rate: bool = True
    """The predictor keeps the learning rate that the schedule starts from, as published."""


def _build(options: SimSiamConfig, dim: int, classes: int) -> "Objective":
    from eigenstep.methods.objectives._simsiam import SimSiam

    return SimSiam(dim, options.predictor_hidden, options.fixed_predictor_rate)


def _check(options: SimSiamConfig) -> None:
    check_hidden("simsiam.predictor_hidden", options.predictor_hidden)


def _refuses_preconditioning(options: SimSiamConfig) -> str | None:
    from eigenstep.losses import NegativeCosineSimilarity

    return NegativeCosineSimilarity().refuses_preconditioning


METHOD = Method(
    name="simsiam",
    title="SimSiam",
    options=SimSiamConfig,
    build=_build,
    check=_check,
    refuses_preconditioning=_refuses_preconditioning,
)
