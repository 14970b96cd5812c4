"""FroSSL: close views whose second moment is spread evenly over the directions."""

from dataclasses import dataclass

from eigenstep.methods._method import Method, as_its_loss_says, never, of_two_views


@dataclass(frozen=True)
class FroSSLConfig:
    """FroSSL (used with --loss frossl): the Frobenius norm of the second moment is small."""

    invariance_weight: float = 1.0
    """Weight of the invariance term."""


METHOD = Method(
    name="frossl",
    title="FroSSL",
    options=FroSSLConfig,
    build=of_two_views("FroSSLLoss"),
    is_centered=never,
    refuses_preconditioning=as_its_loss_says("FroSSLLoss"),
)
