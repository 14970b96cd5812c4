"""Images as a run stores them, squares of one size, type and number of channels, and as people see them."""

from eigenstep.images.stored._channels import taken, with_channels
from eigenstep.images.stored._decode import Decoded, decode_squares
from eigenstep.images.stored._scale import SPAN, own_range, range_of
from eigenstep.images.stored._show import check_show, pictures
from eigenstep.images.stored._spread import spread
from eigenstep.images.stored._squares import middle_square
from eigenstep.images.stored._statistics import Statistics, channel_statistics
from eigenstep.images.stored._stored import AnyImage, image_hashes, stored_images
from eigenstep.images.stored._stored_format import StoredFormat
from eigenstep.images.stored._survey import SMALL_PART, find_pixels

__all__ = [
    "AnyImage",
    "Decoded",
    "SMALL_PART",
    "SPAN",
    "Statistics",
    "StoredFormat",
    "channel_statistics",
    "check_show",
    "decode_squares",
    "find_pixels",
    "image_hashes",
    "middle_square",
    "own_range",
    "pictures",
    "range_of",
    "spread",
    "stored_images",
    "taken",
    "with_channels",
]
