"""How bright, how dark, how varied: what the levels alone say, wherever in the image they are."""

import torch
from torch import Tensor

from eigenstep.modes.statistics._block import Block, Found, share

# A pixel is dark below the first and bright above the second.
DARK, BRIGHT = 0.25, 0.75
# Of these tones are the 5 % darkest and the 5 % brightest pixels.
TAIL = 0.05
# Equal steps in which levels are counted for the entropy.
LEVELS = 32


def levels(block: Block) -> Found:
    """Levels of the mean of the channels."""
    flat = block.grey.flatten(1)
    departure = block.departure.flatten(1)
    contrast = departure.square().mean(dim=1).sqrt()
    ordered = flat.sort(dim=1).values
    tail = max(1, round(TAIL * flat.shape[1]))
    return {
        "brightness": block.brightness,
        "contrast": contrast,
        "dark share": (flat < DARK).float().mean(dim=1),
        "bright share": (flat > BRIGHT).float().mean(dim=1),
        "darkest tones": ordered[:, :tail].mean(dim=1),
        "brightest tones": ordered[:, -tail:].mean(dim=1),
        "skewness of levels": share((departure**3).mean(dim=1), contrast**3),
        "entropy of levels": _entropy(flat),
    }


def _entropy(flat: Tensor) -> Tensor:
    """In bits, of the shares of `LEVELS` equal steps."""
    step = (flat * LEVELS).floor().clamp(0, LEVELS - 1).long()
    counts = torch.zeros(len(flat), LEVELS).scatter_add_(1, step.cpu(), torch.ones(flat.shape))
    shares = counts / flat.shape[1]
    return -torch.special.xlogy(shares, shares).sum(dim=1) / torch.log(torch.tensor(2.0))
