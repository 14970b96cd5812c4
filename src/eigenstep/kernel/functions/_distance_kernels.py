"""Kernels that are a function of a distance between two rows: rbf, laplacian and the chi-squared ones."""

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from sklearn.metrics.pairwise import additive_chi2_kernel
from torch import Tensor

from eigenstep.kernel.functions._kernel import Fill, TiledKernel, in_double, named

_GATHERED = 1 << 20


@named("rbf")
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


@named("laplacian")
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


@named("additive_chi2")
class AdditiveChiSquaredKernel(TiledKernel):
    """k(x, y) = -sum_i (x_i - y_i)^2 / (x_i + y_i) of rows without negative values; 0/0 counts as 0."""

    name = "additive_chi2"
    takes_negative_rows = False

    def prepare(self, rows: Tensor) -> Tensor:
        smallest = float(rows.min())
        if smallest < 0:
            raise ValueError(
                f"Negative values in data passed to kernel {self.name!r}, the smallest is {smallest:.6g}; "
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


@named("chi2")
class ChiSquaredKernel(AdditiveChiSquaredKernel):
    """k(x, y) = exp(-gamma sum_i (x_i - y_i)^2 / (x_i + y_i)) of rows without negative values."""

    name = "chi2"
    gamma_by_default = 1.0

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def _of_additive_(self, values: Tensor) -> None:
        values.mul_(self.gamma).exp_()


def additive_chi_squared(a: Tensor, b: Tensor, elements: int = 1 << 24) -> Tensor:
    """Return -sum_i (a_i - b_i)^2 / (a_i + b_i), (n_a, n_b), by temporaries of at most so many elements.

    Examples
    --------
    >>> additive_chi_squared(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]]))
    tensor([[-1.]])
    """
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


def with_half_norms(points: Iterable[tuple[slice, Tensor]], like: Tensor, p: int, extra: int = 0) -> Tensor:
    """Return rows [w, |w|^2/2, 1] for points w, (n, p + 2 + extra), of the dtype and length of `like`.

    `points` yields (slice, w of those rows), in float64 as a rule; the extra columns are left to the caller.

    Raises
    ------
    ValueError
        |w|^2 too large for the dtype.
    """
    prepared = like.new_ones(len(like), p + 2 + extra)
    for part, values in points:
        prepared[part, :p] = values
        # Of the points as they were rounded, so that equal rows are at distance zero.
        prepared[part, p] = prepared[part, :p].to(values.dtype).square().sum(dim=1) / 2
    if not bool(torch.isfinite(prepared[:, p]).all()):
        raise ValueError(
            f"expected rows whose squared distances fit {like.dtype}, got larger ones; scale the features or "
            "pass float64"
        )
    return prepared


def operands(a: Tensor, b: Tensor, p: int, sign: int) -> tuple[Tensor, Tensor]:
    """Return left and right, (n_a, p + 2 + extra) and (n_b, ...), for `half_distances`.

    One of them, the shorter, is copied and becomes sign * [-w, 1, |w|^2/2].
    """
    turned = (b if len(b) <= len(a) else a).clone()
    turned[:, p + 1] = turned[:, p] * sign
    turned[:, p] = sign
    if sign > 0:
        turned[:, :p].neg_()
    return (a, turned) if len(b) <= len(a) else (turned, b)


def half_distances(
    tile: Tensor, left: Tensor, right: Tensor, p: int, sign: int, exact_below: float = 0.0
) -> None:
    """Write sign * |w_i - w_j|^2 / 2 into `tile`, (n_left, n_right), for slices of `operands`.

    A matrix product leaves an error of a few eps |w|^2, whatever the distance. Values nearer to zero than
    `exact_below` are computed again from differences of rows, with an error relative to themselves: a few
    pairs as a rule, such as duplicates.
    """
    torch.mm(left[:, : p + 2], right[:, : p + 2].T, out=tile)
    if exact_below > 0 and float(tile.amin() if sign > 0 else -tile.amax()) < exact_below:
        _from_differences(tile, left[:, :p], right[:, :p], sign, exact_below)


def _from_differences(tile: Tensor, left: Tensor, right: Tensor, sign: int, exact_below: float) -> None:
    rows, columns = (tile < exact_below if sign > 0 else tile > -exact_below).nonzero(as_tuple=True)
    if 16 * len(rows) > tile.numel():
        distances = torch.cdist(left, right * -sign, compute_mode="donot_use_mm_for_euclid_dist")
        tile.copy_(distances.square_().mul_(sign / 2))
        return
    # `operands` turned the sign of one side, so the difference is this sum.
    for part in torch.arange(len(rows), device=rows.device).split(max(1, _GATHERED // left.shape[1])):
        i, j = rows[part], columns[part]
        tile[i, j] = (left[i] + right[j] * sign).square_().sum(dim=1) * (sign / 2)


def central_row(rows: Tensor, of: Callable[[Tensor], Tensor] = lambda sample: sample) -> Tensor:
    """Return the median of each feature over at most 512 rows (n, p), or of what `of` makes of them, float64.

    As the origin it makes |w|^2 no larger than the rows' spread asks for; a mean would follow outliers.

    Examples
    --------
    >>> central_row(torch.tensor([[0.0], [1.0], [50.0]]))
    tensor([1.], dtype=torch.float64)
    """
    sample = rows[:: -(-len(rows) // 512)]
    return of(torch.cat([part for _, part in in_double(sample)])).median(dim=0).values
