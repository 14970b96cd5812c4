"""Two random views of every image of a batch, made on the batch's own device.

Each operation of SimCLR's augmentation takes a whole batch and one parameter per sample, and equals
torchvision's operation of the same name applied to each sample with that sample's parameter.
"""

from eigenstep.views._color import color_jitter, grayscale, normalize, solarize
from eigenstep.views._parameters import ViewParameters, ViewsConfig, sample_parameters
from eigenstep.views._resample import gaussian_blur, resized_crop
from eigenstep.views._two_views import TwoViews

__all__ = [
    "TwoViews",
    "ViewParameters",
    "ViewsConfig",
    "color_jitter",
    "gaussian_blur",
    "grayscale",
    "normalize",
    "resized_crop",
    "sample_parameters",
    "solarize",
]
