import itertools

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from eigenstep.views import color_jitter

ADJUSTMENTS = [
    reference.adjust_brightness,
    reference.adjust_contrast,
    reference.adjust_saturation,
    reference.adjust_hue,
]
NEUTRAL = torch.tensor([1.0, 1.0, 1.0, 0.0])
ORDERS = torch.tensor(list(itertools.permutations(range(4))))


def reference_jitter(image, factors, order):
    for operation in order.tolist():
        image = ADJUSTMENTS[operation](image, factors[operation].item())
    return image


def random_factors(batch, generator):
    factors = 2.5 * torch.rand(batch, 4, generator=generator)
    factors[:, 3] = factors[:, 3] / 2.5 - 0.5
    return factors


def test_equals_torchvisions_adjustments_in_every_order():
    generator = torch.Generator().manual_seed(0)
    order = ORDERS.repeat(4, 1)[torch.randperm(96, generator=generator)]
    images, factors = torch.rand(96, 3, 12, 9, generator=generator), random_factors(96, generator)
    views = color_jitter(images, factors, order)
    for view, *sample in zip(views, images, factors, order, strict=True):
        torch.testing.assert_close(view, reference_jitter(*sample), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("operation", range(4))
def test_each_operation_alone_equals_torchvisions(operation):
    generator = torch.Generator().manual_seed(operation)
    images, factors = torch.rand(64, 3, 8, 8, generator=generator), NEUTRAL.repeat(64, 1)
    factors[:, operation] = random_factors(64, generator)[:, operation]
    views = color_jitter(images, factors, ORDERS[torch.arange(64) % 24])
    for view, image, factor in zip(views, images, factors, strict=True):
        expected = ADJUSTMENTS[operation](image, factor[operation].item())
        torch.testing.assert_close(view, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("turn", [-0.5, -0.34, -1 / 3, -0.01, 0.01, 1 / 6, 0.33, 0.5])
def test_hue_equals_torchvisions_where_channels_tie_or_vanish(turn):
    levels = torch.tensor([0.0, 1e-20, 1e-7, 0.25, 0.5, 0.5 + 6e-8, 1.0 - 6e-8, 1.0])
    images = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, -1, 1)
    factors = torch.tensor([[1.0, 1.0, 1.0, turn]])
    view = color_jitter(images, factors, ORDERS[:1])
    torch.testing.assert_close(view[0], reference.adjust_hue(images[0], turn), rtol=0, atol=2e-6)


def test_hue_of_extreme_colours_stays_in_range():
    images = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    images[:, 0] = 1
    images[1::2, 1] = 0
    factors = NEUTRAL.repeat(64, 1)
    factors[:, 3] = torch.linspace(-0.5, 0.5, 64)
    views = color_jitter(images, factors, torch.tensor([[0, 1, 2, 3]]).repeat(64, 1))
    assert views.min() >= 0
    assert views.max() <= 1


def test_neutral_images_come_back_bit_for_bit_among_others():
    generator = torch.Generator().manual_seed(0)
    images, factors = torch.rand(40, 3, 8, 8, generator=generator), random_factors(40, generator)
    factors[::3] = NEUTRAL
    views = color_jitter(images, factors, ORDERS[torch.arange(40) % 24])
    assert torch.equal(views[::3], images[::3])
    assert not (views[1::3] == images[1::3]).flatten(1).all(1).any()


def test_a_batch_of_neutral_images_is_unchanged_and_not_aliased():
    images = torch.rand(3, 3, 4, 4)
    views = color_jitter(images, NEUTRAL.repeat(3, 1), ORDERS[:3])
    assert torch.equal(views, images)
    assert views.data_ptr() != images.data_ptr()


def test_no_image_depends_on_the_others():
    generator = torch.Generator().manual_seed(0)
    images, factors = torch.rand(24, 3, 8, 8, generator=generator), random_factors(24, generator)
    views = color_jitter(images, factors, ORDERS)
    for k in range(24):
        alone = color_jitter(images[k : k + 1], factors[k : k + 1], ORDERS[k : k + 1])
        torch.testing.assert_close(alone[0], views[k], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("factors", "order", "message"),
    [
        ([-0.1, 1, 1, 0], [0, 1, 2, 3], "at least 0"),
        ([float("nan"), 1, 1, 0], [0, 1, 2, 3], "at least 0"),
        ([1, 1, float("inf"), 0], [0, 1, 2, 3], "at least 0"),
        ([1, 1, 1, 0.6], [0, 1, 2, 3], "hue"),
        ([1, 1, 1], [0, 1, 2, 3], r"expected \(B, 4\)"),
        ([1, 1, 1, 0], [0, 1, 2, 2], "permutation"),
        ([1, 1, 1, 0], [0, 1, 2], "permutation"),
    ],
)
def test_bad_parameters_are_refused(factors, order, message):
    with pytest.raises(ValueError, match=message):
        color_jitter(
            torch.rand(1, 3, 4, 4), torch.tensor([factors], dtype=torch.float32), torch.tensor([order])
        )


def test_wrong_counts_are_refused():
    with pytest.raises(ValueError, match="factors: expected one entry for each of the 2 images"):
        color_jitter(torch.rand(2, 3, 4, 4), NEUTRAL[None], ORDERS[:2])
    with pytest.raises(ValueError, match="order: expected one entry for each of the 2 images"):
        color_jitter(torch.rand(2, 3, 4, 4), NEUTRAL.repeat(2, 1), ORDERS[:1])
