"""Streaming moments of two views' embeddings, on their own device."""

import math
from typing import Self

import torch
from torch import Tensor

from eigenstep.spectrum.moments._collapse_sums import CollapseSums
from eigenstep.spectrum.moments._finite import finite_samples
from eigenstep.spectrum.moments._full_precision import full_precision

# Columns that are multiplied at once: the fewer, the less of the upper triangle is computed in vain.
BLOCK = 512


class Moments:
    """Count, mean and scatter of embeddings, as one joint batch of all of them would have.

    Of two views a and b what they have in common, (a + b) / sqrt 2 about the mean, and their difference,
    (a - b) / sqrt 2, are summed: covariance and cross-correlation are the sum and the difference of these two
    scatters. Each batch is centred on its own mean and then merged (Chan, Golub, LeVeque, "Updating formulae
    and a pairwise algorithm for computing sample variances", 1982), so neither a mean far from zero nor one
    that drifts costs digits. Nothing waits for the device, and samples that hold a NaN or an infinity are
    left out and counted there.

    Parameters
    ----------
    dim : dimension d of the embeddings
    views : 1 or 2
    dtype : of the sums; products of float32 numbers are exact in float64
    device : of the sums

    Attributes
    ----------
    weight, weight_square : sums over samples of their weights, 1 unless decayed, and of these squared
    mean : (d,), weighted, over both views
    common, difference : (d, d), the weighted scatters, of which `scatters` fills the upper triangle. Of one
        view the common part is all, and the difference 0×0
    collapse : sums for the collapse measures
    nonfinite : samples left out

    >>> moments = Moments(2, views=1)
    >>> moments.update(torch.tensor([[11.0, 0.0], [9.0, 0.0]]))
    >>> moments.mean.tolist(), moments.scatters()[0].tolist()
    ([10.0, 0.0], [[2.0, 0.0], [0.0, 0.0]])
    """

    def __init__(
        self,
        dim: int,
        views: int,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.dim = dim
        self.views = views
        zeros = torch.zeros(3, dtype=dtype, device=device)
        self.weight, self.weight_square, self.nonfinite = zeros.unbind()
        self.mean = zeros.new_zeros(dim)
        self.common = zeros.new_zeros(dim, dim)
        self.difference = zeros.new_zeros(dim, dim) if views == 2 else zeros.new_zeros(0, 0)
        self.collapse = CollapseSums(zeros.new_zeros(2 * dim + 1))

    @torch.no_grad()
    def update(self, z_a: Tensor, z_b: Tensor | None = None, *, decay: float = 1.0) -> None:
        """Add a batch (n, d) of one view or two; the weight of what came before is multiplied by `decay`."""
        views = [z_a] if z_b is None else [z_a, z_b]
        if len(views) != self.views:
            raise ValueError(f"expected {self.views} views, as before, got {len(views)}")
        with full_precision(self.common):
            z = torch.stack([view.to(self.common) for view in views])
            z, valid = finite_samples(z)
            self.collapse.update(z, decay)
            self._merge(z, valid, decay)
        self.nonfinite = self.nonfinite + (~valid).sum()

    def _merge(self, z: Tensor, valid: Tensor, decay: float) -> None:
        """Add samples z (views, n, d), of which those not valid are zero."""
        root = self.views**0.5
        new, old = valid.sum(), self.weight * decay
        total = new + old
        batch_mean = z.sum((0, 1)) / (self.views * new.clamp(min=1))
        shift = torch.where(total > 0, new / total, 0) * (batch_mean - self.mean)
        # What two means that differ add to the scatter is one more row.
        between = torch.where(new > 0, old * total / new.clamp(min=1), 0).sqrt() * shift
        common = ((z - batch_mean) * valid[:, None]).sum(0) / root
        _add_scatter(self.common, torch.cat([common, root * between[None]]), decay)
        if self.views == 2:
            _add_scatter(self.difference, (z[0] - z[1]) / root, decay)
        self.mean = self.mean + shift
        self.weight = total
        self.weight_square = self.weight_square * decay**2 + new

    @property
    def count(self) -> int:
        """Samples behind the moments; with unequal weights the number of equal ones that tell as much."""
        square = float(self.weight_square)
        return round(float(self.weight) ** 2 / square) if square > 0 else 0

    def scatters(self) -> tuple[Tensor, Tensor]:
        """The common part and the difference as whole symmetric matrices, (d, d) each."""
        for scatter in (self.common, self.difference):
            for block in _blocks(len(scatter)):
                scatter[: block.start, block] = scatter[block, : block.start].T
        return self.common, self.difference

    def copy(self, device: torch.device | str | None = None) -> Self:
        """The same on a device; later updates do not change it."""
        return self.from_state_dict(self._tensors(), device or self.common.device)

    def state_dict(self) -> dict[str, Tensor]:
        """What is needed to go on, on the CPU."""
        return {name: tensor.to("cpu", copy=True) for name, tensor in self._tensors().items()}

    @classmethod
    def from_state_dict(cls, state: dict[str, Tensor], device: torch.device | str = "cpu") -> Self:
        """The moments that gave a state."""
        moments = cls.__new__(cls)
        held = {name: tensor.to(device, copy=True) for name, tensor in state.items()}
        moments.collapse = CollapseSums(held.pop("collapse"))
        moments.dim, moments.views = len(held["mean"]), 2 if held["difference"].numel() else 1
        vars(moments).update(held)
        return moments

    def _tensors(self) -> dict[str, Tensor]:
        names = ("weight", "weight_square", "nonfinite", "mean", "common", "difference")
        return {name: getattr(self, name) for name in names} | {"collapse": self.collapse.sums}


def _add_scatter(scatter: Tensor, rows: Tensor, decay: float) -> None:
    """Add products of rows (n, d) to the decayed lower triangle."""
    for block in _blocks(len(scatter)):
        scatter[block, : block.stop].addmm_(rows[:, block].T, rows[:, : block.stop], beta=decay)


def _blocks(dim: int) -> list[slice]:
    return [slice(first, min(first + BLOCK, dim)) for first in range(0, dim, BLOCK)]


def half_life_decay(steps: float) -> float:
    """The factor by which a weight decays in one step, to halve in so many.

    >>> half_life_decay(1.0)
    0.5
    """
    if not steps > 0:
        raise ValueError(f"expected a positive half-life in steps, got {steps}")
    return math.exp(-math.log(2) / steps)
