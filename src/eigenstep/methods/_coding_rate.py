"""SimDINO's coding rate: views that agree, and a batch that takes many bits to describe."""

from dataclasses import dataclass

from eigenstep.methods._method import Method, as_its_loss_says, never, of_two_views


@dataclass(frozen=True)
class CodingRateConfig:
    """SimDINO's coding rate, of two views of one network (used with --loss coding_rate)."""

    lambda_param: float = 1.0
    """Weight of the views' alignment."""
    eps: float = 0.5
    """Squared error of the code (SimDINOv2: 0.05)."""


METHOD = Method(
    name="coding_rate",
    title="SimDINO's coding rate",
    options=CodingRateConfig,
    build=of_two_views("CodingRateLoss"),
    is_centered=never,
    refuses_preconditioning=as_its_loss_says("CodingRateLoss"),
)
