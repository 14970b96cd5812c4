"""A block of images as statistics see them: colours, grey, gradients, each made once."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

# What a group of statistics gives: a value for each image, or why there is none for images like these.
Found = dict[str, Tensor | str]


@dataclass(frozen=True, eq=False)
class Block:
    """Some images.

    Attributes
    ----------
    colour : Tensor
        float32 (b, C, H, W), 0 the darkest and 1 the brightest value there can be.
    """

    colour: Tensor

    @cached_property
    def grey(self) -> Tensor:
        """(b, H, W), the mean of the channels."""
        return self.colour.mean(dim=1)

    @cached_property
    def brightness(self) -> Tensor:
        """(b,)."""
        return self.grey.mean(dim=(1, 2))

    @cached_property
    def departure(self) -> Tensor:
        """(b, H, W), grey less its mean."""
        return self.grey - self.brightness[:, None, None]

    @cached_property
    def gradients(self) -> tuple[Tensor, Tensor]:
        """To the right and downwards, each (b, H - 2, W - 2): half of the difference of two neighbours."""
        grey = self.grey
        right = (grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]) / 2
        down = (grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]) / 2
        return right, down

    @cached_property
    def opponents(self) -> dict[str, Tensor]:
        """Of red, green and blue, each (b, H, W): how much one exceeds the mean of the other two."""
        red, green, blue = self.colour.unbind(dim=1)
        return {
            "red-cyan": red - (green + blue) / 2,
            "blue-yellow": blue - (red + green) / 2,
            "green-magenta": green - (red + blue) / 2,
        }

    @property
    def has_colours(self) -> bool:
        """Whether the channels are red, green and blue."""
        return self.colour.shape[1] == 3

    @property
    def no_colours(self) -> str:
        """Why there are no colours."""
        channels = self.colour.shape[1]
        return f"needs red, green and blue, and the images have {channels} channel{'s' * (channels != 1)}"


def share(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, 0 where there is nothing of the whole."""
    return torch.where(whole > 0, part / whole.clamp_min(torch.finfo(whole.dtype).tiny), 0.0)
