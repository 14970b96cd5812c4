"""Whether an image equals its mirror images."""

from eigenstep.modes.statistics._block import Block, Found, share


def symmetry(block: Block) -> Found:
    """Correlation of grey with its mirror image: 1 for a symmetric image, and for an even one."""
    squares = block.departure.square().mean(dim=(1, 2))
    found: Found = {}
    for name, axis in (("left-right symmetry", 2), ("top-bottom symmetry", 1)):
        apart = (block.departure - block.departure.flip(axis)).square().mean(dim=(1, 2))
        found[name] = 1 - share(apart / 2, squares)
    return found
