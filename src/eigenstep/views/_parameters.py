"""What the two views of an image may differ in, and what one view's random choices are."""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

# Boxes that are drawn for each image before the central one is taken, as in torchvision.
CROP_TRIES = 10


@dataclass(frozen=True)
class ViewsConfig:
    """What the two views of an image may differ in.

    The defaults are SimCLR's augmentation of 32-pixel images (Chen et al. 2020, appendix B.9: colour
    strength 0.5, no blur), with the magnitudes, the ImageNet normalisation and the order of operations of
    lightly's `SimCLRTransform(cj_strength=0.5, gaussian_blur=0)`. For larger images use strength 1
    (brightness, contrast, saturation 0.8, hue 0.2) and `blur_probability=0.5`.

    Raises
    ------
    ValueError
        A probability outside [0, 1], a range that is not (min, max), a magnitude out of bounds.

    Examples
    --------
    >>> ViewsConfig(blur_probability=0.5).hue
    0.1
    """

    crop_scale: tuple[float, float] = (0.08, 1.0)
    """Area of the crop as a fraction of the image, (min, max); (1, 1) takes the whole image."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Width over height of the crop, (min, max), drawn uniformly in its logarithm."""
    flip_probability: float = 0.5
    """Probability of a horizontal flip."""
    jitter_probability: float = 0.8
    """Probability of the colour jitter (brightness, contrast, saturation, hue in random order)."""
    brightness: float = 0.4
    """Brightness factor is uniform in [max(0, 1 - x), 1 + x]."""
    contrast: float = 0.4
    """Contrast factor is uniform in [max(0, 1 - x), 1 + x]."""
    saturation: float = 0.4
    """Saturation factor is uniform in [max(0, 1 - x), 1 + x]."""
    hue: float = 0.1
    """Hue shift is uniform in [-x, x], in turns of the colour circle; at most 0.5."""
    grayscale_probability: float = 0.2
    """Probability of dropping the colours."""
    blur_probability: float = 0.0
    """Probability of the Gaussian blur."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Standard deviation of the blur in pixels, (min, max)."""
    solarize_probability: float = 0.0
    """Probability of inverting the bright pixels."""
    solarize_threshold: float = 0.5
    """Pixels of at least this value are inverted, in [0, 1]."""
    normalize: bool = True
    """Subtract the mean and divide by the standard deviation; otherwise views lie in [0, 1]."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Mean of red, green, blue for the normalisation."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Standard deviation of red, green, blue for the normalisation."""

    def __post_init__(self) -> None:
        for name in ("flip", "jitter", "grayscale", "blur", "solarize"):
            _check_within(f"{name}_probability", getattr(self, f"{name}_probability"), 0.0, 1.0)
        for name in ("brightness", "contrast", "saturation"):
            _check_within(name, getattr(self, name), 0.0, math.inf)
        _check_within("hue", self.hue, 0.0, 0.5)
        _check_within("solarize_threshold", self.solarize_threshold, 0.0, 1.0)
        _check_range("crop_scale", self.crop_scale, highest=1.0)
        _check_range("crop_ratio", self.crop_ratio, highest=math.inf)
        _check_range("blur_sigma", self.blur_sigma, highest=math.inf)
        if len(self.mean) != 3 or not all(math.isfinite(value) for value in self.mean):
            raise ValueError(f"mean: expected three finite numbers (red, green, blue), got {self.mean}")
        if len(self.std) != 3 or not all(0 < value < math.inf for value in self.std):
            raise ValueError(f"std: expected three positive numbers (red, green, blue), got {self.std}")

    @classmethod
    def none(cls, normalize: bool = False) -> "ViewsConfig":
        """Every random operation off: both views are the whole image, resized.

        Examples
        --------
        >>> ViewsConfig.none().jitter_probability
        0.0
        """
        return cls(
            crop_scale=(1.0, 1.0),
            flip_probability=0.0,
            jitter_probability=0.0,
            grayscale_probability=0.0,
            blur_probability=0.0,
            solarize_probability=0.0,
            normalize=normalize,
        )


@dataclass(frozen=True)
class ViewParameters:
    """The random choices behind one view of each of B images.

    `parameters[3:5]` are those of two of the images; the length is B.
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

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: slice | Tensor) -> "ViewParameters":
        return ViewParameters(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def sample_parameters(
    batch: int, height: int, width: int, config: ViewsConfig, generator: torch.Generator
) -> ViewParameters:
    """Draw the parameters of one view of each of `batch` images of height × width pixels.

    Distributions are those of torchvision's `RandomResizedCrop`, `RandomHorizontalFlip`, `ColorJitter`
    within `RandomApply`, `RandomGrayscale`, `GaussianBlur` within `RandomApply` and `RandomSolarize`,
    independent for every image. Each image takes the same number of draws whatever the configuration, so
    that switching one operation on or off leaves the parameters of the others as they were.

    Returns
    -------
    ViewParameters
        Parameters on the generator's device.

    Raises
    ------
    ValueError
        A size below 1.

    Examples
    --------
    >>> drawn = sample_parameters(8, 32, 32, ViewsConfig(), torch.Generator().manual_seed(0))
    >>> drawn.boxes.shape, drawn.color_order.shape, len(drawn[2:4])
    (torch.Size([8, 4]), torch.Size([8, 4]), 2)
    """
    if min(batch, height, width) < 1:
        raise ValueError(f"expected batch, height and width of at least 1, got {batch}, {height}, {width}")
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
    reach = torch.tensor(
        [config.brightness, config.contrast, config.saturation, config.hue], device=generator.device
    )
    centre = torch.tensor([1.0, 1.0, 1.0, 0.0], device=generator.device)
    lowest = (centre - reach).clamp(min=torch.tensor([0.0, 0.0, 0.0, -0.5], device=generator.device))
    return ViewParameters(
        boxes=_crop_boxes(areas, ratios, corner, height, width, config),
        flip=flip,
        color_factors=_between(factor, lowest, centre + reach).where(jitter[:, None], centre),
        color_order=order.argsort(dim=1),
        grayscale=grayscale,
        blur_sigma=_between(sigma[:, 0], *config.blur_sigma).where(blur, 0.0),
        solarize=solarize,
    )


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


def _check_within(name: str, value: float, lowest: float, highest: float) -> None:
    if not (math.isfinite(value) and lowest <= value <= highest):
        interval = f"in [{lowest:g}, {highest:g}]" if highest < math.inf else f"of at least {lowest:g}"
        raise ValueError(f"{name}: expected a number {interval}, got {value}")


def _check_range(name: str, value: tuple[float, float], highest: float) -> None:
    if len(value) != 2 or not 0 < value[0] <= value[1] <= highest or not math.isfinite(value[1]):
        bound = f" <= {highest:g}" if highest < math.inf else ""
        raise ValueError(f"{name}: expected (min, max) with 0 < min <= max{bound}, got {value}")
