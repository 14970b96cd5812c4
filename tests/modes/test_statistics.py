"""Statistics of images, against slow twins of one image and against drawn images whose answer is known."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from eigenstep.modes import image_statistics


@pytest.fixture(scope="module")
def photographs():
    """Smooth random colour images with some structure, uint8 (6, 3, 20, 27)."""
    rng = np.random.default_rng(0)
    small = rng.random((6, 3, 5, 7))
    large = small.repeat(4, axis=2).repeat(4, axis=3)[..., :27] + 0.2 * rng.normal(size=(6, 3, 20, 27))
    return (255 * np.clip(large, 0, 1)).astype(np.uint8)


def of(images, name):
    found = image_statistics(images)
    return found.values[:, found.names.index(name)]


def grey_of(image):
    return image.astype(float).mean(axis=0) / 255


def gradients(grey):
    for i in range(1, grey.shape[0] - 1):
        for j in range(1, grey.shape[1] - 1):
            yield (grey[i, j + 1] - grey[i, j - 1]) / 2, (grey[i + 1, j] - grey[i - 1, j]) / 2


def lines(grey, where):
    """Share of energy of gradients within 22.5 degrees of a direction."""
    energies = [(dx**2 + dy**2, np.degrees(np.arctan2(dy, dx))) for dx, dy in gradients(grey)]
    near = [e for e, angle in energies if abs((angle - where + 90) % 180 - 90) < 22.5]
    return sum(near) / sum(e for e, _ in energies)


def band(grey, low, high):
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    total, part = 0.0, 0.0
    for u in range(grey.shape[0]):
        for v in range(grey.shape[1]):
            f = np.hypot(min(u, grey.shape[0] - u), min(v, grey.shape[1] - v))
            total, part = total + power[u, v], part + power[u, v] * (low <= f < high)
    return part / total


def entropy(grey):
    counts = np.histogram(grey, bins=32, range=(0, 1))[0] / grey.size
    return -sum(p * np.log2(p) for p in counts if p)


def jpeg(image):
    content = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(content, "JPEG")
    return 8 * len(content.getvalue()) / (image.shape[1] * image.shape[2])


def chroma(image):
    r, g, b = image.astype(float) / 255
    return np.hypot(r - (g + b) / 2, np.sqrt(3) / 2 * (g - b)).mean()


def extent(grey):
    w = (grey - grey.mean()) ** 2
    y, x = np.meshgrid(np.arange(20) / 10 - 0.95, (2 * np.arange(27) + 1) / 27 - 1, indexing="ij")
    mx, my = (w * x).sum() / w.sum(), (w * y).sum() / w.sum()
    return np.sqrt((w * ((x - mx) ** 2 + (y - my) ** 2)).sum() / w.sum())


TWINS = {
    "brightness": lambda im: grey_of(im).mean(),
    "contrast": lambda im: grey_of(im).std(),
    "dark share": lambda im: (grey_of(im) < 0.25).mean(),
    "bright share": lambda im: (grey_of(im) > 0.75).mean(),
    "darkest tones": lambda im: np.sort(grey_of(im), axis=None)[:27].mean(),
    "brightest tones": lambda im: np.sort(grey_of(im), axis=None)[-27:].mean(),
    "skewness of levels": lambda im: (
        ((grey_of(im) - grey_of(im).mean()) ** 3).mean() / grey_of(im).std() ** 3
    ),
    "entropy of levels": lambda im: entropy(grey_of(im)),
    "mean green": lambda im: im[1].mean() / 255,
    "red-cyan": lambda im: (im[0].mean() - (im[1].mean() + im[2].mean()) / 2) / 255,
    "blue-yellow": lambda im: (im[2].mean() - (im[1].mean() + im[0].mean()) / 2) / 255,
    "chroma": chroma,
    "top-bottom brightness": lambda im: grey_of(im)[:10].mean() - grey_of(im)[10:].mean(),
    "left-right brightness": lambda im: grey_of(im)[:, :13].mean() - grey_of(im)[:, 14:].mean(),
    "centre-border brightness": lambda im: (
        grey_of(im)[5:15, 6:21].mean()
        - np.delete(grey_of(im).ravel(), [27 * i + j for i in range(5, 15) for j in range(6, 21)]).mean()
    ),
    "extent": lambda im: extent(grey_of(im)),
    "edge strength": lambda im: np.mean([np.hypot(*each) for each in gradients(grey_of(im))]),
    "vertical lines": lambda im: lines(grey_of(im), 0),
    "rising diagonals": lambda im: lines(grey_of(im), 45),
    "horizontal lines": lambda im: lines(grey_of(im), 90),
    "falling diagonals": lambda im: lines(grey_of(im), 135),
    "coarse structure": lambda im: band(grey_of(im), 1, 3),
    "medium structure": lambda im: band(grey_of(im), 3, 6),
    "finest structure": lambda im: band(grey_of(im), 12, np.inf),
    "left-right symmetry": lambda im: np.corrcoef(grey_of(im).ravel(), grey_of(im)[:, ::-1].ravel())[0, 1],
    "top-bottom symmetry": lambda im: np.corrcoef(grey_of(im).ravel(), grey_of(im)[::-1].ravel())[0, 1],
    "JPEG size": jpeg,
}


@pytest.mark.parametrize("name", TWINS)
def test_a_statistic_equals_its_slow_twin(photographs, name):
    np.testing.assert_allclose(
        of(photographs, name), [TWINS[name](image) for image in photographs], rtol=2e-4, atol=2e-5
    )


def test_blocks_change_nothing(photographs):
    whole, parts = image_statistics(photographs), image_statistics(photographs, block=4)
    np.testing.assert_allclose(whole.values, parts.values, atol=1e-6)


def test_the_type_of_the_same_image_changes_nothing(photographs):
    deep, floats = photographs.astype(np.uint16) * 257, photographs.astype(np.float32) / 255
    wide = image_statistics(floats * 300 - 50, value_range=(-50, 250)).values
    for values in (image_statistics(torch.from_numpy(deep)).values, image_statistics(floats).values, wide):
        np.testing.assert_allclose(values, image_statistics(photographs).values, atol=2e-3)


def stripes(turn):
    """Stripes along a direction, in degrees anticlockwise from the horizontal."""
    y, x = np.meshgrid(-np.arange(32), np.arange(32), indexing="ij")
    a = np.radians(turn)
    return (0.5 + 0.4 * np.sin(0.8 * (y * np.cos(a) - x * np.sin(a))))[None, None]


@pytest.mark.parametrize(
    ("turn", "name"),
    [(0, "horizontal lines"), (45, "rising diagonals"), (90, "vertical lines"), (135, "falling diagonals")],
)
def test_lines_are_named_as_they_run(turn, name):
    assert of(stripes(turn), name)[0] > 0.95
    assert of(stripes(turn), "order of directions")[0] > 0.95


def test_place_is_where_something_is():
    image = np.zeros((1, 1, 40, 40))
    image[:, :, 4:8, 30:34] = 1  # above, right
    assert of(image, "vertical place")[0] == pytest.approx(0.7, abs=0.02)
    assert of(image, "horizontal place")[0] == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("slope", [-3.0, -2.0, -1.0])
def test_the_slope_of_noise_is_that_of_its_power(slope):
    rng = np.random.default_rng(1)
    f = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)) * 64
    f[0, 0] = 1
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(50, 64, 64))) * f ** (slope / 2)).real
    found = of(noise[:, None], "spectral slope")
    assert found.mean() == pytest.approx(slope, abs=0.1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 9])
def test_any_number_of_channels_has_what_exists_for_it(channels):
    images = np.random.default_rng(0).random((3, channels, 16, 16))
    found = image_statistics(images)
    assert found.values.shape == (3, len(found.names))
    assert np.isfinite(found.values).all()
    assert not set(found.names) & set(found.left_out)
    assert ("chroma" in found.names) == (channels == 3)
    assert ("JPEG size" in found.names) == (channels in (1, 3))
    assert all(found.left_out.values())


def test_flat_images_have_finite_statistics():
    found = image_statistics(np.full((2, 3, 12, 12), 90, dtype=np.uint8))
    assert np.isfinite(found.values).all()
    assert found.values[0, found.names.index("left-right symmetry")] == 1


def test_bad_input_is_told_in_one_line():
    for images, words in (
        (np.zeros((2, 3, 3, 9)), "4 x 4"),
        (np.zeros((2, 8, 8)), "shape"),
        (np.zeros((2, 1, 8, 8), dtype=np.int64), "int64"),
        (np.full((2, 1, 8, 8), np.nan), "finite"),
    ):
        with pytest.raises(ValueError, match=words) as told:
            image_statistics(images)
        assert "\n" not in str(told.value)
