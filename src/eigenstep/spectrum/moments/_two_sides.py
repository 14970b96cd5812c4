"""Moments of the embeddings of two encoders, each with dimensions and a mean of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from eigenstep.embeddings import wide_type
from eigenstep.spectrum.moments._pair_moments import PairMoments, pair_moments_of_rows


@dataclass(frozen=True)
class TwoSides:
    """Second moments of both sides' embeddings a and b, float64, on the CPU.

    Attributes
    ----------
    joint : PairMoments
        Of [a, b], both sides of a pair in a row, d_a + d_b numbers.
    sides : tuple[PairMoments, PairMoments]
        Of each side alone.
    """

    joint: PairMoments
    sides: tuple[PairMoments, PairMoments]

    @property
    def dims(self) -> tuple[int, int]:
        """(d_a, d_b)."""
        return self.sides[0].dim, self.sides[1].dim

    def cross_factors(self, *, center: bool) -> tuple[Tensor, Tensor]:
        """(d_a, r) and (d_b, r): the first times the second's transpose is 1/n sum_i a_i b_i^T.

        Parameters
        ----------
        center : bool
            About the mean of each side, or about zero.
        """
        moments = self.joint.covariance
        if not center:
            moments = moments + torch.outer(self.joint.mean, self.joint.mean)
        basis = self.joint.lift(torch.eye(len(moments), dtype=moments.dtype))
        first, second = basis.split(self.dims)
        return first @ moments, second


def two_sides_of_rows(z_a: Tensor, z_b: Tensor) -> TwoSides:
    """The moments of embeddings (n, d_a) and (n, d_b), row i of both of one pair.

    Pairs one side of which is not finite are left out.
    """
    rows = pair_rows(z_a.detach().cpu(), z_b.detach().cpu())
    joint, first, second = (pair_moments_of_rows(each[None]) for each in rows)
    return TwoSides(joint, (first, second))


def pair_rows(z_a: Tensor, z_b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both sides in a row, and each alone; a pair one side of which is not finite is NaN in all three."""
    z_a, z_b = (
        z.to(z_a.device, wide_type(z.dtype) if z.dtype.itemsize == 1 else z.dtype) for z in (z_a, z_b)
    )
    whole = (torch.isfinite(z_a).all(1) & torch.isfinite(z_b).all(1))[:, None]
    z_a, z_b = z_a.where(whole, torch.nan), z_b.where(whole, torch.nan)
    return torch.cat([z_a, z_b], dim=1), z_a, z_b
