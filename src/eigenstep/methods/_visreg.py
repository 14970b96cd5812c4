"""VISReg: embeddings are centred, of unit deviation and Gaussian shape along random directions."""

from dataclasses import dataclass

from eigenstep.methods._method import Method, as_its_loss_says, of_slices


@dataclass(frozen=True)
class VISRegConfig:
    """VISReg (used with --loss visreg)."""

    weight: float = 0.9
    """Share of the three regularising terms in the loss (the paper for small data sets: 0.6)."""
    slices: int = 4096
    """Random directions at each step."""
    lambda_scale: float = 1.0
    """Weight of the deviations' distance from 1."""
    lambda_shape: float = 1.0
    """Weight of the distance from a Gaussian's shape."""
    lambda_center: float = 1.0
    """Weight of the mean's distance from 0."""
    eps: float = 1e-4
    """Added to the deviations that divide."""


METHOD = Method(
    name="visreg",
    title="VISReg",
    options=VISRegConfig,
    build=of_slices("VISRegLoss"),
    rate=0.02,
    refuses_preconditioning=as_its_loss_says("VISRegLoss"),
)
