"""Which colours, and how many: of red, green and blue; of other channels their means and how they differ."""

import torch

from eigenstep.modes.statistics._block import Block, Found

# sqrt(2/3) of the opponents' norm is the length of a colour in the plane of hues (1 for pure red).
_PLANE = 2 / 3


def colours(block: Block) -> Found:
    """Means of channels, and what exceeds grey.

    Hue is linear in the mean red-cyan and the difference of green and blue, which is that of green-magenta
    and blue-yellow, so no circular statistic is needed.
    """
    means = block.colour.mean(dim=(2, 3))
    channels = means.shape[1]
    found: Found = {}
    if channels == 1:
        found["channel means"] = found["channel spread"] = "needs several channels, and the images have one"
    else:
        names = (
            ("mean red", "mean green", "mean blue")
            if block.has_colours
            else tuple(f"mean of channel {place + 1}" for place in range(channels))
        )
        found |= {name: means[:, place] for place, name in enumerate(names)}
        if not block.has_colours:
            found["channel spread"] = block.colour.std(dim=1, correction=0).mean(dim=(1, 2))
    if not block.has_colours:
        names = ("red-cyan", "blue-yellow", "green-magenta", "chroma", "colour spread")
        return found | dict.fromkeys(names, block.no_colours)
    opponents = torch.stack(list(block.opponents.values()))
    found |= {name: values.mean(dim=(1, 2)) for name, values in block.opponents.items()}
    found["chroma"] = (_PLANE * opponents.square().sum(dim=0)).sqrt().mean(dim=(1, 2))
    found["colour spread"] = (_PLANE * opponents.var(dim=(2, 3), correction=0).sum(dim=0)).sqrt()
    return found
