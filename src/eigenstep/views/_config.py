import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ViewsConfig:
    """What the two views of an image may differ in.

    The defaults are SimCLR's augmentation of 32-pixel images (Chen et al. 2020, appendix B.9: colour
    strength 0.5, no blur), with the magnitudes, the ImageNet normalisation and the order of operations of
    lightly's `SimCLRTransform(cj_strength=0.5, gaussian_blur=0)`. For larger images use strength 1
    (brightness, contrast, saturation 0.8, hue 0.2) and `blur_probability=0.5`.

    Raises:
        ValueError: a probability outside [0, 1], a range that is not (min, max), a magnitude out of bounds.

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


def _check_within(name: str, value: float, lowest: float, highest: float) -> None:
    if not (math.isfinite(value) and lowest <= value <= highest):
        interval = f"in [{lowest:g}, {highest:g}]" if highest < math.inf else f"of at least {lowest:g}"
        raise ValueError(f"{name}: expected a number {interval}, got {value}")


def _check_range(name: str, value: tuple[float, float], highest: float) -> None:
    if len(value) != 2 or not 0 < value[0] <= value[1] <= highest or not math.isfinite(value[1]):
        bound = f" <= {highest:g}" if highest < math.inf else ""
        raise ValueError(f"{name}: expected (min, max) with 0 < min <= max{bound}, got {value}")
