"""Infinitely wide fully connected ReLU networks in closed form: arc-cosine and neural tangent kernels."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from eigenstep.kernel.functions._distance_kernels import (
    central_row,
    half_distances,
    operands,
    with_half_norms,
)
from eigenstep.kernel.functions._inner_product_kernels import unit_rows
from eigenstep.kernel.functions._kernel import Fill, TiledKernel, in_double, named


def arc_cosine(x: Any, y: Any = None, *, depth: int = 1, bias_variance: float = 0.0) -> Any:
    """Return the covariance of a random ReLU network's outputs, (n_x, n_y): the arc-cosine kernel of order 1.

        K_0(x, y) = x.y / p + b
        K_l(x, y) = sqrt(K_{l-1}(x, x) K_{l-1}(y, y)) (sin t + (pi - t) cos t) / pi + b,    l = 1 .. depth

    with t the angle between x and y under K_{l-1} and b the bias variance. Weights have variance 1 / fan_in
    in the first layer and 2 / fan_in after each ReLU: K(x, x) = |x|^2 / p at any depth without biases.
    Sources: Cho & Saul, "Kernel Methods for Deep Learning", NeurIPS 2009 (their order 1 at one layer is p K);
    Lee et al., arXiv:1711.00165.

    Parameters
    ----------
    x, y : Any
        (n_x, p) and (n_y, p) rows, NumPy arrays or torch tensors, float32 or float64; y is x by default.
    depth : int
        Hidden layers, at least 1.
    bias_variance : float
        b >= 0.

    Returns
    -------
    Any
        Of the inputs' kind and dtype. Errors, relative to sqrt(K(x, x) K(y, y)), stay below 1e-6 in float32
        and 5e-15 in float64.

    Raises
    ------
    ValueError
        Rows of another shape or dtype or not finite; depth or bias_variance out of range.

    Examples
    --------
    >>> arc_cosine(np.array([[2.0, 0.0], [0.0, 2.0]])).round(4)
    array([[2.    , 0.6366],
           [0.6366, 2.    ]])
    """
    return _between(x, y, depth, bias_variance, tangent=False)


def relu_ntk(x: Any, y: Any = None, *, depth: int = 1, bias_variance: float = 0.0) -> Any:
    """Return the neural tangent kernel of an infinitely wide ReLU network, (n_x, n_y).

        T_0 = K_0,    T_l = K_l + T_{l-1} (pi - t) / pi,    l = 1 .. depth

    with K_l and t as in `arc_cosine`: the gradient inner product, summed over all layers' weights and biases,
    in the parametrisation where every parameter starts as a standard normal number and the factors
    1 / fan_in, 2 / fan_in and b stand in the forward pass. T(x, x) = (depth + 1) |x|^2 / p without biases.
    Source: Jacot et al., arXiv:1806.07572.

    Parameters, errors and return are those of `arc_cosine`. The angle itself enters here: errors, relative
    to sqrt(K(x, x) K(y, y)), stay below 4e-6 in float32 and 1e-14 in float64 up to 3 layers, equal and nearly
    parallel rows included, but reach 3e-4 and 3e-8 between rows that are opposite.

    Examples
    --------
    >>> relu_ntk(np.array([[2.0, 0.0], [1.0, 1.0]])).round(4)
    array([[4.    , 1.8183],
           [1.8183, 2.    ]])
    """
    return _between(x, y, depth, bias_variance, tangent=True)


class ReluNetworkKernel(TiledKernel):
    """`arc_cosine` or, where `tangent`, `relu_ntk` on blocks of rows.

    With u the unit vector along (x / sqrt(p), sqrt(b)), prepared rows are w = (u - shift) / sqrt(2), |w|^2/2,
    1 and sqrt(K_0(x, x)), so that one matrix product gives s = |u - v|^2 / 4 = sin^2(t / 2). All layers work
    on s, which keeps the digits of small angles that cos t loses; the shift, the median of the training
    rows' u, does so for rows in a narrow cone.
    """

    tangent: ClassVar[bool]

    def __init__(self, depth: int, rows: Tensor, bias_variance: float = 0.0) -> None:
        self.depth = depth
        self.bias_variance = bias_variance
        self.shift = central_row(rows, lambda sample: unit_rows(self._biased(sample))[0])

    @classmethod
    def check_parameters(cls, name: str, parameters: Mapping[str, Any]) -> None:
        check_network(parameters["depth"], parameters["bias_variance"])

    def prepare(self, rows: Tensor) -> Tensor:
        norms = []

        def points() -> Iterator[tuple[slice, Tensor]]:
            for part, values in in_double(rows):
                directions, scales = unit_rows(self._biased(values))
                norms.append(scales)
                yield part, (directions - self.shift.to(values)) * math.sqrt(0.5)

        prepared = with_half_norms(points(), rows, len(self.shift), extra=1)
        prepared[:, -1:] = torch.cat(norms)
        return prepared

    def diagonal(self, a: Tensor) -> Tensor:
        first, step = a[:, -1].square(), self.bias_variance
        if not self.tangent:
            return first + self.depth * step
        return (self.depth + 1) * (first + self.depth * step / 2)

    def _biased(self, rows: Tensor) -> Tensor:
        rows = rows / math.sqrt(rows.shape[1])
        if self.bias_variance == 0:
            return rows
        return torch.cat([rows, rows.new_full((len(rows), 1), math.sqrt(self.bias_variance))], dim=1)

    def _plan(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Fill]:
        p = a.shape[1] - 3
        # The product's error, some eps |w|^2 in s, is one of eps |w|^2 / sqrt(s) in the angle: 50 eps at most
        # above this bound. The kernel without the angle never sees it.
        reach = max(float(a[:, p].max()), float(b[:, p].max()))
        noise = 16 * torch.finfo(a.dtype).eps * reach
        exact_below = (reach / 50) ** 2 + noise if self.tangent else 0.0

        def fill(tile: Tensor, left: Tensor, right: Tensor) -> None:
            half_distances(tile, left, right, p, 1, exact_below)
            # Each temporary has this many elements: four of them fit a second-level cache.
            height = len(tile) if tile.device.type != "cpu" else max(1, (1 << 16) // tile.shape[1])
            for top in range(0, len(tile), height):
                rows = slice(top, top + height)
                self._propagate_(tile[rows], left[rows, -1:], right[:, -1])

        return *operands(a, b, p, 1), fill

    def _propagate_(self, s: Tensor, left: Tensor, right: Tensor) -> None:
        """Turn s = sin^2(t / 2), (n, m), into values; left (n, 1) and right (m,) are sqrt(K_0(x, x))."""
        below_one = 1 - torch.finfo(s.dtype).eps / 2
        values = torch.mul(s, -2).add_(1) if self.tangent else s
        for _ in range(self.depth):
            # By its tangent the half angle is exact at both ends, by sine or cosine at one only.
            cos_squared = 1 - s.clamp_(0, below_one)
            tan = (s / cos_squared).sqrt_()
            product = cos_squared.mul_(tan)
            half_angle = tan.atan_()
            # (sin t - t cos t) / 2; in a layer 1 - cos t falls by 2 / pi of it.
            loss = product.sub_(half_angle).addcmul_(s, half_angle, value=2)
            s.sub_(loss, alpha=1 / math.pi)
            if self.tangent:
                values.addcmul_(values, half_angle, value=-2 / math.pi)
            if self.bias_variance > 0:
                left, right = self._add_bias_(s, values, left, right, scratch=loss)
            if self.tangent:
                values.sub_(s, alpha=2).add_(1)
        if self.tangent:
            values.mul_(left)
        else:
            values.mul_(-2 * left).add_(left)
        torch.mul(values, right, out=s)

    def _add_bias_(
        self, s: Tensor, values: Tensor, left: Tensor, right: Tensor, scratch: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Add the bias variance to a layer's covariance, and return the new left and right.

        In the plane of a vector of length left and the bias, both sides turn by an angle of their own:
        s becomes kept kept' s + |(kept, new) - (kept', new')|^2 / 4 with kept^2 + new^2 = 1.
        """
        bias = self.bias_variance
        left_after, right_after = (left.square() + bias).sqrt_(), (right.square() + bias).sqrt_()
        kept = left / left_after, right / right_after
        new = math.sqrt(bias) / left_after, math.sqrt(bias) / right_after
        s.mul_(kept[0]).mul_(kept[1])
        for one, other in (kept, new):
            torch.sub(one, other, out=scratch)
            s.addcmul_(scratch, scratch, value=0.25)
        if self.tangent:
            values.mul_(kept[0]).mul_(kept[1])
        return left_after, right_after


