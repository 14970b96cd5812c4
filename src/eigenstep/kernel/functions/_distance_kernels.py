"""Kernels that are a function of a distance between two rows: rbf, laplacian and the chi-squared ones."""

import math
from collections.abc import Iterator

import torch
from sklearn.metrics.pairwise import additive_chi2_kernel
from torch import Tensor

from eigenstep.kernel.functions._half_distances import central_row, half_distances, operands, with_half_norms
from eigenstep.kernel.functions._kernel_blocks import Fill, TiledKernel, in_double


class GaussianKernel(TiledKernel):
    """k(x, y) = exp(-gamma |x - y|^2), scikit-learn's "rbf".

    Prepared rows are w = sqrt(2 gamma) (x - shift) with the training rows' median as shift, followed by
    |w|^2/2 and 1, so that one matrix product gives the exponent. What is left of rounding is about
    eps sqrt(gamma) |x - shift|: in float32 3e-6 up to |x - shift| of 30 / sqrt(gamma), and more only between
    close rows that lie farther out than that.
    """

    name = "rbf"

    def __init__(self, gamma: float, rows: Tensor) -> None:
        self.gamma = gamma
        self.shift = central_row(rows)

    def prepare(self, rows: Tensor) -> Tensor:
        points = _scaled_and_shifted(rows, self.shift, math.sqrt(2 * self.gamma))
        return with_half_norms(points, rows, rows.shape[1])

    def diagonal(self, a: Tensor) -> Tensor:
        return a.new_ones(len(a))

    def _plan(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Fill]:
        p = a.shape[1] - 2

        def fill(tile: Tensor, left: Tensor, right: Tensor) -> None:
            # The product's error is relative to |w|^2/2. Where that is large, exponents that still count
            # (e^-16 is 1e-7), or might do so but for the error, need better.
            reach = max(float(side[:, p : p + 2].abs().max()) for side in (left, right))
            noise = 16 * torch.finfo(tile.dtype).eps * reach
            half_distances(tile, left, right, p, -1, exact_below=16 + noise if reach > 8 else 0)
            tile.clamp_(max=0).exp_()

        return *operands(a, b, p, -1), fill


class LaplacianKernel(TiledKernel):
    """k(x, y) = exp(-gamma |x - y|_1); prepared rows are gamma (x - shift)."""

    name = "laplacian"

    def __init__(self, gamma: float, rows: Tensor) -> None:
        self.gamma = gamma
        self.shift = central_row(rows)

    def prepare(self, rows: Tensor) -> Tensor:
        prepared = torch.empty_like(rows, memory_format=torch.contiguous_format)
        for part, values in _scaled_and_shifted(rows, self.shift, self.gamma):
            prepared[part] = values
        return prepared

    def diagonal(self, a: Tensor) -> Tensor:
        return a.new_ones(len(a))

    def _plan(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Fill]:
        return a, b, self._fill

    def _fill(self, tile: Tensor, left: Tensor, right: Tensor) -> None:
        torch.neg(torch.cdist(left, right, p=1.0), out=tile)
        tile.exp_()


class AdditiveChiSquaredKernel(TiledKernel):
    """k(x, y) = -sum_i (x_i - y_i)^2 / (x_i + y_i) of rows without negative values; 0/0 counts as 0."""

    name = "additive_chi2"

    def prepare(self, rows: Tensor) -> Tensor:
        smallest = float(rows.min())
        if smallest < 0:
            raise ValueError(
                f"kernel {self.name!r} expects rows without negative values, got {smallest:.6g}; "
                "shift or clip the features, or choose another kernel"
            )
        return rows

    def diagonal(self, a: Tensor) -> Tensor:
        values = a.new_zeros(len(a))
        self._of_additive_(values)
        return values

    def _plan(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Fill]:
        return a, b, self._fill

    def _fill(self, tile: Tensor, left: Tensor, right: Tensor) -> None:
        if tile.device.type == "cpu":
            tile.copy_(torch.from_numpy(additive_chi2_kernel(left.numpy(), right.numpy())))
        else:
            tile.copy_(additive_chi_squared(left, right))
        self._of_additive_(tile)

    def _of_additive_(self, values: Tensor) -> None:
        """Turn additive values into this kernel's, in place."""


class ChiSquaredKernel(AdditiveChiSquaredKernel):
    """k(x, y) = exp(-gamma sum_i (x_i - y_i)^2 / (x_i + y_i)) of rows without negative values."""

    name = "chi2"

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def _of_additive_(self, values: Tensor) -> None:
        values.mul_(self.gamma).exp_()


def additive_chi_squared(a: Tensor, b: Tensor, elements: int = 1 << 24) -> Tensor:
    """Return -sum_i (a_i - b_i)^2 / (a_i + b_i), (n_a, n_b), by temporaries of at most so many elements."""
    values = a.new_empty(len(a), len(b))
    height = max(1, elements // max(1, b.numel()))
    for start in range(0, len(a), height):
        rows = a[start : start + height, None, :]
        sums = rows + b
        # (x - y)^2 / (x + y) with 0/0 = 0: where the sum is zero, so is the difference.
        sums.masked_fill_(sums == 0, 1.0)
        values[start : start + height] = (rows - b).square_().div_(sums).sum(dim=2).neg_()
    return values


def _scaled_and_shifted(rows: Tensor, shift: Tensor, scale: float) -> Iterator[tuple[slice, Tensor]]:
    """Yield (slice, scale (rows - shift)) in float64, so that an offset of all rows costs no digits."""
    for part, values in in_double(rows):
        yield part, (values - shift.to(values)) * scale
