"""Two random views of every image of a batch, or more, made on the batch's own device.

Each operation of SimCLR's augmentation takes a whole batch of images of any number of channels, stored as
uint8, uint16 or floats, and one parameter per sample, and equals torchvision's operation of the same name
applied to each sample with that sample's parameter. Operations on colours are for three channels.
"""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.views._color import gaussian_noise, grayscale, normalize, solarize
    from eigenstep.views._config import IMAGENET_MEAN, IMAGENET_STD, Normalize, ViewsConfig
    from eigenstep.views._crops import Crops
    from eigenstep.views._images import float_images, highest_value
    from eigenstep.views._jitter import color_jitter
    from eigenstep.views._own_views import OwnViews
    from eigenstep.views._pair_views import Augmentation, PairViews
    from eigenstep.views._parameters import ViewParameters, sample_parameters
    from eigenstep.views._resample import gaussian_blur, quarter_turns, resized_crop
    from eigenstep.views._two_views import TwoViews
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "Augmentation",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Crops",
    "Normalize",
    "OwnViews",
    "PairViews",
    "TwoViews",
    "ViewParameters",
    "ViewsConfig",
    "color_jitter",
    "float_images",
    "gaussian_blur",
    "gaussian_noise",
    "grayscale",
    "highest_value",
    "normalize",
    "quarter_turns",
    "resized_crop",
    "sample_parameters",
    "solarize",
]
