"""Colour JPEGs by libjpeg-turbo: the pixels are Pillow's, and whatever is unusual is left to it."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from eigenstep.images import ImagesConfig, Pixels
from eigenstep.images.decoding import BytesImage, read_jpeg, read_pixels
from eigenstep.images.stored import StoredFormat

CONFIG = ImagesConfig()


def photograph(width=61, height=40):
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 5 + y / 9), np.cos(x * y / 300), np.sin(y / 3)]
    noise = np.random.default_rng(0).normal(0, 12, (height, width, 3))
    return Image.fromarray(np.clip(128 + 90 * np.stack(waves, axis=2) + noise, 0, 255).astype(np.uint8))


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, "jpeg", **options)
    return file.getvalue()


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (61, 40)])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [10, 95])
def test_pixels_are_those_of_pillow_to_the_bit(quality, subsampling, progressive, size):
    content = encoded(photograph(*size), quality=quality, subsampling=subsampling, progressive=progressive)
    found = read_jpeg(content, CONFIG)
    assert found is not None
    np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(content))))


def sideways():
    exif = Image.Exif()
    exif[274] = 6
    return encoded(photograph(), exif=exif)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 40, 50])
def test_what_is_stored_is_what_is_stored_of_pillows(monkeypatch, channels, size):
    stored = StoredFormat(ImagesConfig(size=size), Pixels(channels))
    record = BytesImage(encoded(photograph()))
    found = stored.square(record)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    expected = stored.square(record)
    np.testing.assert_array_equal(found.values, expected.values)
    assert found[1:] == expected[1:]


@pytest.mark.parametrize(
    "content",
    [
        encoded(photograph().convert("L")),
        encoded(photograph().convert("CMYK")),
        encoded(photograph(), keep_rgb=True),
        sideways(),
        encoded(photograph()) + b"more",
    ],
    ids=["grey", "inks", "stored as RGB", "sideways", "something behind it"],
)
def test_what_is_unusual_is_read_as_pillow_reads_it(content):
    found = read_pixels(BytesImage(content), CONFIG)
    image = Image.open(io.BytesIO(content))
    expected = np.asarray(image if image.mode != "CMYK" else image.convert("RGB"))
    if b"Exif" in content:
        expected = np.rot90(expected, -1)
    np.testing.assert_array_equal(found, expected if expected.ndim == 3 else expected[..., None])


def test_damage_that_libjpeg_warns_of_is_left_to_pillow():
    content = encoded(photograph(), quality=95)
    middle = len(content) // 2
    spoiled = content[:middle] + bytes(40) + content[middle + 40 :]
    assert read_jpeg(spoiled, CONFIG) is None
    expected = np.asarray(Image.open(io.BytesIO(spoiled)))
    np.testing.assert_array_equal(read_pixels(BytesImage(spoiled), CONFIG), expected)
    with pytest.raises(OSError, match="truncated"):
        read_pixels(BytesImage(content[:middle]), CONFIG)


def test_the_limit_on_pixels_holds():
    with pytest.raises(ValueError, match=r"2,440 pixels, more than --images\.most-pixels"):
        read_pixels(BytesImage(encoded(photograph())), ImagesConfig(most_pixels=2000))


def test_without_the_package_pillow_reads_them(monkeypatch):
    content = encoded(photograph())
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    assert read_jpeg(content, CONFIG) is None
    expected = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(read_pixels(BytesImage(content), CONFIG), expected)
