"""How much changes from pixel to pixel, and in which direction lines run."""

import math

import torch

from eigenstep.modes.statistics._block import Block, Found, share

# Lines run across the gradient. Each takes a quarter of all directions, about the one that its name says.
LINES = ("vertical lines", "rising diagonals", "horizontal lines", "falling diagonals")


def edges(block: Block) -> Found:
    """Strength of edges, the share of their energy in four directions, and how far they have one direction.

    Energy is the squared gradient. "order of directions" is |sum e exp(2 i angle)| / sum e, 1 where all lines
    are parallel.
    """
    right, down = block.gradients
    energy = right.square() + down.square()
    total = energy.sum(dim=(1, 2))
    # Twice the angle, so that a line and the same line turned by 180 degrees are one.
    angle = torch.atan2(down, right) * 2
    quarter = torch.round(angle / (math.pi / 2)).long() % 4
    found: Found = {"edge strength": energy.sqrt().mean(dim=(1, 2))}
    for place, name in enumerate(LINES):
        found[name] = share((energy * (quarter == place)).sum(dim=(1, 2)), total)
    along = (energy * torch.cos(angle)).sum(dim=(1, 2))
    across = (energy * torch.sin(angle)).sum(dim=(1, 2))
    found["order of directions"] = share(torch.hypot(along, across), total)
    return found
