"""Images of any channels as pictures."""

import numpy as np
import pytest

from eigenstep.images import pictures


def images_of(channels, dtype=np.uint16, count=6, size=5):
    values = np.random.default_rng(channels).beta(2, 5, (count, size, size, channels))
    return (values * {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)).astype(dtype)


def stretched(values):
    low, high = np.percentile(values.astype(np.float64), [1, 99])
    return np.round(255 * np.clip((values - low) / (high - low), 0, 1)).astype(np.uint8)


def test_colours_of_8_bits_are_untouched():
    images = images_of(3, np.uint8)
    assert np.array_equal(pictures(images), images)
    assert np.array_equal(pictures(images, (3, 2, 1)), images[..., ::-1])


def test_one_channel_is_grey():
    images = images_of(1, np.uint8)
    assert np.array_equal(pictures(images), np.repeat(images, 3, axis=3))


def test_of_two_channels_the_first_is_red_and_the_second_cyan():
    images = images_of(2, np.uint8)
    assert np.array_equal(pictures(images), images[..., [0, 1, 1]])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 12])
def test_deep_images_are_stretched_channel_by_channel_over_the_whole_batch(channels, dtype):
    images = images_of(channels, dtype)
    images[0] = images[0] // 10 if dtype == np.uint16 else images[0] / 10  # a dark image stays dark
    places = {1: [0, 0, 0], 2: [0, 1, 1]}.get(channels, [0, 1, 2])
    expected = np.stack([stretched(images[..., place]) for place in places], axis=3)
    shown = pictures(images)
    assert shown.dtype == np.uint8
    assert np.abs(shown.astype(int) - expected).max() <= 1
    assert shown[0].mean() < shown[1:].mean() / 2


def test_the_channels_that_are_asked_for_are_shown():
    images = images_of(12, np.uint8)
    assert np.array_equal(pictures(images, (11, 3, 5)), images[..., [10, 2, 4]])
    assert np.array_equal(pictures(images, (7,)), images[..., [6, 6, 6]])
    assert np.array_equal(pictures(images, (7, 2)), images[..., [6, 1, 1]])


def test_pixels_that_are_no_numbers_are_black_and_a_channel_of_none_too():
    images = images_of(3, np.float32)
    clean = pictures(images)
    images[2, 1, 1] = np.nan
    images[..., 2] = np.nan
    shown = pictures(images)
    assert shown[2, 1, 1].tolist() == [0, 0, 0]
    assert not shown[..., 2].any()
    assert np.abs(shown[3:, ..., :2].astype(int) - clean[3:, ..., :2]).max() <= 5


def test_a_channel_of_one_value_is_black():
    assert not pictures(np.full((2, 3, 3, 1), 300, np.uint16)).any()


@pytest.mark.parametrize("show", [(0,), (4,), (1, 2, 3, 1)])
def test_channels_that_are_not_there_are_refused(show):
    with pytest.raises(ValueError, match=r"channels 1 to 3, got .*; set --images\.show"):
        pictures(images_of(3), show)


@pytest.mark.parametrize(
    "images", [np.zeros((4, 4, 3)), np.zeros((0, 4, 4, 3)), np.zeros((2, 4, 4, 3), bool)]
)
def test_other_arrays_are_refused(images):
    with pytest.raises(ValueError, match="expected images as numbers"):
        pictures(images)
