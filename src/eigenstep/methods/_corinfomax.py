"""CorInfoMax: close views whose running covariance has a large log-determinant."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eigenstep.methods._method import Method

if TYPE_CHECKING:
    from eigenstep.methods._objective import TwoViewObjective


@dataclass(frozen=True)
class CorInfoMaxConfig:
    """CorInfoMax (used with --loss corinfomax): the covariance has a memory of earlier steps."""

    alpha: float = 250.0
    """Weight of the invariance term."""
    memory: float = 0.01
    """The share of the covariance that is kept from step to step."""
    eps: float = 1e-8
    """Added to the covariance's diagonal."""


def _build(options: CorInfoMaxConfig, dim: int, classes: int) -> "TwoViewObjective":
    from eigenstep.losses import CorInfoMaxLoss
    from eigenstep.methods._objective import TwoViewObjective

    return TwoViewObjective(CorInfoMaxLoss(dim, gather_distributed=True, **dataclasses.asdict(options)))


def _refuses_preconditioning(options: CorInfoMaxConfig) -> str | None:
    from eigenstep.losses import CorInfoMaxLoss

    return CorInfoMaxLoss(1).refuses_preconditioning


METHOD = Method(
    name="corinfomax",
    title="CorInfoMax",
    options=CorInfoMaxConfig,
    build=_build,
    rate=0.005,
    refuses_preconditioning=_refuses_preconditioning,
)
