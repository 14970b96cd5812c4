"""What one view's random choices are, and how they are drawn."""

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from eigenstep.views._config import ViewsConfig
from eigenstep.views._hashed import hashed_uniforms, image_seeds

# Boxes that are drawn for each image before the central one is taken, as in torchvision.
CROP_TRIES = 10


@dataclass(frozen=True)
class ViewParameters:
    """The random choices behind one view of each of B images.

    `parameters[3:5]` are those of two of the images; the length is B. What is None is off for all images.
    """

    boxes: Tensor
    """(B, 4) integers: (top, left, height, width) of the crop in pixels."""
    flip: Tensor
    """(B,) bool: flipped left to right."""
    color_factors: Tensor
    """(B, 4): factors of brightness, contrast, saturation, and hue shift in turns; 1, 1, 1, 0 is neutral."""
    color_order: Tensor
    """(B, 4): order of brightness (0), contrast (1), saturation (2) and hue (3), first operation first."""
    grayscale: Tensor
    """(B,) bool: loses its colours."""
    blur_sigma: Tensor
    """(B,) standard deviations in pixels; 0 changes nothing."""
    solarize: Tensor
    """(B,) bool: has its bright values inverted."""
    turns: Tensor | None = None
    """(B,) integers: quarter turns against the clock, 0 to 3, after the flip."""
    channel_factors: Tensor | None = None
    """(B, C, 2): factors of brightness and contrast of each channel, on top of those of `color_factors`."""
    noise_std: Tensor | None = None
    """(B,) standard deviations in [0, 1]; 0 adds nothing."""
    noise_seeds: Tensor | None = None
    """(B,) int64: determine the noise of each image."""

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: slice | Tensor) -> "ViewParameters":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen: dict[str, Any] = {
            name: None if value is None else value[rows] for name, value in values.items()
        }
        return ViewParameters(**chosen)


def sample_parameters(
    batch: int,
    height: int,
    width: int,
    config: ViewsConfig,
    generator: torch.Generator,
    channels: int = 3,
) -> ViewParameters:
    """Draw the parameters of one view of each of `batch` images of height × width pixels.

    Distributions are those of torchvision's `RandomResizedCrop`, `RandomHorizontalFlip`, `ColorJitter`
    within `RandomApply`, `RandomGrayscale`, `GaussianBlur` within `RandomApply` and `RandomSolarize`,
    independent for every image. Each image takes the same number of draws whatever the configuration, so
    that switching one operation on or off leaves the parameters of the others as they were. Turns, noise and
    factors of single channels are functions of a seed that each image's draws give.

    Returns
    -------
    ViewParameters
        Parameters on the generator's device.

    Raises
    ------
    ValueError
        A size below 1, and operations that images of so many channels do not have.

    Examples
    --------
    >>> drawn = sample_parameters(8, 32, 32, ViewsConfig(), torch.Generator().manual_seed(0))
    >>> drawn.boxes.shape, drawn.color_order.shape, len(drawn[2:4])
    (torch.Size([8, 4]), torch.Size([8, 4]), 2)
    """
    if min(batch, height, width) < 1:
        raise ValueError(f"expected batch, height and width of at least 1, got {batch}, {height}, {width}")
    config = config.for_channels(channels)
    uniforms = torch.rand(batch, 2 * CROP_TRIES + 16, generator=generator, device=generator.device)
    areas, ratios, corner, chance, factor, order, sigma = torch.split(
        uniforms, [CROP_TRIES, CROP_TRIES, 2, 5, 4, 4, 1], dim=1
    )
    probabilities = (
        config.flip_probability,
        config.jitter_probability,
        config.grayscale_probability,
        config.blur_probability,
        config.solarize_probability,
    )
    flip, jitter, grayscale, blur, solarize = (
        chance < torch.tensor(probabilities, device=generator.device)
    ).unbind(1)
    jointly = config.jitter == "jointly"
    levels = [config.brightness, config.contrast]
    reach = torch.tensor(
        [*(levels if jointly else [0.0, 0.0]), config.saturation, config.hue], device=generator.device
    )
    centre = torch.tensor([1.0, 1.0, 1.0, 0.0], device=generator.device)
    lowest = (centre - reach).clamp(min=torch.tensor([0.0, 0.0, 0.0, -0.5], device=generator.device))
    seeds = image_seeds(uniforms) if _has_hashed(config) else uniforms
    return ViewParameters(
        boxes=_crop_boxes(areas, ratios, corner, height, width, config),
        flip=flip,
        color_factors=_between(factor, lowest, centre + reach).where(jitter[:, None], centre),
        color_order=order.argsort(dim=1),
        grayscale=grayscale,
        blur_sigma=_between(sigma[:, 0], *config.blur_sigma).where(blur, 0.0),
        solarize=solarize,
        turns=_turns(seeds, config) if config.turn_probability else None,
        channel_factors=None if jointly else _channel_factors(seeds, jitter, levels, channels),
        noise_std=_noise_std(seeds, config) if config.noise_probability else None,
        noise_seeds=seeds if config.noise_probability else None,
    )


