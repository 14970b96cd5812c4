"""Convolutions over small maps as matrix products, on CPUs whose matrix units oneDNN leaves idle there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import lt
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Positions of the map that comes out. Over more of them oneDNN's own convolutions fill the units.
FEW, FEW_OF_SINGLE_PIXELS = 64, 144
# Bytes of patches gathered at a time: they multiply out of the cache, and memory for more is asked for anew.
AT_ONCE = 2**23

_Pair = tuple[int, int]
_METHOD = "_conv_forward"  # what nn.Conv2d.forward calls


@contextmanager
def small_maps_as_products(*networks: nn.Module) -> Iterator[None]:
    """Within it, convolutions of these networks over small maps are matrix products, where that is faster.

    That is in bfloat16 on a CPU with matrix units (AMX). oneDNN's kernels take rows of a map as tiles of
    these units, which a map of 4 x 4 or 7 x 7 leaves mostly empty: gradients of the last layers of a ResNet
    ran at a fifth of the rate of a matrix product (`benchmarks/small_maps.py`). Gathering each position's
    patch first makes one product of all positions of a batch. It sums in float32 and rounds once, as oneDNN
    does. `nn.Conv2d` alone is looked at; weights, hooks and names stay as they are.

    Raises
    ------
    TypeError
        In one line for what is no network.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
    >>> with small_maps_as_products(network), torch.autocast("cpu", torch.bfloat16):
    ...     network(torch.ones(2, 3, 4, 4)).dtype
    torch.bfloat16
    """
    for network in networks:
        if not isinstance(network, nn.Module):
            raise TypeError(
                f"small_maps_as_products expects networks (nn.Module), got {type(network).__name__}"
            )
    layers: set[nn.Conv2d] = set()
    if torch.cpu._is_amx_tile_supported():
        convolutions = (
            each for network in networks for each in network.modules() if isinstance(each, nn.Conv2d)
        )
        layers.update(filter(_is_plain, convolutions))
    for layer in layers:
        setattr(layer, _METHOD, partial(_conv_forward, layer))
    try:
        yield
    finally:
        for layer in layers:
            delattr(layer, _METHOD)


def _is_plain(layer: nn.Conv2d) -> bool:
    torchs_own = type(layer)._conv_forward is nn.Conv2d._conv_forward and _METHOD not in vars(layer)
    pads_less = not isinstance(layer.padding, str) and all(map(lt, layer.padding, layer.kernel_size))
    zeros_alone = layer.padding_mode == "zeros" and layer.groups == 1 and layer.dilation == (1, 1)
    return torchs_own and pads_less and zeros_alone


def _conv_forward(layer: nn.Conv2d, images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype
    if images.device.type == "cpu" and images.ndim == 4 and len(images) and dtype == torch.bfloat16:
        sides, stride, padding = _sides(weight), cast(_Pair, layer.stride), cast(_Pair, layer.padding)
        height, width = _map(images, sides, stride, padding)
        if 0 < height * width <= (FEW_OF_SINGLE_PIXELS if sides == (1, 1) else FEW):
            return _Convolution.apply(images.to(dtype), weight, bias, stride, padding)
    return nn.Conv2d._conv_forward(layer, images, weight, bias)


class _Convolution(torch.autograd.Function):
    """Of images in bfloat16; the weight is rounded to it here, so that its gradient is not."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, stride: _Pair, padding: _Pair
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        low = None if bias is None else bias.to(images.dtype)
        return _convolve(images, weight.to(images.dtype), low, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gradient,), (images, weight) = gradients, ctx.saved_tensors
        low, (to_images, to_weight, to_bias, *_) = weight.to(images.dtype), ctx.needs_input_grad
        at_images = at_weight = at_bias = None
        if torch.is_grad_enabled():  # this gradient is to be differentiated
            at_images, at_weight = _by_torch(gradient, images, low, ctx.stride, ctx.padding)
        else:
            if to_images:
                at_images = _at_images(gradient, images, low, ctx.stride, ctx.padding)
            if to_weight:
                at_weight = _at_weight(gradient, images, low, ctx.stride, ctx.padding)
        if to_bias:
            at_bias = gradient.sum((0, 2, 3), dtype=torch.float32)
        return at_images, at_weight, at_bias, None, None


