"""What a person can say of an image in a number: brightness, colour, layout, edges, frequencies, symmetry."""

from eigenstep.modes.statistics._image_statistics import Statistics, image_statistics

__all__ = ["Statistics", "image_statistics"]
