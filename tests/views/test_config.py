import dataclasses

import pytest
import torch

from eigenstep.record import as_dataclass
from eigenstep.views import IMAGENET_MEAN, IMAGENET_STD, ViewsConfig


def test_defaults_are_lightlys_simclr_on_small_images():
    transforms = pytest.importorskip("lightly.transforms.simclr_transform")
    pipeline = transforms.SimCLRViewTransform(
        input_size=32, cj_strength=0.5, gaussian_blur=0.0
    ).transform.transforms
    crop, flip, _, _, jitter, grey, _, _, normalize = pipeline
    config = ViewsConfig().for_channels(3)
    assert tuple(config.crop_scale) == tuple(crop.scale)
    assert tuple(config.crop_ratio) == pytest.approx(tuple(crop.ratio))
    assert config.flip_probability == flip.p
    assert config.jitter_probability == jitter.p
    for name in ("brightness", "contrast", "saturation"):
        reach = getattr(config, name)
        assert getattr(jitter.transforms[0], name) == pytest.approx((1 - reach, 1 + reach))
    assert jitter.transforms[0].hue == pytest.approx((-config.hue, config.hue))
    assert config.grayscale_probability == grey.p
    assert config.blur_probability == 0
    assert config.solarize_probability == 0
    assert list(config.mean) == list(normalize.mean)
    assert list(config.std) == list(normalize.std)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            (f"{name}_probability", bad)
            for name in ("flip", "turn", "jitter", "grayscale", "blur", "solarize", "noise")
            for bad in (-0.1, 1.1)
        ),
        ("flip_probability", float("nan")),
        ("brightness", -0.1),
        ("contrast", float("inf")),
        ("saturation", float("nan")),
        ("hue", 0.6),
        ("solarize_threshold", 1.5),
        ("crop_scale", (0.0, 1.0)),
        ("crop_scale", (0.5, 1.5)),
        ("crop_scale", (0.8, 0.2)),
        ("crop_ratio", (1.0, 0.5)),
        ("crop_ratio", (0.0, 1.0)),
        ("crop_ratio", (1.0, float("inf"))),
        ("blur_sigma", (2.0, 0.1)),
        ("blur_sigma", (0.0, 1.0)),
        ("blur_sigma", (1.0,)),
        ("noise_std", (0.0, 0.1)),
        ("noise_std", (0.1, 1.1)),
        ("jitter", "each"),
        ("normalize", True),
        ("normalize", "imagenet1k"),
    ],
)
def test_impossible_values_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"^{field}: expected"):
        ViewsConfig(**{field: value})


@pytest.mark.parametrize(
    ("mean", "std", "named"),
    [
        ((0.5, 0.5), None, "std"),
        (None, (0.5,), "mean"),
        ((0.5, 0.5), (0.5,), "std"),
        ((), (), "mean"),
        ((0.5, 0.5, float("nan")), (0.5,) * 3, "mean"),
        ((0.5,) * 3, (0.5, 0.5, 0.0), "std"),
    ],
)
def test_mean_and_std_belong_together(mean, std, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        ViewsConfig(mean=mean, std=std)


def test_imagenets_normalisation_has_no_other_numbers():
    with pytest.raises(ValueError, match="set normalize to data"):
        ViewsConfig(normalize="imagenet", mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.mark.parametrize("channels", [1, 2, 4, 12])
def test_without_three_channels_nothing_is_done_to_colours(channels):
    config = ViewsConfig().for_channels(channels)
    assert (config.saturation, config.hue, config.grayscale_probability) == (0, 0, 0)
    assert (config.normalize, config.mean, config.needs_statistics) == ("data", None, True)
    assert config.for_channels(channels) == config


@pytest.mark.parametrize(
    ("dtype", "normalize"), [(torch.uint8, "imagenet"), (torch.uint16, "data"), (torch.float32, "data")]
)
def test_three_channels_are_colours_and_of_8_bits_imagenets(dtype, normalize):
    config = ViewsConfig().for_channels(3, dtype)
    assert (config.saturation, config.hue, config.grayscale_probability) == (0.4, 0.1, 0.2)
    assert config.normalize == normalize
    assert (config.mean == IMAGENET_MEAN) == (config.std == IMAGENET_STD) == (normalize == "imagenet")


@pytest.mark.parametrize("name", ["saturation", "hue", "grayscale_probability", "solarize_probability"])
def test_a_change_of_colours_without_three_channels_is_refused_with_what_to_set(name):
    option = f"--views.{name.replace('_', '-')} 0"
    with pytest.raises(ValueError, match=rf"views\.{name} 0\.3: .* got 1 channel; set {option}$") as refused:
        ViewsConfig(**{name: 0.3}).for_channels(1)
    assert "\n" not in str(refused.value)
    assert getattr(ViewsConfig(**{name: 0.0}).for_channels(1), name) == 0


def test_a_scale_of_other_channels_is_refused():
    with pytest.raises(ValueError, match=r"views\.mean and views\.std: .* each of 5 channels, got 3"):
        ViewsConfig(mean=(0.5,) * 3, std=(0.5,) * 3).for_channels(5)
    with pytest.raises(ValueError, match=r"set --views\.normalize data"):
        ViewsConfig(normalize="imagenet").for_channels(5)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"normalize": True}, ViewsConfig(normalize="imagenet")),
        ({"normalize": False}, ViewsConfig(normalize="none")),
        (
            {"normalize": True, "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)},
            ViewsConfig(normalize="imagenet"),
        ),
        (
            {"normalize": True, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]},
            ViewsConfig(normalize="data", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)),
        ),
        ({"normalize": True, "mean": [0.4] * 3}, ViewsConfig(mean=(0.4,) * 3, std=IMAGENET_STD)),
        ({"normalize": False, "mean": [0.4] * 3, "std": [0.2] * 3}, ViewsConfig(normalize="none")),
        ({"hue": 0.0}, ViewsConfig(hue=0.0)),
    ],
)
def test_what_earlier_releases_wrote_means_what_it_did(tree, expected):
    assert as_dataclass(ViewsConfig, tree).for_channels(3) == expected.for_channels(3)


def test_every_field_can_be_set_and_is_frozen():
    config = ViewsConfig(blur_probability=0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.blur_probability = 0.1
    assert dataclasses.replace(config, hue=0.0) == ViewsConfig(blur_probability=0.5, hue=0.0)
