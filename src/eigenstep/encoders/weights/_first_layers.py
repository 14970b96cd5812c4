"""A tensor of another network as the backbone takes it: other channels, patches and image sizes."""

import math

from torch import Tensor, nn


def adapted(model: nn.Module, name: str, tensor: Tensor) -> tuple[Tensor, str] | None:
    """A tensor in the shape of the backbone's one of that name, and what was done; None where none fits.

    By timm's rules: the first layer's channels are repeated or left out and scaled, one channel is the sum of
    all (`timm.models.adapt_input_conv`); a patch embedding is resampled to other patches
    (`resample_patch_embed`), and a table of positions to another grid (`resample_abs_pos_embed`).

    Examples
    --------
    >>> import torch
    >>> found, said = adapted(nn.Sequential(nn.Conv2d(1, 4, 3)), "0.weight", torch.ones(4, 3, 3, 3))
    >>> found.shape, found[0, 0, 0, 0].item(), said
    (torch.Size([4, 1, 3, 3]), 3.0, '0.weight from 3 channels to 1')
    """
    own = model.state_dict()[name]
    if tensor.shape == own.shape:
        return tensor, ""
    if tensor.is_floating_point():
        if name in first_layers(model) and tensor.ndim == 4:
            return _first_layer(model.get_submodule(name.rpartition(".")[0]), name, tensor)
        if name.rpartition(".")[2] == "pos_embed" and tensor.ndim == own.ndim == 3:
            return _positions(model, name, tensor, own)
    if tensor.numel() == own.numel() and _sizes(tensor) == _sizes(own):
        return tensor.reshape(own.shape), ""  # a linear layer here, a 1×1 convolution there
    return None


def first_layers(model: nn.Module) -> list[str]:
    """The names of the weights that see the image's channels: timm's, or of the first convolution."""
    told = (getattr(model, "pretrained_cfg", None) or {}).get("first_conv") or ()
    convolutions = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    named = [name for name in ([told] if isinstance(told, str) else told) if name in convolutions]
    return [f"{name}.weight" for name in named or list(convolutions)[:1]]


def _first_layer(layer: nn.Module, name: str, tensor: Tensor) -> tuple[Tensor, str] | None:
    if not isinstance(layer, nn.Conv2d) or layer.groups != 1 or len(tensor) != layer.out_channels:
        return None
    from timm.layers.patch_embed import resample_patch_embed
    from timm.models import adapt_input_conv

    said = []
    size = (layer.kernel_size[0], layer.kernel_size[1])
    if tensor.shape[2:] != size:
        if tuple(layer.stride) != size:
            return None  # kernels that overlap are no patches: another stem
        said.append(f"from patches of {_shape(tensor.shape[2:])} to {_shape(size)}")
        tensor = resample_patch_embed(tensor, list(size))
    if tensor.shape[1] != layer.in_channels:
        said.append(f"from {tensor.shape[1]} channels to {layer.in_channels}")
        tensor = adapt_input_conv(layer.in_channels, tensor, base_chans=tensor.shape[1])
    return tensor, f"{name} {' and '.join(said)}"


def _positions(model: nn.Module, name: str, tensor: Tensor, own: Tensor) -> tuple[Tensor, str] | None:
    """A table (1, tokens, width) for the backbone's grid; tokens before the grid stay as they are."""
    grid = getattr(getattr(model, "patch_embed", None), "grid_size", None)
    if grid is None or tensor.shape[2] != own.shape[2]:
        return None
    from timm.layers.pos_embed import resample_abs_pos_embed

    before = own.shape[1] - grid[0] * grid[1]
    said = f"{name} to {_shape(grid)} patches"
    if _is_square(tensor.shape[1] - before):
        return resample_abs_pos_embed(tensor, list(grid), num_prefix_tokens=before), said
    if before and _is_square(tensor.shape[1]):
        table = own.clone()
        table[:, before:] = resample_abs_pos_embed(tensor, list(grid), num_prefix_tokens=0)
        return table, f"{said} (the file has none for the {before} tokens before them)"
    if not before and _is_square(tensor.shape[1] - 1):
        return resample_abs_pos_embed(
            tensor[:, 1:], list(grid), num_prefix_tokens=0
        ), f"{said} (without its class token)"
    return None


def _is_square(count: int) -> bool:
    return count > 0 and math.isqrt(count) ** 2 == count


def _sizes(tensor: Tensor) -> list[int]:
    return [size for size in tensor.shape if size != 1]


def _shape(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))
