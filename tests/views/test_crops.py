"""More than two views: which they are, of what size, and the same in parts as in whole."""

import dataclasses

import pytest
import torch

from eigenstep.views import Crops, TwoViews, ViewsConfig

CONFIG = ViewsConfig(global_views=3, local_views=2, noise_probability=0.5)


def images_of(batch=12, side=24):
    return torch.rand(batch, 3, side, side, generator=seeded(5))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_two_views_are_those_of_two_views_to_the_bit_whatever_follows():
    expected = TwoViews(CONFIG, 16)(images_of(), seeded())
    for config in (dataclasses.replace(CONFIG, global_views=2, local_views=0), CONFIG):
        views = Crops(config, 16)(images_of(), seeded())
        assert len(views) == config.global_views + config.local_views
        assert all(torch.equal(one, other) for one, other in zip(views, expected, strict=False))


def test_global_views_come_first_and_all_views_differ():
    views = Crops(CONFIG, 16)(images_of(), seeded())
    assert [view.shape[2:] for view in views] == [(16, 16)] * 3 + [(7, 7)] * 2
    for place, view in enumerate(views):
        assert not any(torch.equal(view, other) for other in views[:place])


@pytest.mark.parametrize(("image_size", "given", "expected"), [(224, None, 96), (32, None, 14), (32, 8, 8)])
def test_local_views_have_the_recipes_share_of_the_side_unless_told(image_size, given, expected):
    assert ViewsConfig(local_views=1, local_size=given).side_of_local(image_size) == expected


def test_local_crops_have_their_own_area_and_the_same_other_operations():
    """Of a picture of its coordinates a crop without anything else shows how much of it there is."""
    rows, columns = torch.meshgrid(*2 * [torch.linspace(0, 1, 64)], indexing="ij")
    images = torch.stack([rows, columns, rows]).expand(200, 3, 64, 64).contiguous()
    config = dataclasses.replace(
        ViewsConfig.none(), crop_scale=(0.5, 0.6), local_views=1, local_size=64, local_area=(0.1, 0.2)
    )
    *whole, local = Crops(config, 64)(images, seeded())

    def areas(view):
        high, wide = (view[:, at].amax((1, 2)) - view[:, at].amin((1, 2)) for at in (0, 1))
        return high * wide

    for view, (lowest, highest) in ((whole[0], (0.5, 0.6)), (whole[1], (0.5, 0.6)), (local, (0.1, 0.2))):
        found = areas(view)
        assert lowest - 0.04 < found.min() < found.max() < highest + 0.01
    flipped = Crops(dataclasses.replace(config, flip_probability=1.0), 64)(images, seeded())
    assert all(torch.equal(one.flip(3), other) for one, other in zip((*whole, local), flipped, strict=True))


def test_parts_of_a_batch_get_the_views_of_the_whole_batch():
    whole = Crops(CONFIG, 16)(images_of(), seeded())
    parts = [Crops(CONFIG, 16)(images_of()[6 * at :][:6], seeded(), at, 2) for at in range(2)]
    for at, view in enumerate(whole):
        assert torch.equal(torch.cat([part[at] for part in parts]), view)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"global_views": 1}, "global_views: expected at least 2, got 1"),
        ({"local_views": -1}, "local_views: expected at least 0, got -1"),
        ({"local_size": 0}, "local_size: expected at least 1, got 0"),
        ({"local_area": (0.5, 0.2)}, r"local_area: expected \(min, max\)"),
    ],
)
def test_counts_and_areas_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ViewsConfig(**options)
