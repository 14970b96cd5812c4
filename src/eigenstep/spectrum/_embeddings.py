"""What embeddings are: of layers, of micro-batches, of a step."""

from typing import Any

import torch
from torch import Tensor


def check_embeddings(z_a: Tensor, z_b: Tensor | None, dim: int | None) -> None:
    """Raise ValueError unless one view or both are (n, dim), not empty and of a floating-point type."""
    given = [tuple(z.shape) for z in (z_a, z_b) if z is not None]
    wanted = dim or (given[0][1] if len(given[0]) == 2 else "d")
    if len(set(given)) > 1 or len(given[0]) != 2 or given[0][1] != wanted or 0 in given[0]:
        raise ValueError(f"expected embeddings of shape (n, {wanted}), got {' and '.join(map(str, given))}")
    if not z_a.is_floating_point():
        raise ValueError(f"expected embeddings of a floating-point type, got {z_a.dtype}")


def as_embeddings(output: Any, layer: str) -> Tensor:
    """A layer's output as embeddings (n, d), a copy.

    Feature maps (n, c, h, w) are averaged over their positions, sequences (n, t, c) over their tokens.
    Raises TypeError for what is no tensor, ValueError for another shape.
    """
    if not isinstance(output, Tensor):
        raise TypeError(
            f"layer {layer!r} gave {type(output).__name__}, expected a tensor; watch a layer that gives one,"
            " or say how to get it: pool=lambda output: output[0]"
        )
    if output.ndim not in (2, 3, 4) or not output.is_floating_point():
        raise ValueError(
            f"layer {layer!r} gave {output.dtype} of shape {tuple(output.shape)}, expected floating point"
            " (n, d), (n, t, c) or (n, c, h, w); say how to get embeddings: pool=lambda output: ..."
        )
    values = output.detach()
    if values.ndim == 2:
        return values.clone()
    return values.mean(
        1 if values.ndim == 3 else (2, 3), dtype=torch.promote_types(values.dtype, torch.float32)
    )


def pair_outputs(outputs: list[Tensor], views: int | None, layer: str) -> tuple[Tensor, Tensor | None]:
    """The outputs (n, d) of a layer in one micro-batch as one view or two, as `watch` says of `views`."""
    if views is not None and views > 1:
        if any(len(output) % views for output in outputs):
            raise ValueError(
                f"layer {layer!r} gave {len(outputs[0])} embeddings, expected {views} views of equal size"
            )
        parts = [output.chunk(views) for output in outputs]
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
    shapes = [output.shape for output in outputs]
    if views is None and len(outputs) % 2 == 0 and shapes[::2] == shapes[1::2]:
        return torch.cat(outputs[::2]), torch.cat(outputs[1::2])
    return torch.cat(outputs), None


def join_batches(batches: list[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    """The micro-batches of a step as one batch; of two views only if all of them are."""
    first = torch.cat([a for a, _ in batches])
    second = [b for _, b in batches if b is not None]
    return first, torch.cat(second) if len(second) == len(batches) else None
