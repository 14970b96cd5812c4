"""A start from weights: files of many libraries, whose names are matched to a backbone's."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.encoders.weights._files import find_weights, read_weights
    from eigenstep.encoders.weights._first_layers import adapted
    from eigenstep.encoders.weights._hub import other_scale, pretrained_weights
    from eigenstep.encoders.weights._start import LEAST_MATCHED, Start, start_from
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "LEAST_MATCHED",
    "Start",
    "adapted",
    "find_weights",
    "other_scale",
    "pretrained_weights",
    "read_weights",
    "start_from",
]
