"""Where images come from: folders, archives, tables, lists, the hub, objects of Python; and labels."""

from eigenstep.images.sources._find_source import find_source, find_test_split, never_has_labels
from eigenstep.images.sources._hub import hub_name
from eigenstep.images.sources._inventory import Inventory, SplitInventory, take_inventory
from eigenstep.images.sources._own import OwnData, OwnItems, own_data
from eigenstep.images.sources._pairs import Pairs
from eigenstep.images.sources._passed_over import Passed, PassedOver
from eigenstep.images.sources._photographs import is_photographs, photo_patches
from eigenstep.images.sources._samples import UNLABELLED, Labels, Sample, Value, read_labels
from eigenstep.images.sources._source import RandomAccess, Shards, Source

__all__ = [
    "Inventory",
    "Labels",
    "OwnData",
    "OwnItems",
    "Pairs",
    "Passed",
    "PassedOver",
    "RandomAccess",
    "Sample",
    "Shards",
    "Source",
    "SplitInventory",
    "UNLABELLED",
    "Value",
    "find_source",
    "find_test_split",
    "hub_name",
    "is_photographs",
    "never_has_labels",
    "own_data",
    "photo_patches",
    "read_labels",
    "take_inventory",
]