# Which of an image's hashed numbers are whose: those of noise and channels go on without an end.
_TURN, _NOISE, _CHANNELS = 0, 2, 2**40


def _has_hashed(config: ViewsConfig) -> bool:
    return bool(config.turn_probability or config.noise_probability or config.jitter == "by_channel")


def _turns(seeds: Tensor, config: ViewsConfig) -> Tensor:
    chance, angle = hashed_uniforms(seeds, range(_TURN, _TURN + 2)).unbind(1)
    return (1 + (3 * angle).floor().long()).where(chance < config.turn_probability, 0)


def _noise_std(seeds: Tensor, config: ViewsConfig) -> Tensor:
    chance, size = hashed_uniforms(seeds, range(_NOISE, _NOISE + 2)).unbind(1)
    return _between(size, *config.noise_std).where(chance < config.noise_probability, 0.0)


def _channel_factors(seeds: Tensor, jitter: Tensor, levels: list[float], channels: int) -> Tensor:
    drawn = hashed_uniforms(seeds, range(_CHANNELS, _CHANNELS + 2 * channels)).view(-1, channels, 2)
    reach = torch.tensor(levels, device=seeds.device)
    return _between(drawn, (1 - reach).clamp(min=0), 1 + reach).where(jitter[:, None, None], 1.0)


def _between(uniforms: Tensor, lowest: Tensor | float, highest: Tensor | float) -> Tensor:
    return lowest + (highest - lowest) * uniforms


def _crop_boxes(
    areas: Tensor, ratios: Tensor, corner: Tensor, height: int, width: int, config: ViewsConfig
) -> Tensor:
    """torchvision's rule: the first of ten tries that fits, otherwise the largest central box allowed."""
    if tuple(config.crop_scale) == (1.0, 1.0):
        return torch.tensor([0, 0, height, width], device=areas.device).repeat(len(areas), 1)
    lowest, highest = config.crop_ratio
    area = height * width * _between(areas, *config.crop_scale)
    ratio = _between(ratios, math.log(lowest), math.log(highest)).exp()
    widths, heights = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    first = fits.byte().argmax(1, keepdim=True)
    size = torch.cat([heights.gather(1, first), widths.gather(1, first)], 1)
    room = torch.tensor([height, width], device=areas.device) - size
    boxes = torch.cat([(corner * (room + 1)).floor(), size], 1).long()
    fallback = torch.tensor(_central_box(height, width, lowest, highest), device=areas.device)
    return boxes.where(fits.any(1, keepdim=True), fallback)


def _central_box(height: int, width: int, lowest: float, highest: float) -> tuple[int, int, int, int]:
    box_height, box_width = height, width
    if width / height < lowest:
        box_height = round(width / lowest)
    elif width / height > highest:
        box_width = round(height * highest)
    # An image thinner than the allowed ratios can round to nothing.
    box_height, box_width = max(box_height, 1), max(box_width, 1)
    return (height - box_height) // 2, (width - box_width) // 2, box_height, box_width
