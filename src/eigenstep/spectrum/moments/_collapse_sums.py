"""Sums for the measures of collapse: norms of embeddings, and their directions."""

from typing import Self

import torch
from torch import Tensor


class CollapseSums:
    """Sums over embeddings of ||z||, and of z / ||z|| and its squares coordinate by coordinate.

    Parameters
    ----------
    sums : (2 d + 1,), what was summed so far
    """

    def __init__(self, sums: Tensor) -> None:
        self.sums = sums

    def update(self, z: Tensor, decay: float = 1.0) -> None:
        """Add embeddings (views, n, d) to the decayed sums. A zero embedding has no direction."""
        flat = z.flatten(0, 1)
        norms = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
        units = flat / torch.where(norms == 0, 1, norms)
        self.sums = self.sums * decay + torch.cat([norms.sum(0), units.sum(0), units.square().sum(0)])

    def divided(self, weight: Tensor | float) -> Self:
        """Means, of so many embeddings, in float64 on the CPU."""
        return type(self)((self.sums / weight).cpu().double())

    @property
    def norm(self) -> Tensor:
        """Sum of the norms, a scalar."""
        return self.sums[0]

    @property
    def unit(self) -> Tensor:
        """Sum of the directions, (d,)."""
        return self.sums[1 : (len(self.sums) + 1) // 2]

    @property
    def unit_square(self) -> Tensor:
        """Sum of the directions' squared coordinates, (d,)."""
        return self.sums[(len(self.sums) + 1) // 2 :]
