"""Both views of a batch, on its own device."""

import math

import torch
from torch import Tensor

from eigenstep.views._color import gaussian_noise_, grayscale_, normalize_, solarize_
from eigenstep.views._config import ViewsConfig
from eigenstep.views._images import check_color, check_images, float_images, select_images
from eigenstep.views._jitter import check_uncolored, color_jitter_, jitter_arrangement
from eigenstep.views._parameters import ViewParameters, sample_parameters
from eigenstep.views._resample import (
    check_boxes,
    crop_taps,
    gaussian_blur_,
    quarter_turns_,
    resized_crop_into,
)

# Floats, for each thread, of one slice of the batch on a CPU: so many that the fixed cost of some two hundred
# small operations a slice does not count, while what they hold in between stays in the shared cache.
_SLICE_FLOATS = 2**20
# What a slice holds in between, some five times its size, should be less than twice the views: an allocator
# that gives such blocks back to the system has every page of them cleared again for the next slice.
_LEAST_SLICES = 3


class TwoViews:
    """Two random views of each image of a batch, independent of each other and of the other images.

    Operations in SimCLR's order: resized crop, horizontal flip, quarter turn, colour jitter, grey, Gaussian
    blur, solarise, noise, normalise. Images have any number of channels, those on colours act on three, see
    `ViewsConfig.for_channels`. Everything runs on the images' device in float32. All random numbers come from
    the one generator, which may live on the CPU while the images are on a GPU: then nothing waits for the
    GPU, and the same generator state gives the same views on every device up to rounding.

    Parameters
    ----------
    config : ViewsConfig
        What may differ between views.
    image_size : int
        Side of the square views in pixels. The blur's kernel spans a tenth of it, as in SimCLR.

    Raises
    ------
    ValueError
        `image_size` below 1.

    Examples
    --------
    >>> views = TwoViews(ViewsConfig(), image_size=32)
    >>> images = torch.randint(256, (16, 3, 40, 48), dtype=torch.uint8)
    >>> a, b = views(images, torch.Generator().manual_seed(0))
    >>> a.shape, a.dtype, torch.equal(a, b)
    (torch.Size([16, 3, 32, 32]), torch.float32, False)
    """

    def __init__(self, config: ViewsConfig, image_size: int) -> None:
        if image_size < 1:
            raise ValueError(f"image_size: expected at least 1 pixel, got {image_size}")
        self.config = config
        self._resolved: dict[tuple[int, torch.dtype], ViewsConfig] = {}
        self.image_size = image_size
        # SimCLR's kernel is a tenth of the image wide. A pixel either side is the least that blurs at
        # all, and reflection needs half the kernel to be smaller than the image.
        self.blur_kernel_size = 2 * min(max(image_size // 20, 1), image_size - 1) + 1

    def __call__(
        self, images: Tensor, generator: torch.Generator, part: int = 0, parts: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Two views of each image.

        Parameters
        ----------
        images : Tensor
            (B, C, H, W) of any C, H and W, uint8, uint16 or floats in [0, 1].
        generator : torch.Generator
            Source of all random numbers, on the CPU or on the images' device.
        part, parts : int
            The images are this part, counted from 0, of a batch of `parts` times as many, which other
            processes hold the rest of: they get the views that they would get in the whole batch.

        Returns
        -------
        tuple[Tensor, Tensor]
            Two tensors (B, C, image_size, image_size), float32, on the images' device.

        Raises
        ------
        ValueError
            Images of another shape or dtype, or of a number of channels that the configuration is not for. On
            a CPU also floats outside [0, 1]; on a GPU this check would wait for the device.
        """
        first, second = (self.sample(images, generator, part, parts) for _ in range(2))
        return self.apply(images, first), self.apply(images, second)

    def sample(
        self, images: Tensor, generator: torch.Generator, part: int = 0, parts: int = 1
    ) -> ViewParameters:
        """Draw the parameters of one view of each image; arguments as of `__call__`.

        Raises
        ------
        ValueError
            Images of another shape or dtype than `__call__` takes; a part that there is not.
        """
        check_images(images)
        if not 0 <= part < parts:
            raise ValueError(f"part: expected a number from 0 to {parts - 1}, got {part}")
        batch, channels, height, width = images.shape
        config = self._config_for(images)
        drawn = sample_parameters(parts * batch, height, width, config, generator, channels)
        return drawn[part * batch : (part + 1) * batch]

    def apply(self, images: Tensor, parameters: ViewParameters) -> Tensor:
        """The view (B, C, image_size, image_size) of each image that `parameters` describe.

        Raises
        ------
        ValueError
            As `__call__`; parameters drawn for another number or size of images.
        """
        check_images(images)
        check_boxes(parameters.boxes, images)
        _check_colors(images, parameters)
        config = self._config_for(images)
        if config.needs_statistics:
            raise ValueError(
                "views.normalize data: expected views.mean and views.std, got none; set them, or set"
                " views.normalize to none"
            )
        channels, step = images.shape[1], len(images)
        if images.device.type == "cpu":
            _check_values(images)
            largest = channels * max(images.shape[2] * images.shape[3], self.image_size**2)
            step = min(
                math.ceil(step / _LEAST_SLICES), max(1, _SLICE_FLOATS * torch.get_num_threads() // largest)
            )
        arrangement = jitter_arrangement(
            parameters.color_factors, parameters.color_order, parameters.channel_factors
        )
        parameters = parameters[arrangement]
        arrangement = arrangement.to(images.device, non_blocking=True)

        shape = (channels, self.image_size, self.image_size)
        views = images.new_empty(len(images), *shape, dtype=torch.float32)
        workspace = images.new_empty(step, *shape, dtype=torch.float32)
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            sources, weights = crop_taps(parameters.boxes, parameters.flip, self.image_size, images.device)
            for start in range(0, len(images), step):
                these = slice(start, start + step)
                rows = arrangement[these]
                some = workspace[: len(rows)]
                chosen = float_images(select_images(images, rows))
                resized_crop_into(some, chosen, sources[these], weights[these])
                self._change_(some, parameters[these], config)
                views.index_copy_(0, rows, some)
        return views

    def _config_for(self, images: Tensor) -> ViewsConfig:
        """The configuration with what it leaves open filled in for such images."""
        # Floats of three channels are bytes that somebody has divided by 255.
        key = images.shape[1], torch.uint16 if images.dtype == torch.uint16 else torch.uint8
        if key not in self._resolved:
            self._resolved[key] = self.config.for_channels(*key)
        return self._resolved[key]

    def _change_(self, views: Tensor, parameters: ViewParameters, config: ViewsConfig) -> None:
        """All that follows the crop and the flip, in place."""
        if parameters.turns is not None:
            quarter_turns_(views, parameters.turns)
        color_jitter_(views, parameters.color_factors, parameters.color_order, parameters.channel_factors)
        grayscale_(views, parameters.grayscale)
        gaussian_blur_(views, parameters.blur_sigma, self.blur_kernel_size)
        solarize_(views, parameters.solarize, config.solarize_threshold)
        if parameters.noise_std is not None and parameters.noise_seeds is not None:
            gaussian_noise_(views, parameters.noise_std, parameters.noise_seeds)
        if config.mean is not None and config.std is not None and config.normalize != "none":
            normalize_(views, config.mean, config.std)


def _check_colors(images: Tensor, parameters: ViewParameters) -> None:
    if images.shape[1] != 3:
        check_uncolored(images, parameters.color_factors)
        if bool(parameters.grayscale.any()):
            check_color(images)


def _check_values(images: Tensor) -> None:
    if images.is_floating_point():
        lowest, highest = images.aminmax()
        # Written so that NaN fails it.
        if not (lowest >= 0 and highest <= 1):
            raise ValueError(
                f"images: expected floats in [0, 1], got values from {lowest:g} to {highest:g}; "
                "pass whole numbers or divide by the largest value, and leave the normalisation to the views"
            )
