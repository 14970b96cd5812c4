"""How the two views of an image may differ."""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Normalize = Literal["data", "imagenet", "none"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# What there is to change of red, green and blue alone, and SimCLR's values for them.
COLOR_DEFAULTS = {"saturation": 0.4, "hue": 0.1, "grayscale_probability": 0.2}
COLOR_OPERATIONS = (*COLOR_DEFAULTS, "solarize_probability")

# The side of local views over that of global ones: 96 over 224 pixels, as in SwAV's and DINO's recipes.
LOCAL_SHARE = 96 / 224


@dataclass(frozen=True)
class ViewsConfig:
    """How the two views of an image may differ.

    The defaults are SimCLR's augmentation of 32-pixel images (Chen et al. 2020, appendix B.9: colour
    strength 0.5, no blur), with the magnitudes, the ImageNet normalisation and the order of operations of
    lightly's `SimCLRTransform(cj_strength=0.5, gaussian_blur=0)`. For larger images use strength 1
    (brightness, contrast, saturation 0.8, hue 0.2) and `blur_probability=0.5`.

    Options that are left at None depend on the number of channels; see `for_channels`.

    Raises
    ------
    ValueError
        A probability outside [0, 1], a range that is not (min, max), a magnitude out of bounds, mean and std
        that do not belong together.

    Examples
    --------
    >>> ViewsConfig(blur_probability=0.5).for_channels(3).hue
    0.1
    """

    crop_scale: tuple[float, float] = (0.08, 1.0)
    """Area of the crop as a fraction of the image, (min, max); (1, 1) takes the whole image."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Width over height of the crop, (min, max), drawn uniformly in its logarithm."""
    flip_probability: float = 0.5
    """Probability of a horizontal flip."""
    turn_probability: float = 0.0
    """Probability of a turn by 90, 180 or 270 degrees, for images without an up and down."""
    jitter_probability: float = 0.8
    """Probability of the jitter (brightness, contrast, saturation, hue in random order)."""
    jitter: Literal["jointly", "by_channel"] = "jointly"
    """Brightness and contrast change all channels by one factor, or each channel by a factor of its own."""
    brightness: float = 0.4
    """Brightness factor is uniform in [max(0, 1 - x), 1 + x]."""
    contrast: float = 0.4
    """Contrast factor is uniform in [max(0, 1 - x), 1 + x]."""
    saturation: float | None = None
    """Saturation factor is uniform in [max(0, 1 - x), 1 + x]; default: 0.4 for three channels, else 0."""
    hue: float | None = None
    """Hue shift is uniform in [-x, x], in turns of the colour circle, at most 0.5; default: 0.1 for three
    channels, else 0."""
    grayscale_probability: float | None = None
    """Probability of dropping the colours; default: 0.2 for three channels, else 0."""
    blur_probability: float = 0.0
    """Probability of the Gaussian blur."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Standard deviation of the blur in pixels, (min, max)."""
    solarize_probability: float = 0.0
    """Probability of inverting the bright pixels; for three channels only."""
    solarize_threshold: float = 0.5
    """Pixels of at least this value are inverted, in [0, 1]."""
    noise_probability: float = 0.0
    """Probability of adding Gaussian noise, drawn for every pixel and channel."""
    noise_std: tuple[float, float] = (0.01, 0.05)
    """Standard deviation of the noise, (min, max), where the images' range is [0, 1]."""
    normalize: Normalize | None = None
    """Subtract a mean from each channel and divide by a standard deviation: those of the data set or of
    ImageNet; with none, views lie in [0, 1]. Default: imagenet for three channels of 8 bits, else data."""
    mean: tuple[float, ...] | None = None
    """Mean of each channel in [0, 1], for normalize=data; default: that of the data set, computed once."""
    std: tuple[float, ...] | None = None
    """Standard deviation of each channel, for normalize=data; default: that of the data set."""
    global_views: int = 2
    """How many views of an image are large crops, by crop_scale; the first two are measured."""
    local_views: int = 0
    """How many further views are small crops, for the losses that take them (SwAV and DINO: 6)."""
    local_size: int | None = None
    """Side of local views in pixels; default: 96/224 of that of the others, as in SwAV and DINO."""
    local_area: tuple[float, float] = (0.05, 0.4)
    """Area of a local crop as a fraction of the image, (min, max); DINO's, with crop_scale (0.4, 1)."""
    own: str | None = None
    """Do not set this: it is the name that a run gives to views passed as `train(views=...)`."""

    def __post_init__(self) -> None:
        for name in ("flip", "turn", "jitter", "grayscale", "blur", "solarize", "noise"):
            _check_within(f"{name}_probability", getattr(self, f"{name}_probability"), 0.0, 1.0)
        for name in ("brightness", "contrast", "saturation"):
            _check_within(name, getattr(self, name), 0.0, math.inf)
        _check_within("hue", self.hue, 0.0, 0.5)
        _check_within("solarize_threshold", self.solarize_threshold, 0.0, 1.0)
        _check_range("crop_scale", self.crop_scale, highest=1.0)
        _check_range("local_area", self.local_area, highest=1.0)
        for count, least in (("global_views", 2), ("local_views", 0), ("local_size", 1)):
            if (value := getattr(self, count)) is not None and value < least:
                raise ValueError(f"{count}: expected at least {least}, got {value}")
        _check_range("crop_ratio", self.crop_ratio, highest=math.inf)
        _check_range("blur_sigma", self.blur_sigma, highest=math.inf)
        _check_range("noise_std", self.noise_std, highest=1.0)
        for name, allowed in (("jitter", ("jointly", "by_channel")), ("normalize", _NORMALIZE)):
            if getattr(self, name) not in allowed:
                words = ", ".join(value for value in allowed if value)
                raise ValueError(f"{name}: expected one of {words}, got {getattr(self, name)!r}")
        self._check_scale()

    def for_channels(self, channels: int, dtype: "torch.dtype | None" = None) -> "ViewsConfig":
        """The configuration with what it leaves open filled in, for images of so many channels.

        At three channels the colour operations have SimCLR's values, elsewhere they are off. Images of three
        channels of 8 bits are normalised by ImageNet's mean and standard deviation, others by those of their
        data set, which are `mean` and `std`, and still missing where `needs_statistics` holds.

        Parameters
        ----------
        channels : int
            C of images (B, C, H, W).
        dtype : torch.dtype | None
            As which the images are stored; default: uint8.

        Raises
        ------
        ValueError
            For operations on colours where there are not three channels, and for a mean and a standard
            deviation of another number of channels; in one line that says what to set.

        Examples
        --------
        >>> ViewsConfig().for_channels(5).hue, ViewsConfig().for_channels(5).normalize
        (0.0, 'data')
        """
        if channels < 1:
            raise ValueError(f"channels: expected at least 1, got {channels}")
        asked = [name for name in COLOR_OPERATIONS if getattr(self, name)]
        if channels != 3 and asked:
            words = {name: f"views.{name} {getattr(self, name):g}" for name in asked}
            options = " ".join(f"--views.{name.replace('_', '-')} 0" for name in asked)
            raise ValueError(
                f"{', '.join(words.values())}: expected images of three channels, red, green and blue, got"
                f" {_channels(channels)}; set {options}"
            )
        defaults = COLOR_DEFAULTS if channels == 3 else dict.fromkeys(COLOR_DEFAULTS, 0.0)
        changes: dict[str, Any] = {
            name: value for name, value in defaults.items() if getattr(self, name) is None
        }
        normalize = self.normalize
        if normalize is None:
            has_bytes = dtype is None or str(dtype) == "torch.uint8"
            of_imagenet = channels == 3 and has_bytes and self.mean is None
            normalize = "imagenet" if of_imagenet else "data"
        if normalize == "imagenet":
            if channels != 3:
                raise ValueError(
                    f"views.normalize imagenet: expected images of three channels, got {_channels(channels)};"
                    " set --views.normalize data"
                )
            changes |= {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
        elif normalize == "data" and self.mean is not None and len(self.mean) != channels:
            raise ValueError(
                f"views.mean and views.std: expected a value for each of {_channels(channels)}, got"
                f" {len(self.mean)}; leave both out and they are those of the data set"
            )
        return dataclasses.replace(self, normalize=normalize, **changes)

    @property
    def crops(self) -> str | None:
        """What there are of views beside two, in words for an error; None where there are two.

        Examples
        --------
        >>> ViewsConfig(global_views=3, local_views=6).crops, ViewsConfig().crops
        ('views.global_views 3, views.local_views 6', None)
        """
        more = {"global_views": self.global_views > 2, "local_views": self.local_views > 0}
        return ", ".join(f"views.{name} {getattr(self, name)}" for name in more if more[name]) or None

    def refuse_crops(self, what: str) -> None:
        """Raise ValueError, in one line, if there are more than two views; `what` knows two."""
        if self.crops:
            raise ValueError(
                f"{self.crops}: {what} two views only; expected --views.global-views 2 --views.local-views 0"
            )

    def side_of_local(self, image_size: int) -> int:
        """The side of local views in pixels, beside global ones of `image_size`.

        Examples
        --------
        >>> ViewsConfig(local_views=6).side_of_local(224)
        96
        """
        return self.local_size or max(1, round(LOCAL_SHARE * image_size))

    @property
    def needs_statistics(self) -> bool:
        """Whether mean and standard deviation are to be those of the data set, and not known yet."""
        return self.normalize == "data" and self.mean is None

    @classmethod
    def none(
        cls,
        normalize: Normalize | None = "none",
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> "ViewsConfig":
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
            normalize=normalize,
            mean=mean,
            std=std,
        )

    def unscaled(self) -> "ViewsConfig":
        """The configuration without normalisation, so that values of views stay those of images.

        Examples
        --------
        >>> ViewsConfig(normalize="imagenet").unscaled().normalize
        'none'
        """
        return dataclasses.replace(self, normalize="none", mean=None, std=None)

    @staticmethod
    def of_older(tree: dict[str, Any]) -> dict[str, Any]:
        """The tree of a configuration that was written when `normalize` was true or false."""
        if not isinstance(tree.get("normalize"), bool):
            return tree
        tree = dict(tree)
        if not tree["normalize"]:
            return tree | {"normalize": "none", "mean": None, "std": None}
        mean, std = tree.get("mean", IMAGENET_MEAN), tree.get("std", IMAGENET_STD)
        is_imagenet = any((mean, std) == (kind(IMAGENET_MEAN), kind(IMAGENET_STD)) for kind in (tuple, list))
        return tree | {"normalize": "imagenet" if is_imagenet else "data", "mean": mean, "std": std}

    def _check_scale(self) -> None:
        mean, std = self.mean, self.std
        if (mean is None) != (std is None):
            given, missing = ("mean", "std") if std is None else ("std", "mean")
            raise ValueError(f"{missing}: expected as many numbers as {given} has, got none; set both")
        if mean is None or std is None:
            return
        if not mean or not all(math.isfinite(value) for value in mean):
            raise ValueError(f"mean: expected a finite number for each channel, got {mean}")
        if len(std) != len(mean) or not all(0 < value < math.inf for value in std):
            raise ValueError(f"std: expected a positive number for each of {len(mean)} channels, got {std}")
        if self.normalize == "imagenet" and (tuple(mean), tuple(std)) != (IMAGENET_MEAN, IMAGENET_STD):
            raise ValueError(
                f"mean: expected ImageNet's for normalize imagenet, {IMAGENET_MEAN}, got {mean};"
                " set normalize to data"
            )


_NORMALIZE = ("data", "imagenet", "none", None)


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def _check_within(name: str, value: float | None, lowest: float, highest: float) -> None:
    if value is not None and not (math.isfinite(value) and lowest <= value <= highest):
        interval = f"in [{lowest:g}, {highest:g}]" if highest < math.inf else f"of at least {lowest:g}"
        raise ValueError(f"{name}: expected a number {interval}, got {value}")


def _check_range(name: str, value: tuple[float, float], highest: float) -> None:
    if len(value) != 2 or not 0 < value[0] <= value[1] <= highest or not math.isfinite(value[1]):
        bound = f" <= {highest:g}" if highest < math.inf else ""
        raise ValueError(f"{name}: expected (min, max) with 0 < min <= max{bound}, got {value}")
