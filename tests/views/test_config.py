import dataclasses

import pytest

from eigenstep.views import ViewsConfig


def test_defaults_are_lightlys_simclr_on_small_images():
    transforms = pytest.importorskip("lightly.transforms.simclr_transform")
    pipeline = transforms.SimCLRViewTransform(
        input_size=32, cj_strength=0.5, gaussian_blur=0.0
    ).transform.transforms
    crop, flip, _, _, jitter, grey, _, _, normalize = pipeline
    config = ViewsConfig()
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
            for name in ("flip", "jitter", "grayscale", "blur", "solarize")
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
        ("mean", (0.5, 0.5)),
        ("mean", (0.5, 0.5, float("nan"))),
        ("std", (0.5, 0.5, 0.0)),
    ],
)
def test_impossible_values_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"^{field}: expected"):
        ViewsConfig(**{field: value})


def test_every_field_can_be_set_and_is_frozen():
    config = ViewsConfig(blur_probability=0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.blur_probability = 0.1
    assert dataclasses.replace(config, hue=0.0) == ViewsConfig(blur_probability=0.5, hue=0.0)
