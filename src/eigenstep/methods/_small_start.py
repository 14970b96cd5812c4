"""What the theory knows of a loss whose embeddings are small."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from eigenstep.kernel.pairs import SmallStartObjective


@dataclass(frozen=True)
class SmallStart:
    """How a loss acts on small embeddings.

    Attributes
    ----------
    objective : SmallStartObjective
        Gives the operator and the rates (see `eigenstep.kernel`).
    center : bool
        Whether the loss subtracts the mean embedding where the objective's operator does not.
    scale : float
        a factor of the whole loss, and so of all rates.
    """

    objective: "SmallStartObjective"
    center: bool = False
    scale: float = 1.0

    def growth_rates(self, gamma: NDArray[np.float64], dim: int) -> NDArray[np.float64]:
        """Exponents of small modes under gradient flow, s_j ~ e^{rate t}, (k,)."""
        return self.scale * self.objective.growth_rates(gamma, dim)

    def loss(
        self, eigenvalues: NDArray[np.float64], plateaus: NDArray[np.float64], dim: int, views: int
    ) -> NDArray[np.float64]:
        """The closed form's loss (T,) of modes' eigenvalues (T, k) of C that end at `plateaus` (k,).

        Barlow Twins: ||C - I||^2. SimCLR: to fourth order in the embeddings, among `views` of a batch.
        """
        from eigenstep.kernel.pairs import SimCLR

        missing = 1 - eigenvalues / plateaus
        if isinstance(self.objective, SimCLR):
            learned: NDArray[np.float64] = (missing**2 - 1) @ plateaus / (2 * self.objective.temperature)
            return np.log(views - 1) + learned
        distance: NDArray[np.float64] = (missing**2).sum(axis=1) + dim - len(plateaus)
        return self.scale * distance


def never_small(name: str, value: str) -> ValueError:
    """What to raise for an option `name` whose value normalises the embeddings."""
    return ValueError(
        f"{name} {value} makes embeddings of one size out of any, so that none is learned from a small start:"
        f" nothing is known of the order; expected {name} none"
    )
