"""Views of images of any number of channels and stored type, against torchvision and NumPy."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm
from torchvision.transforms.v2 import functional as reference

from eigenstep.views import (
    TwoViews,
    ViewsConfig,
    color_jitter,
    gaussian_blur,
    gaussian_noise,
    normalize,
    quarter_turns,
    resized_crop,
    sample_parameters,
    solarize,
)

CHANNELS = [1, 3, 4, 12]
PLAIN = ViewsConfig(normalize="none")
EVERYTHING = ViewsConfig(
    turn_probability=0.7, blur_probability=0.5, noise_probability=0.6, jitter="by_channel", normalize="none"
)
ORDERS = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2], [3, 1, 2, 0], [2, 0, 3, 1]])


def images_of(channels, dtype=torch.float32, batch=24, height=20, width=20):
    values = torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(channels))
    if dtype.is_floating_point:
        return values.to(dtype)
    highest = {torch.uint8: 255, torch.uint16: 65535}[dtype]
    return (values.double() * highest).round().to(torch.int64).to(dtype)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("channels", CHANNELS)
def test_crop_and_flip_equal_torchvisions(channels):
    images = images_of(channels)
    drawn = sample_parameters(24, 20, 20, PLAIN, seeded(), channels)
    for view, image, box, flip in zip(
        resized_crop(images, drawn.boxes, drawn.flip, 12), images, drawn.boxes, drawn.flip, strict=True
    ):
        expected = reference.resized_crop(image, *box.tolist(), size=[12, 12], antialias=True)
        expected = reference.horizontal_flip(expected) if flip else expected
        torch.testing.assert_close(view, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", CHANNELS)
def test_blur_solarise_and_normalise_equal_torchvisions(channels):
    images, chosen = images_of(channels, batch=4), torch.tensor([True, False, True, False])
    for view, image, sigma in zip(
        gaussian_blur(images, torch.tensor([0.3, 0.8, 1.4, 2.0]), 5),
        images,
        [0.3, 0.8, 1.4, 2.0],
        strict=True,
    ):
        torch.testing.assert_close(
            view, reference.gaussian_blur(image, [5, 5], [sigma] * 2), rtol=0, atol=1e-5
        )
    assert torch.equal(solarize(images, chosen)[chosen], reference.solarize(images[chosen], 0.5))
    mean, std = torch.linspace(0.3, 0.6, channels).tolist(), torch.linspace(0.2, 0.4, channels).tolist()
    torch.testing.assert_close(normalize(images, mean, std), reference.normalize(images, mean, std))


@pytest.mark.parametrize("channels", CHANNELS)
def test_turns_equal_torchvisions_rotation(channels):
    images, turns = images_of(channels, batch=8), torch.arange(8) % 4
    for view, image, turn in zip(quarter_turns(images, turns), images, turns.tolist(), strict=True):
        assert torch.equal(view, reference.rotate(image, 90.0 * turn))


def test_only_squares_are_turned_by_whole_right_angles():
    with pytest.raises(ValueError, match="expected squares"):
        quarter_turns(torch.rand(1, 1, 4, 5), torch.tensor([1]))
    for turns in (torch.tensor([4]), torch.tensor([0.5])):
        with pytest.raises(ValueError, match="right angles"):
            quarter_turns(torch.rand(1, 1, 4, 4), turns)


@pytest.mark.parametrize("channels", [1, 2, 4, 12])
def test_brightness_and_contrast_of_uncoloured_images_are_torchvisions_of_one_channel(channels):
    images, generator = images_of(channels), seeded(1)
    factors = torch.cat([2 * torch.rand(24, 2, generator=generator), torch.tensor([[1.0, 0.0]] * 24)], 1)
    factors[::5, :2] = 1
    order = ORDERS[torch.arange(24) % 4]
    for view, image, (brightness, contrast, *_), sequence in zip(
        color_jitter(images, factors, order), images, factors.tolist(), order.tolist(), strict=True
    ):
        # All channels beside each other are the one channel whose mean torchvision takes.
        expected = image.reshape(1, -1, 20)
        for operation in sequence:
            if operation == 0:
                expected = reference.adjust_brightness(expected, brightness)
            elif operation == 1:
                expected = reference.adjust_contrast(expected, contrast)
        torch.testing.assert_close(view, expected.view_as(view), rtol=0, atol=1e-5)
    assert torch.equal(color_jitter(images, factors, order)[::5], images[::5])


@pytest.mark.parametrize("channels", CHANNELS)
def test_by_channel_each_one_is_an_image_of_its_own(channels):
    images, generator = images_of(channels), seeded(2)
    each = 2 * torch.rand(24, channels, 2, generator=generator)
    each[::5] = 1
    factors, order = torch.tensor([[1.0, 1.0, 1.0, 0.0]] * 24), ORDERS[torch.arange(24) % 4]
    views = color_jitter(images, factors, order, each)
    assert torch.equal(views[::5], images[::5])
    for sample in range(24):
        for channel in range(channels):
            expected = images[sample, channel, None]
            for operation in order[sample].tolist():
                if operation < 2:
                    adjust = (reference.adjust_brightness, reference.adjust_contrast)[operation]
                    expected = adjust(expected, each[sample, channel, operation].item())
            torch.testing.assert_close(views[sample, channel, None], expected, rtol=0, atol=1e-5)


def test_colours_change_beside_the_single_channels_of_an_image():
    image, each = images_of(3, batch=1), torch.tensor([[[0.5, 1.0], [1.5, 1.0], [1.0, 1.0]]])
    factors, order = torch.tensor([[1.0, 1.0, 0.4, 0.2]]), torch.tensor([[2, 0, 3, 1]])
    expected = reference.adjust_saturation(image[0], 0.4)
    expected = (expected * torch.tensor([0.5, 1.5, 1.0])[:, None, None]).clamp(0, 1)
    expected = reference.adjust_hue(expected, 0.2)
    view = color_jitter(image, factors, order, each)[0]
    torch.testing.assert_close(view, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("factors", [[1.0, 1.0, 0.5, 0.0], [1.0, 1.0, 1.0, 0.1]])
def test_colours_that_are_not_there_are_not_changed(factors):
    with pytest.raises(ValueError, match="expected 3 channels, red, green and blue"):
        color_jitter(images_of(4, batch=1), torch.tensor([factors]), ORDERS[:1])


def test_parameters_of_coloured_images_are_refused_for_others():
    views = TwoViews(dataclasses.replace(PLAIN, grayscale_probability=1.0), 20)
    coloured = views.sample(images_of(3), seeded())
    with pytest.raises(ValueError, match="expected 3 channels"):
        TwoViews(PLAIN, 20).apply(images_of(4), coloured)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float64])
def test_views_of_stored_types_are_those_of_the_numbers_that_they_stand_for(channels, dtype):
    images = images_of(channels, dtype)
    highest = {torch.uint8: 255, torch.uint16: 65535}.get(dtype, 1)
    as_floats = torch.from_numpy(images.numpy().astype(np.float64) / highest).float()
    for view, expected in zip(
        TwoViews(EVERYTHING, 16)(images, seeded()), TwoViews(EVERYTHING, 16)(as_floats, seeded()), strict=True
    ):
        assert view.shape == (24, channels, 16, 16)
        assert view.dtype == torch.float32
        torch.testing.assert_close(view, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", CHANNELS)
def test_views_that_are_not_normalised_stay_in_range(channels):
    config = dataclasses.replace(
        EVERYTHING, brightness=3.0, contrast=3.0, noise_probability=1.0, noise_std=(0.3, 0.9)
    )
    for view in TwoViews(config, 16)(images_of(channels), seeded()):
        assert view.min() >= 0
        assert view.max() <= 1


def test_each_channel_has_its_own_mean_and_deviation():
    mean, std = tuple(np.linspace(0.1, 0.9, 5)), tuple(np.linspace(0.2, 1.0, 5))
    scaled = dataclasses.replace(EVERYTHING, normalize="data", mean=mean, std=std)
    plain = TwoViews(EVERYTHING, 16)(images_of(5), seeded())[0]
    expected = reference.normalize(plain, list(mean), list(std))
    torch.testing.assert_close(TwoViews(scaled, 16)(images_of(5), seeded())[0], expected)


@pytest.mark.parametrize(
    "changes", [{"turn_probability": 0.5}, {"noise_probability": 0.5}, {"jitter": "by_channel"}]
)
def test_new_operations_leave_the_draws_of_all_others_as_they_were(changes):
    generators = seeded(), seeded()
    for _ in range(2):
        before = sample_parameters(50, 20, 20, PLAIN, generators[0])
        after = sample_parameters(50, 20, 20, dataclasses.replace(PLAIN, **changes), generators[1])
        for name in ("boxes", "flip", "color_order", "grayscale", "blur_sigma", "solarize"):
            assert torch.equal(getattr(before, name), getattr(after, name)), name
        assert torch.equal(before.color_factors[:, 2:], after.color_factors[:, 2:])
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


def test_new_operations_are_independent_of_each_other_and_of_what_their_seeds_come_from():
    config = dataclasses.replace(EVERYTHING, turn_probability=0.75, jitter_probability=1.0)
    drawn = sample_parameters(8000, 30, 30, config, seeded(), 3)
    columns = torch.cat(
        [
            drawn.boxes.double(),
            torch.nn.functional.one_hot(drawn.turns, 4)[:, 1:].double(),
            (drawn.noise_std > 0)[:, None].double(),
            drawn.channel_factors.flatten(1).double(),
            gaussian_noise(torch.full((8000, 1, 1, 4), 0.5), torch.full((8000,), 0.05), drawn.noise_seeds)
            .flatten(1)
            .double(),
        ],
        dim=1,
    )
    groups = torch.tensor([0] * 4 + [1] * 3 + list(range(2, 2 + columns.shape[1] - 7)))
    correlation = torch.corrcoef(columns.T)
    assert correlation[groups[:, None] != groups].abs().max() < 5 / 8000**0.5


def test_turns_noise_and_factors_of_channels_have_their_distributions():
    drawn = sample_parameters(9000, 20, 20, EVERYTHING, seeded(), 4)
    shares = torch.bincount(drawn.turns, minlength=4) / 9000
    torch.testing.assert_close(shares, torch.tensor([0.3, *[0.7 / 3] * 3]), rtol=0, atol=0.02)
    noisy = drawn.noise_std > 0
    assert noisy.float().mean() == pytest.approx(0.6, abs=0.02)
    assert kstest(drawn.noise_std[noisy].numpy(), "uniform", (0.01, 0.04)).pvalue > 1e-3
    jittered = (drawn.channel_factors != 1).flatten(1).any(1)
    assert jittered.float().mean() == pytest.approx(0.8, abs=0.02)
    for column in drawn.channel_factors[jittered].flatten(1).T:
        assert kstest(column.numpy(), "uniform", (0.6, 0.8)).pvalue > 1e-3
    assert len(drawn.noise_seeds.unique()) == 9000


def test_noise_is_normal_and_of_its_size():
    images = torch.full((2, 5, 64, 64), 0.5)
    noise = gaussian_noise(images, torch.tensor([0.02, 0.1]), torch.tensor([3, 4])) - 0.5
    for values, std in zip(noise, (0.02, 0.1), strict=True):
        assert kstest(values.flatten().numpy(), norm(0, std).cdf).pvalue > 1e-3
    neighbours = torch.stack([noise[0].flatten()[:-1], noise[0].flatten()[1:], noise[1].flatten()[1:]])
    assert torch.corrcoef(neighbours).fill_diagonal_(0).abs().max() < 5 / neighbours.shape[1] ** 0.5


def test_noise_of_an_image_depends_on_its_own_seed_alone():
    images = images_of(4, batch=10)
    std, seeds = torch.linspace(0.0, 0.1, 10), torch.arange(10) * 10**12
    together = gaussian_noise(images, std, seeds)
    assert torch.equal(together[0], images[0])
    assert torch.equal(together[7:9], gaussian_noise(images[7:9], std[7:9], seeds[7:9]))


@pytest.mark.parametrize("channels", [3, 5])
def test_parts_of_a_batch_get_the_views_of_the_whole(channels):
    images, views = images_of(channels), TwoViews(EVERYTHING, 16)
    whole = views(images, seeded())
    parts = [views(images[k * 8 : k * 8 + 8], seeded(), k, 3) for k in range(3)]
    for index, expected in enumerate(whole):
        torch.testing.assert_close(torch.cat([part[index] for part in parts]), expected, rtol=0, atol=1e-6)


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: views there against the CPU's"
)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_a_gpu_gives_the_same_views(channels, dtype):
    images, views = images_of(channels, dtype), TwoViews(EVERYTHING, 16)
    for there, here in zip(views(images.cuda(), seeded()), views(images, seeded()), strict=True):
        torch.testing.assert_close(there.cpu(), here, rtol=0, atol=1e-4)
