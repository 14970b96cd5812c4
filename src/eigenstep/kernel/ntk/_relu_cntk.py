"""The tangent kernel of infinitely wide convolutional ReLU networks with global average pooling."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Numbers of a block of pairs: a CPU keeps a few such arrays in its cache.
_BLOCK = {"cpu": 1 << 19}
_BLOCK_ELSEWHERE = 1 << 25


def relu_cntk(
    x: Any,
    y: Any = None,
    *,
    depth: int = 1,
    kernel_size: int = 3,
    padding: str = "zeros",
    bias_variance: float = 0.0,
) -> Any:
    """Return the tangent kernel of an infinitely wide convolutional ReLU network, (n_x, n_y).

    `depth` convolutions of stride 1, each with a ReLU, keep the image's size; global average pooling and a
    linear layer follow. With i, j pixels of x and of y, A the mean over a window of both, and t the angle
    between pixels:

        S_1 = A[x_i . y_j / c] + b,    T_1 = S_1
        V_l = sqrt(S_l(x, x)_ii S_l(y, y)_jj) (sin t + (pi - t) cos t) / pi,    D_l = (pi - t) / pi
        S_{l+1} = A[V_l] + b,    T_{l+1} = A[V_l + D_l T_l] + b
        T(x, y) = mean_ij (V_L + D_L T_L) + b

    In the parametrisation of `relu_ntk`, which it equals on images of one pixel. Source: Arora et al., "On
    exact computation with an infinitely wide neural net", NeurIPS 2019, arXiv:1904.11955, section 4
    (CNTK-GAP). Work and memory of a pair are of the order of pixels squared.

    Parameters
    ----------
    x, y : Any
        (n_x, c, h, w) and (n_y, c, h, w) images, NumPy arrays or torch tensors, float32 or float64; y is x by
        default, and then half is computed.
    depth : int
        Convolutions, at least 1.
    kernel_size : int
        Odd.
    padding : str
        "zeros" or "circular".
    bias_variance : float
        b >= 0.

    Returns
    -------
    Any
        Of the inputs' kind and dtype. Errors, relative to sqrt(T(x, x) T(y, y)), are those of angles between
        parallel pixels: at most 3e-5 in float32 and 2e-9 in float64 on images of ten pixels, and less on
        larger ones.

    Raises
    ------
    ValueError
        Images of another shape or dtype or not finite; options out of range.

    Examples
    --------
    >>> relu_cntk(np.ones((1, 3, 4, 4)), depth=2, padding="circular").round(4)
    array([[3.]])
    """
    _check_options(depth, kernel_size, padding, bias_variance)
    first = _checked(x, "x")
    second = first if y is None or y is x else _checked(y, "y")
    if first.shape[1:] != second.shape[1:] or first.dtype != second.dtype:
        raise ValueError(
            "expected x and y with images of one shape and dtype, got "
            f"{tuple(first.shape)} {first.dtype} and {tuple(second.shape)} {second.dtype}"
        )
    recursion = _Recursion(depth, kernel_size, padding == "circular", bias_variance)
    values = recursion.between(first, second, symmetric=second is first)
    return values if isinstance(x, Tensor) else values.numpy()


class _Recursion:
    """The recursion over layers, for blocks of pairs of images."""

    def __init__(self, depth: int, size: int, circular: bool, bias: float) -> None:
        self._depth, self._size, self._circular, self._bias = depth, size, circular, bias

    def between(self, first: Tensor, second: Tensor, *, symmetric: bool) -> Tensor:
        """Return the kernel between images (n, c, h, w) and (m, c, h, w)."""
        values = first.new_empty(len(first), len(second))
        left, right = (self._deviations(images) for images in (first, second))
        pixels = first.shape[2] * first.shape[3]
        block = max(1, _BLOCK.get(first.device.type, _BLOCK_ELSEWHERE) // pixels**2)
        for row in range(len(first)):
            for start in range(row if symmetric else 0, len(second), block):
                columns = slice(start, min(start + block, len(second)))
                scales = [(a[row], b[columns]) for a, b in zip(left, right, strict=True)]
                values[row, columns] = self._row(first[row], second[columns], scales)
        return torch.triu(values) + torch.triu(values, 1).T if symmetric else values

    def _deviations(self, images: Tensor) -> list[Tensor]:
        """Return sqrt(S_l(x, x)_ii) of every layer, (n, h, w) each."""
        variance = images.square().mean(dim=1)
        layers = []
        for _ in range(self._depth):
            variance = self._window(self._window(variance, (1,)), (2,)) + self._bias
            layers.append(variance.sqrt())
        return layers

    def _row(self, image: Tensor, others: Tensor, scales: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the kernel between an image (c, h, w) and others (m, c, h, w), (m,)."""
        covariance = torch.einsum("cij,mckl->mijkl", image, others) / len(image)
        covariance = self._average(covariance).add_(self._bias)
        tangent = covariance
        for layer, (own, other) in enumerate(scales):
            norms = own[None, :, :, None, None] * other[:, None, None]
            # A pixel whose variance is zero has values zero, at any angle.
            cosine = (covariance / norms.clamp(min=torch.finfo(norms.dtype).tiny)).clamp_(-1, 1)
            rest = math.pi - torch.acos(cosine)
            sine = (1 - cosine.square()).sqrt_()
            values = sine.addcmul_(rest, cosine).mul_(norms).div_(math.pi)
            tangent = rest.div_(math.pi).mul_(tangent).add_(values)
            if layer < self._depth - 1:
                covariance = self._average(values).add_(self._bias)
                tangent = self._average(tangent).add_(self._bias)
        return tangent.flatten(1).mean(dim=1) + self._bias

    def _average(self, values: Tensor) -> Tensor:
        """Return the means over windows of both images, which move together: (m, h, w, h, w)."""
        return self._window(self._window(values, (1, 3)), (2, 4))

    def _window(self, values: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Return the sum over shifts along all of the axes at once, over the window's length."""
        total = values.clone()
        reach = self._size // 2
        for shift in (*range(-reach, 0), *range(1, reach + 1)):
            if self._circular:
                total += torch.roll(values, (shift,) * len(axes), axes)
            elif abs(shift) < values.shape[axes[0]]:
                total[_moved(axes, -shift)] += values[_moved(axes, shift)]
        return total.div_(self._size)


def _moved(axes: tuple[int, ...], shift: int) -> tuple[slice, ...]:
    """Return the index of what a shift along axes leaves inside."""
    inside = slice(shift, None) if shift > 0 else slice(None, shift)
    return tuple(inside if axis in axes else slice(None) for axis in range(max(axes) + 1))


def _check_options(depth: Any, kernel_size: Any, padding: Any, bias_variance: Any) -> None:
    for name, value in (("depth", depth), ("kernel_size", kernel_size)):
        if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(f"expected {name} as an integer >= 1, got {value!r}")
    if kernel_size % 2 == 0:
        raise ValueError(f"expected an odd kernel_size, got {kernel_size}")
    if padding not in ("zeros", "circular"):
        raise ValueError(f'expected padding "zeros" or "circular", got {padding!r}')
    if not (isinstance(bias_variance, numbers.Real) and 0 <= float(bias_variance) < math.inf):
        raise ValueError(f"expected bias_variance finite and >= 0, got {bias_variance!r}")


def _checked(images: Any, name: str) -> Tensor:
    if isinstance(images, Tensor):
        tensor = images.detach()
    else:
        array = np.asarray(images)
        kept = array.dtype if array.dtype == np.float32 else np.float64
        tensor = torch.from_numpy(np.require(array, kept, ["C", "W"]))
    if tensor.ndim != 4 or 0 in tensor.shape or tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"expected {name} as images (n, c, h, w), float32 or float64, got {tuple(tensor.shape)} "
            f"{tensor.dtype}"
        )
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"expected finite images in {name}, got NaN or infinity")
    return tensor
