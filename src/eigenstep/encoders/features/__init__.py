"""Features of images that need no training, as scikit-learn transformers: what a linear kernel is then of."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.encoders._config import ImageKernel
    from eigenstep.encoders.features._backbone import BackboneFeatures
    from eigenstep.encoders.features._image_features import ImageFeatures
    from eigenstep.encoders.features._kernels import is_random, kernel_features
    from eigenstep.encoders.features._patches import PatchFeatures
    from eigenstep.encoders.features._random_conv import RandomConvFeatures
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "BackboneFeatures",
    "ImageFeatures",
    "ImageKernel",
    "PatchFeatures",
    "RandomConvFeatures",
    "is_random",
    "kernel_features",
]
