"""BYOL: one view's embedding predicts what a slowly following copy of the encoder makes of the other."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eigenstep.methods._method import Method, check_hidden

if TYPE_CHECKING:
    from eigenstep.methods._objective import Objective


@dataclass(frozen=True)
class BYOLConfig:
    """BYOL (used with --loss byol): a predictor of what a slowly following copy of the encoder sees."""

    predictor_hidden: int = 4096
    """Width of the predictor's hidden layer."""
    momentum: float = 0.996
    """How much of itself the copy keeps at each step, at first; it rises to 1 along a cosine."""


def _build(options: BYOLConfig, dim: int, classes: int) -> "Objective":
    from eigenstep.methods.objectives._byol import BYOL

    return BYOL(dim, options.predictor_hidden, options.momentum)


def _check(options: BYOLConfig) -> None:
    check_hidden("byol.predictor_hidden", options.predictor_hidden)
    if not 0 <= options.momentum <= 1:
        raise ValueError(f"byol.momentum: expected a number in [0, 1], got {options.momentum}")


def _refuses_preconditioning(options: BYOLConfig) -> str | None:
    from eigenstep.losses import NegativeCosineSimilarity

    return NegativeCosineSimilarity().refuses_preconditioning


METHOD = Method(
    name="byol",
    title="BYOL",
    options=BYOLConfig,
    build=_build,
    check=_check,
    refuses_preconditioning=_refuses_preconditioning,
)
