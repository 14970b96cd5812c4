"""What the theory knows of a configured loss."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eigenstep.kernel.pairs import BarlowTwins, SimCLR, SmallStartObjective, VICReg
from eigenstep.training.config import TrainConfig


@dataclass(frozen=True)
class SmallStart:
    """How a loss acts on small embeddings.

    objective : gives the operator and the rates (see `eigenstep.kernel`)
    center : whether the loss subtracts the mean embedding where the objective's operator does not
    scale : a factor of the whole loss, and so of all rates
    """

    objective: SmallStartObjective
    center: bool
    scale: float

    def growth_rates(self, gamma: NDArray[np.float64], dim: int) -> NDArray[np.float64]:
        """Exponents of small modes under gradient flow, s_j ~ e^{rate t}, (k,)."""
        return self.scale * self.objective.growth_rates(gamma, dim)

    def loss(self, eigenvalues: NDArray[np.float64], plateaus: NDArray[np.float64], dim: int, views: int):
        """The closed form's loss (T,) of modes' eigenvalues (T, k) of C that end at `plateaus` (k,).

        Barlow Twins: ||C - I||^2. SimCLR: to fourth order in the embeddings, among `views` of a batch.
        """
        missing = 1 - eigenvalues / plateaus
        if isinstance(self.objective, SimCLR):
            learned = (missing**2 - 1) @ plateaus / (2 * self.objective.temperature)
            return np.log(views - 1) + learned
        return self.scale * ((missing**2).sum(axis=1) + dim - len(plateaus))


def small_start(config: TrainConfig) -> SmallStart:
    """The loss of a training, as seen from small embeddings.

    Raises ValueError for losses that never see a small embedding as small: normalised ones.
    """
    if config.projector.batch_norm_output:
        raise ValueError(
            "projector.batch_norm_output standardises the embeddings, so that they are never small: nothing"
            " is known of their learning; expected it off"
        )
    if config.loss == "barlow_twins":
        options = config.barlow_twins
        if options.normalize == "batch":
            raise ValueError(_normalised("barlow_twins.normalize", "batch"))
        return SmallStart(BarlowTwins(), options.center, options.scale)
    if config.loss == "simclr":
        if config.simclr.normalize == "cosine":
            raise ValueError(_normalised("simclr.normalize", "cosine"))
        return SmallStart(SimCLR(config.simclr.temperature), False, 1.0)
    if config.loss == "vicreg":
        node = config.vicreg
        return SmallStart(VICReg(node.lambda_param, node.mu_param, node.nu_param, node.eps), False, 1.0)
    raise ValueError(
        f"expected barlow_twins, simclr or vicreg, whose learning is predicted, got {config.loss}"
    )


def _normalised(name: str, value: str) -> str:
    return (
        f"{name} {value} makes embeddings of one size out of any, so that none is learned from a small start:"
        f" nothing is known of the order; expected {name} none"
    )