@named("arc_cosine")
class ArcCosineKernel(ReluNetworkKernel):
    """`arc_cosine` on blocks of rows."""

    name = "arc_cosine"
    tangent = False


@named("relu_ntk")
class ReluNTKKernel(ReluNetworkKernel):
    """`relu_ntk` on blocks of rows."""

    name = "relu_ntk"
    tangent = True


def _between(x: Any, y: Any, depth: int, bias_variance: float, *, tangent: bool) -> Any:
    check_network(depth, bias_variance)
    first = _checked_rows(x)
    second = first if y is None or y is x else _checked_rows(y)
    if (first.shape[1], first.dtype) != (second.shape[1], second.dtype):
        raise ValueError(
            "expected x and y with the same number of features and dtype, got "
            f"{tuple(first.shape)} {first.dtype} and {tuple(second.shape)} {second.dtype}"
        )
    kind = ReluNTKKernel if tangent else ArcCosineKernel
    kernel = kind(depth, first, bias_variance)
    rows = kernel.prepare(first)
    values = kernel.block(rows, rows if second is first else kernel.prepare(second))
    return values if isinstance(x, Tensor) else values.numpy()


def check_network(depth: int, bias_variance: float) -> None:
    """Raise ValueError unless depth is an integer >= 1 and bias_variance is finite and >= 0."""
    if not isinstance(depth, (int, np.integer)) or isinstance(depth, bool) or depth < 1:
        raise ValueError(f"expected depth as an integer >= 1, the number of hidden layers, got {depth!r}")
    if not (isinstance(bias_variance, (int, float, np.number)) and 0 <= bias_variance < math.inf):
        raise ValueError(f"expected bias_variance finite and >= 0, got {bias_variance!r}")


def _checked_rows(rows: Any) -> Tensor:
    tensor = rows.detach() if isinstance(rows, Tensor) else torch.from_numpy(_float_array(rows))
    if tensor.ndim != 2 or 0 in tensor.shape or tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"expected rows of shape (n, p), float32 or float64, got {tuple(tensor.shape)} {tensor.dtype}"
        )
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError("expected finite rows, got NaN or infinity")
    return tensor


def _float_array(rows: Any) -> np.ndarray:
    array = np.asarray(rows)
    # Lists and integers become float64; a copy where torch could not share the memory.
    return np.require(array, array.dtype if array.dtype == np.float32 else np.float64, ["C", "W"])
