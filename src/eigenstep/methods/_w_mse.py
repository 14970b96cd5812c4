"""W-MSE: whitened embeddings of the two views, pulled together."""

from dataclasses import dataclass

from eigenstep.methods._method import Method, as_its_loss_says, of_two_views


@dataclass(frozen=True)
class WMSEConfig:
    """W-MSE (used with --loss w_mse): whitened embeddings of the two views, pulled together."""

    eps: float = 0.0
    """Shrinks the covariance towards the identity before it is whitened."""


METHOD = Method(
    name="w_mse",
    title="W-MSE",
    options=WMSEConfig,
    build=of_two_views("WMSELoss"),
    refuses_preconditioning=as_its_loss_says("WMSELoss"),
)
