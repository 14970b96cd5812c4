"""From an embedding back to a view: the decoder that every reconstruction trains beside the encoder."""

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from eigenstep.methods._objective import Objective

# The smallest image within the decoder, from which it doubles, and its channels at the end and at most.
_FIRST_SIZE, _LAST_CHANNELS, _MOST_CHANNELS = 4, 16, 128
# Between the embedding and views that are no images.
_HIDDEN = 256


class Reconstruction(Objective):
    """A decoder g of the embeddings z gives back views: its mean squared error is the loss.

    The embedding is the code, so that what is recorded of it compares with the other methods'. Without it
    the loss is the variance of the views' numbers about their mean view, which no formula has: there are no
    landmarks.
    """

    needs_views = True

    def __init__(self, dim: int, decoder: Literal["deep", "linear"] = "deep") -> None:
        super().__init__()
        self.dim, self.kind = dim, decoder
        self.decoder: nn.Module = nn.Identity()

    def begin(self, shape: tuple[int, ...]) -> None:
        self.decoder = build_decoder(self.dim, shape, self.kind)

    def errors(self, z: Tensor, view: Tensor) -> Tensor:
        """(g(z) - view)^2 of each number of the views, in float32 or better."""
        if not view.is_floating_point():
            raise ValueError(f"a reconstruction needs views of real numbers, got {view.dtype}")
        given: Tensor = self.decoder(z)
        return (given.to(torch.promote_types(given.dtype, torch.float32)) - view).square()


def build_decoder(dim: int, shape: tuple[int, ...], kind: Literal["deep", "linear"] = "deep") -> nn.Module:
    """From embeddings (b, dim) to views (b, *shape).

    Of images (C, H, W) a deep one has a linear layer to about 4 px, then 3×3 convolutions with ReLU between,
    before each of which the image doubles, while the channels halve from 128 at most to 16 and become C. It
    has no normalisation: what it gives for one embedding does not depend on the others.

    Examples
    --------
    >>> build_decoder(8, (3, 30, 32))(torch.zeros(2, 8)).shape
    torch.Size([2, 3, 30, 32])
    >>> build_decoder(8, (2, 24), "linear")(torch.zeros(2, 8)).shape
    torch.Size([2, 2, 24])
    """
    if kind not in ("deep", "linear"):
        raise ValueError(f"decoder: expected deep or linear, got {kind}")
    numbers = math.prod(shape)
    if kind == "linear":
        return nn.Sequential(nn.Linear(dim, numbers), nn.Unflatten(1, shape))
    if len(shape) != 3:
        dense = (nn.Linear(dim, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, numbers))
        return nn.Sequential(*dense, nn.Unflatten(1, shape))
    return nn.Sequential(*_convolutions(dim, *shape))


def _convolutions(dim: int, channels: int, height: int, width: int) -> Iterator[nn.Module]:
    doublings = max(1, math.ceil(math.log2(max(height, width) / _FIRST_SIZE)))
    widths = [min(_MOST_CHANNELS, _LAST_CHANNELS * 2**left) for left in reversed(range(doublings))]
    first = (widths[0], *(math.ceil(side / 2**doublings) for side in (height, width)))
    yield nn.Linear(dim, math.prod(first))
    yield nn.Unflatten(1, first)
    for inputs, outputs in zip(widths, [*widths[1:], channels], strict=True):
        yield nn.ReLU()
        yield nn.Upsample(scale_factor=2)
        yield nn.Conv2d(inputs, outputs, 3, padding=1)
    yield _Cropped(height, width)


class _Cropped(nn.Module):
    """The first rows and columns of what doubling has made too large."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, images: Tensor) -> Tensor:
        return images[..., : self.height, : self.width]
