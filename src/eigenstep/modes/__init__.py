"""What modes mean and are worth: statistics of images, names that are earned, galleries."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.modes._closed_form import ClosedForm, modes_on
    from eigenstep.modes._evaluated import EvaluatedModes, orthonormal
    from eigenstep.modes._explain import explain_modes, usual_reading
    from eigenstep.modes._explanation import Explanation, SnapshotFacts
    from eigenstep.modes._found_again import found_again, span_found_again
    from eigenstep.modes._gallery import ModeGallery, galleries
    from eigenstep.modes._held_out import Halves, halves, held_out_r2
    from eigenstep.modes._names import ModeName, name_modes
    from eigenstep.modes._page import mode_cards
    from eigenstep.modes._shares import explained_shares, readable
    from eigenstep.modes._worth import Accuracy, Worth, alignments, worth
    from eigenstep.modes._write import write_modes
    from eigenstep.modes.augmentations import AugmentationAdvice, rank_augmentations
    from eigenstep.modes.statistics import Statistics, image_statistics
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "Accuracy",
    "AugmentationAdvice",
    "ClosedForm",
    "EvaluatedModes",
    "Explanation",
    "Halves",
    "ModeGallery",
    "ModeName",
    "SnapshotFacts",
    "Statistics",
    "Worth",
    "alignments",
    "explain_modes",
    "explained_shares",
    "found_again",
    "galleries",
    "halves",
    "held_out_r2",
    "image_statistics",
    "mode_cards",
    "modes_on",
    "name_modes",
    "orthonormal",
    "rank_augmentations",
    "readable",
    "span_found_again",
    "usual_reading",
    "worth",
    "write_modes",
]
