"""Streaming moments of two views' embeddings, on their own device: finite samples, summed with all digits."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Self

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.embeddings import as_tensor, wide_type

# Columns that are multiplied at once: the fewer, the less of the upper triangle is computed in vain.
COLUMNS_AT_ONCE = 512
# Embeddings count as finite while the sum of so many samples' squares would be finite too.
SUMMABLE_SAMPLES = 2**30


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
    dim : int
        Dimension d of the embeddings.
    views : int
        1 or 2.
    dtype : torch.dtype
        Of the sums; products of float32 numbers are exact in float64.
    device : torch.device | str
        Of the sums.

    Attributes
    ----------
    weight, weight_square
        Sums over samples of their weights, 1 unless decayed, and of these squared.
    mean
        (d,), weighted, over both views.
    common, difference
        (d, d), the weighted scatters, of which `scatters` fills the upper triangle. Of one view the common
        part is all, and the difference 0×0.
    collapse
        Sums for the collapse measures.
    nonfinite
        Samples left out.

    Examples
    --------
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
    def update(
        self, z_a: ArrayLike | Tensor, z_b: ArrayLike | Tensor | None = None, *, decay: float = 1.0
    ) -> None:
        """Add a batch (n, d) of one view or two; the weight of what came before is multiplied by `decay`.

        Views are tensors on any device or arrays of any library, as `eigenstep.embeddings.as_tensor` takes
        them.
        """
        views = [z_a] if z_b is None else [z_a, z_b]
        if len(views) != self.views:
            raise ValueError(f"expected {self.views} views, as before, got {len(views)}")
        with full_precision(self.common):
            z = torch.stack([as_tensor(view).to(self.common) for view in views])
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


def half_life_decay(steps: float) -> float:
    """The factor by which a weight decays in one step, to halve in so many.

    Examples
    --------
    >>> half_life_decay(1.0)
    0.5
    """
    if not steps > 0:
        raise ValueError(f"expected a positive half-life in steps, got {steps}")
    return math.exp(-math.log(2) / steps)


class CollapseSums:
    """Sums over embeddings of ||z||, and of z / ||z|| and its squares coordinate by coordinate.

    Parameters
    ----------
    sums : Tensor
        (2 d + 1,), what was summed so far.
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


def finite_samples(z: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings (views, n, d) with samples that are not finite in all views set to zero, and which are (n,).

    Of the type that squares are summed in: what these cannot hold is not finite.

    Examples
    --------
    >>> finite_samples(torch.tensor([[[1.0], [float("nan")]], [[2.0], [3.0]]]))
    (tensor([[[1.],
             [0.]],
            [[2.],
             [0.]]]), tensor([ True, False]))
    """
    valid = _summable(z)
    return torch.where(valid[:, None], z, 0), valid


def finite_rows(rows: Tensor) -> tuple[Tensor, int]:
    """Embeddings (views, n, d) without samples that are not finite, and how many these were.

    Examples
    --------
    >>> finite_rows(torch.tensor([[[1.0], [float("inf")]]]))
    (tensor([[[1.]]]), 1)
    """
    if rows.dtype.itemsize == 1:  # torch sums no float8
        rows = rows.to(wide_type(rows.dtype))
    # A finite sum has finite terms, and is found sooner than these are looked at one by one. The squares of
    # smaller types are always finite in float64, in which they are summed.
    if rows.dtype != torch.float64 and bool(torch.isfinite(rows.sum(2)).all()):
        return rows, 0
    valid = _summable(rows.double())
    return rows[:, valid], int((~valid).sum())


@contextmanager
def full_precision(like: Tensor) -> Iterator[None]:
    """Switch off, for products of such tensors, autocasting and the float32 modes with fewer digits (TF32).

    Examples
    --------
    >>> with torch.autocast("cpu", torch.bfloat16), full_precision(torch.zeros(0)):
    ...     (torch.eye(2) @ torch.eye(2)).dtype
    torch.float32
    """
    kind, precision = like.device.type, torch.get_float32_matmul_precision()
    casts = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    lowers = like.dtype == torch.float32 and precision != "highest"
    with torch.autocast(kind, enabled=False) if casts else nullcontext():
        if lowers:
            torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            if lowers:
                torch.set_float32_matmul_precision(precision)


def _add_scatter(scatter: Tensor, rows: Tensor, decay: float) -> None:
    """Add products of rows (n, d) to the decayed lower triangle."""
    for block in _blocks(len(scatter)):
        scatter[block, : block.stop].addmm_(rows[:, block].T, rows[:, : block.stop], beta=decay)


def _blocks(dim: int) -> list[slice]:
    return [slice(first, min(first + COLUMNS_AT_ONCE, dim)) for first in range(0, dim, COLUMNS_AT_ONCE)]


def _summable(z: Tensor) -> Tensor:
    return torch.isfinite(SUMMABLE_SAMPLES * z.square().sum(dim=2)).all(dim=0)
