"""The options that every reconstruction has."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DecoderConfig:
    """How a view is made of an embedding."""

    decoder: Literal["deep", "linear"] = "deep"
    """Convolutions (two dense layers for views that are not images), or one linear map, as in the theory."""