def _convolve(images: Tensor, weight: Tensor, bias: Tensor | None, stride: _Pair, padding: _Pair) -> Tensor:
    sides, count = _sides(weight), len(weight)
    matrix = weight.permute(2, 3, 1, 0).reshape(-1, count)
    product = images.new_empty(len(images), *_map(images, sides, stride, padding), count)
    for part in _parts(product, matrix):
        rows, out = _patches(images[part], sides, stride, padding), product[part].view(-1, count)
        if bias is None:
            torch.mm(rows, matrix, out=out)
        else:
            torch.addmm(bias, rows, matrix, out=out)
    return product.permute(0, 3, 1, 2)


def _at_weight(gradient: Tensor, images: Tensor, weight: Tensor, stride: _Pair, padding: _Pair) -> Tensor:
    """In float32, the sum over parts of the batch."""
    sides, count = _sides(weight), len(weight)
    at_positions = gradient.permute(0, 2, 3, 1)
    total = torch.zeros(count, weight[0].numel())
    for part in _parts(at_positions, total.T):
        total += at_positions[part].reshape(-1, count).T @ _patches(images[part], sides, stride, padding)
    return total.view(count, *sides, -1).permute(0, 3, 1, 2)


def _at_images(gradient: Tensor, images: Tensor, weight: Tensor, stride: _Pair, padding: _Pair) -> Tensor:
    """For steps of one the convolution with the kernel turned round."""
    sides = _sides(weight)
    turned = weight.flip(2, 3).transpose(0, 1)
    if stride == (1, 1):
        beyond = sides[0] - 1 - padding[0], sides[1] - 1 - padding[1]
        return _convolve(gradient, turned, None, stride, beyond)
    if sides == (1, 1):
        whole = torch.zeros_like(images, memory_format=torch.channels_last)
        whole[:, :, :: stride[0], :: stride[1]] = _convolve(gradient, turned, None, (1, 1), (0, 0))
        return whole
    return _by_torch(gradient, images, weight, stride, padding, to_weight=False)[0]


def _by_torch(
    gradient: Tensor, images: Tensor, weight: Tensor, stride: _Pair, padding: _Pair, to_weight: bool = True
) -> tuple[Tensor, Tensor]:
    about = (stride, padding, (1, 1), False, (0, 0), 1, (True, to_weight, False))
    return torch.ops.aten.convolution_backward(gradient, images, weight, None, *about)[:2]


def _patches(images: Tensor, sides: _Pair, stride: _Pair, padding: _Pair) -> Tensor:
    """(positions of all images, kernel height x width x channels)."""
    rows = images.permute(0, 2, 3, 1)
    if any(padding):
        rows = F.pad(rows, (0, 0, padding[1], padding[1], padding[0], padding[0]))
    patches = rows.unfold(1, sides[0], stride[0]).unfold(2, sides[1], stride[1])
    return patches.permute(0, 1, 2, 4, 5, 3).reshape(-1, sides[0] * sides[1] * images.shape[1])


def _parts(positions: Tensor, matrix: Tensor) -> Iterator[slice]:
    """Of a batch of maps (n, height, width, channels) whose patches multiply a matrix."""
    count = len(positions)
    of_one = positions[0, :, :, 0].numel() * len(matrix) * 2
    size = max(1, AT_ONCE // of_one)
    yield from (slice(start, start + size) for start in range(0, count, size))


def _map(images: Tensor, sides: _Pair, stride: _Pair, padding: _Pair) -> _Pair:
    """Height and width of what comes out."""
    extents = zip(images.shape[2:], sides, stride, padding, strict=True)
    height, width = ((extent + 2 * pad - side) // step + 1 for extent, side, step, pad in extents)
    return height, width


def _sides(weight: Tensor) -> _Pair:
    return weight.shape[2], weight.shape[3]
