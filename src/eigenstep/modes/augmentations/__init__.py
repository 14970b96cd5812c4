"""Which augmentations will serve: what each leaves of an image, sets side by side, their rank by labels.

`rank_augmentations` says all of it. Its parts: named sets and their files, the agreement of two views on
statistics of the image, the modes of a set by invariance, short trainings and the race between sets.
"""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.modes.augmentations._agreement import Agreement, listed, operations_of, view_agreement
    from eigenstep.modes.augmentations._invariance import SetModes, set_modes
    from eigenstep.modes.augmentations._labelled_images import LabelledImages, load_for_sets
    from eigenstep.modes.augmentations._options import ShortTraining, short_losses
    from eigenstep.modes.augmentations._page import write_page
    from eigenstep.modes.augmentations._race import race
    from eigenstep.modes.augmentations._rank import rank_augmentations
    from eigenstep.modes.augmentations._readable import (
        Readable,
        knn_readable,
        ridge_readable,
        says_nothing,
    )
    from eigenstep.modes.augmentations._result import AugmentationAdvice
    from eigenstep.modes.augmentations._sets import (
        AugmentationSet,
        read_set,
        read_sets,
        standard_sets,
        write_sets,
    )
    from eigenstep.modes.augmentations._short_training import (
        ShortOutcome,
        score_set,
        short_features,
    )
    from eigenstep.modes.augmentations._standing import Difference, Standing
    from eigenstep.modes.augmentations._words import sentence, tables
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "Agreement",
    "AugmentationAdvice",
    "AugmentationSet",
    "Difference",
    "LabelledImages",
    "Readable",
    "SetModes",
    "ShortOutcome",
    "ShortTraining",
    "Standing",
    "knn_readable",
    "listed",
    "load_for_sets",
    "operations_of",
    "race",
    "rank_augmentations",
    "read_set",
    "read_sets",
    "ridge_readable",
    "says_nothing",
    "score_set",
    "sentence",
    "set_modes",
    "short_features",
    "short_losses",
    "standard_sets",
    "tables",
    "view_agreement",
    "write_page",
    "write_sets",
]
