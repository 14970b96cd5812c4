"""What a data set holds, image by image, without training on it."""

from eigenstep.images.inspection._duplicates import Duplicates, Member, Shared
from eigenstep.images.inspection._gathered import Sizes, SplitInspection, Values
from eigenstep.images.inspection._inspect import Inspection, Stored, inspect_images
from eigenstep.images.inspection._sheet import Tile, contact_sheet

__all__ = [
    "Duplicates",
    "Inspection",
    "Member",
    "Shared",
    "Sizes",
    "SplitInspection",
    "Stored",
    "Tile",
    "Values",
    "contact_sheet",
    "inspect_images",
]
