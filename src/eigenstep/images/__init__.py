"""Images to train on: photographs' patches, files, archives, tables, the Hugging Face hub.

Where they come from is a `Source`; `find_source` chooses it by the name that a user gives.
"""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.images._config import ImagesConfig
    from eigenstep.images._memory import fits_memory
    from eigenstep.images._pixels import Pixels
    from eigenstep.images.decoding import (
        BytesImage,
        FileImage,
        MemberImage,
        PartImage,
        Record,
        images_in,
        read_pixels,
    )
    from eigenstep.images.inspection import (
        Duplicates,
        Inspection,
        Member,
        Shared,
        Sizes,
        SplitInspection,
        Stored,
        Tile,
        Values,
        contact_sheet,
        inspect_images,
    )
    from eigenstep.images.opened import (
        Batch,
        Images,
        ImageSet,
        LabelledImages,
        Workers,
        load_images,
        load_labelled,
        load_spread,
        open_images,
        open_in_order,
    )
    from eigenstep.images.sources import (
        Inventory,
        Labels,
        OwnData,
        Pairs,
        Passed,
        PassedOver,
        RandomAccess,
        Sample,
        Shards,
        Source,
        SplitInventory,
        find_source,
        find_test_split,
        hub_name,
        is_photographs,
        never_has_labels,
        own_data,
        photo_patches,
        read_labels,
        take_inventory,
    )
    from eigenstep.images.stored import (
        AnyImage,
        Statistics,
        channel_statistics,
        check_show,
        find_pixels,
        image_hashes,
        pictures,
        stored_images,
    )
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "AnyImage",
    "Batch",
    "BytesImage",
    "Duplicates",
    "FileImage",
    "ImageSet",
    "Images",
    "ImagesConfig",
    "Inspection",
    "Inventory",
    "LabelledImages",
    "Labels",
    "Member",
    "MemberImage",
    "OwnData",
    "Pairs",
    "PartImage",
    "Passed",
    "PassedOver",
    "Pixels",
    "RandomAccess",
    "Record",
    "Sample",
    "Shards",
    "Shared",
    "Sizes",
    "Source",
    "SplitInspection",
    "SplitInventory",
    "Statistics",
    "Stored",
    "Tile",
    "Values",
    "Workers",
    "channel_statistics",
    "check_show",
    "contact_sheet",
    "find_pixels",
    "find_source",
    "find_test_split",
    "hub_name",
    "fits_memory",
    "image_hashes",
    "images_in",
    "inspect_images",
    "is_photographs",
    "load_images",
    "load_labelled",
    "load_spread",
    "never_has_labels",
    "open_images",
    "open_in_order",
    "own_data",
    "photo_patches",
    "pictures",
    "read_labels",
    "read_pixels",
    "stored_images",
    "take_inventory",
]
