"""VICReg: close views, coordinates of at least unit deviation, uncorrelated coordinates."""

from dataclasses import dataclass

from eigenstep.methods._method import Method, as_its_loss_says, of_two_views
from eigenstep.methods._small_start import SmallStart


@dataclass(frozen=True)
class VICRegConfig:
    """VICReg (used with --loss vicreg)."""

    lambda_param: float = 25.0
    """Weight of the invariance term."""
    mu_param: float = 25.0
    """Weight of the variance term."""
    nu_param: float = 1.0
    """Weight of the covariance term."""
    eps: float = 1e-4
    """Added to the variance inside the root."""


def _small_start(options: VICRegConfig, batch_size: int) -> SmallStart:
    from eigenstep.kernel.pairs import VICReg

    return SmallStart(VICReg(options.lambda_param, options.mu_param, options.nu_param, options.eps))


METHOD = Method(
    name="vicreg",
    title="VICReg",
    options=VICRegConfig,
    build=of_two_views("VICRegLoss"),
    rate=0.002,
    small_start=_small_start,
    refuses_preconditioning=as_its_loss_says("VICRegLoss"),
)
