"""Signs of a step's health in any loop: what gradient, weights and updates are like, and the batch."""

from eigenstep.spectrum.health._batch import (
    agreement_of_labels,
    are_images,
    of_embeddings,
    of_features,
    of_views,
    share_distinct,
    share_evaluating,
    some_pixels,
)
from eigenstep.spectrum.health._numbers import as_numbers, at_start
from eigenstep.spectrum.health._update import BeforeUpdate, of_update, see_before_update

__all__ = [
    "BeforeUpdate",
    "agreement_of_labels",
    "are_images",
    "as_numbers",
    "at_start",
    "of_embeddings",
    "of_features",
    "of_update",
    "of_views",
    "see_before_update",
    "share_distinct",
    "share_evaluating",
    "some_pixels",
]
