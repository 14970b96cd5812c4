"""What operations leave of statistics."""

import numpy as np
import pytest
import torch

from eigenstep.modes.augmentations import AugmentationSet, operations_of, view_agreement
from eigenstep.modes.statistics import image_statistics
from eigenstep.views import TwoViews, ViewsConfig

JITTER = ViewsConfig(**{**vars(ViewsConfig.none()), "jitter_probability": 1.0, "brightness": 0.4})


def test_agreement_is_the_correlation_of_both_views_taken_both_ways(hues):
    """The slow twin: NumPy's own correlation of the views after each other with the views the other way."""
    images = hues[0]
    found = view_agreement(images, [AugmentationSet("jitter", JITTER)], seed=3)
    a, b = TwoViews(JITTER, 16)(images, torch.Generator().manual_seed(3))
    first, second = image_statistics(a), image_statistics(b)
    for name in ("brightness", "chroma", "edge strength"):
        x, y = (each.values[:, each.names.index(name)] for each in (first, second))
        twin = np.corrcoef(np.concatenate([x, y]), np.concatenate([y, x]))[0, 1]
        assert found.of("jitter", name) == pytest.approx(twin, abs=1e-9)


def test_a_flip_leaves_levels_whole_and_nothing_of_left_and_right(hues):
    views = ViewsConfig(**{**vars(ViewsConfig.none()), "flip_probability": 0.5})
    found = view_agreement(hues[0], [AugmentationSet("flips", views)])
    assert found.of("flips", "brightness") == pytest.approx(1.0, abs=1e-6)
    assert "left-right brightness" in found.gone("flips")
    assert "nothing of" in found.sentence("flips")


def test_operations_are_those_of_the_set_as_strong_as_there():
    alone = {each.name: each.views for each in operations_of(ViewsConfig(noise_probability=0.3))}
    assert set(alone) == {"crop", "flip", "brightness", "contrast", "saturation", "hue", "grey", "noise"}
    assert alone["hue"].brightness == 0
    assert alone["hue"].hue == 0.1
    assert alone["hue"].jitter_probability == 0.8
    assert alone["noise"].noise_probability == 0.3
    assert alone["noise"].crop_scale == (1.0, 1.0)
    assert "hue" not in {each.name for each in operations_of(ViewsConfig(), channels=2)}


def test_statistics_that_do_not_exist_or_do_not_vary_are_named(hues):
    grey = hues[0][:, :1]
    found = view_agreement(grey, [AugmentationSet("none", ViewsConfig.none())])
    assert "chroma" in found.left_out
    assert np.nanmin(found.values) > 1 - 1e-6


def test_constant_images_are_refused_in_one_line():
    with pytest.raises(ValueError, match="constant"):
        view_agreement(
            torch.full((9, 3, 16, 16), 80, dtype=torch.uint8), [AugmentationSet("a", ViewsConfig())]
        )
