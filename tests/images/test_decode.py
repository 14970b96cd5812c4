import io

import numpy as np
import pytest
from PIL import Image

from eigenstep.images import BytesImage, ImagesConfig, read_pixels

# What is stored under each value of the EXIF orientation, as it should be seen.
UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored.transpose(1, 0, 2), 2),
    8: np.rot90,
}


@pytest.fixture
def read_back():
    """`read_back(image, "png")`: pixels of the image after it was encoded and decoded."""

    def read(image: Image.Image, kind: str = "png", **options) -> np.ndarray:
        content = io.BytesIO()
        image.save(content, kind, **options)
        pixels = read_pixels(BytesImage(content.getvalue()), ImagesConfig())
        assert pixels.ndim == 3
        return pixels

    return read


def over_white(colour, alpha):
    share = alpha[..., None] / 255
    return share * colour + (1 - share) * 255


def test_rgb_is_unchanged(read_back, noise):
    pixels = noise(9, 14, 3)
    assert np.array_equal(read_back(Image.fromarray(pixels)), pixels)


@pytest.mark.parametrize("kind", ["webp", "tiff", "bmp", "ppm"])
def test_every_lossless_format_is_read(read_back, noise, kind):
    pixels = noise(9, 14, 3)
    options = {"lossless": True} if kind == "webp" else {}
    assert np.array_equal(read_back(Image.fromarray(pixels), kind, **options), pixels)


def test_grey_has_one_channel(read_back, noise):
    pixels = noise(9, 14)
    assert np.array_equal(read_back(Image.fromarray(pixels)), pixels[..., None])


def test_black_and_white_is_bool(read_back, noise):
    pixels = noise(9, 14) > 127
    read = read_back(Image.fromarray(pixels))
    assert read.dtype == bool
    assert np.array_equal(read, pixels[..., None])


def test_transparency_is_laid_on_white(read_back, noise):
    pixels = noise(9, 14, 4)
    expected = over_white(pixels[..., :3], pixels[..., 3])
    assert np.abs(read_back(Image.fromarray(pixels)) - expected).max() <= 1
    assert read_back(Image.fromarray(pixels)).shape == (9, 14, 3)


def test_transparent_grey_is_laid_on_white(read_back, noise):
    pixels = noise(9, 14, 2)
    expected = over_white(pixels[..., :1], pixels[..., 1])
    assert np.abs(read_back(Image.fromarray(pixels)) - expected).max() <= 1


def test_a_palettes_transparent_colour_is_laid_on_white(read_back, noise):
    palette = noise(8, 3)
    index = noise(9, 14) % 8
    image = Image.fromarray(index).convert("P")
    image.putdata(index.flatten().tolist())
    image.putpalette(palette.flatten().tolist())
    assert np.array_equal(read_back(image), palette[index])
    expected = np.where((index == 3)[..., None], 255, palette[index])
    assert np.array_equal(read_back(image, transparency=3), expected)


def test_a_colour_key_is_laid_on_white(read_back, noise):
    pixels = noise(9, 14, 3)
    pixels[:4] = (10, 200, 30)
    expected = pixels.copy()
    expected[:4] = 255
    assert np.array_equal(read_back(Image.fromarray(pixels), transparency=(10, 200, 30)), expected)


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_16_bit_grey_keeps_its_values(read_back, kind):
    levels = np.linspace(0, 65535, 9 * 14).round().astype(np.uint16).reshape(9, 14)
    read = read_back(Image.fromarray(levels), kind)
    assert read.dtype == np.uint16
    assert np.array_equal(read, levels[..., None])


def test_floating_point_images_keep_their_values(read_back):
    levels = np.linspace(-0.5, 1, 9 * 14, dtype=np.float32).reshape(9, 14)
    read = read_back(Image.fromarray(levels), "tiff")
    assert read.dtype == np.float32
    assert np.array_equal(read, levels[..., None])


@pytest.mark.parametrize(
    "ink", [(0, 0, 0, 0), (255, 0, 0, 0), (0, 128, 255, 0), (64, 0, 128, 100), (0, 0, 0, 255)]
)
def test_cmyk_is_what_the_inks_leave_of_white(read_back, ink):
    expected = [(255 - colour) * (255 - ink[3]) / 255 for colour in ink[:3]]
    pixels = read_back(Image.new("CMYK", (16, 16), ink), "jpeg", quality=95)
    assert np.abs(pixels - expected).max() <= 3


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_picture_is_turned_as_its_exif_tag_says(read_back, noise, orientation):
    pixels = noise(9, 14, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    seen = read_back(Image.fromarray(pixels), exif=exif)
    assert np.array_equal(seen, UPRIGHT[orientation](pixels))


def test_of_an_animation_the_first_frame_is_taken(read_back):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pixels = read_back(frames[0], "gif", save_all=True, append_images=frames[1:])
    assert np.array_equal(pixels, np.broadcast_to([255, 0, 0], (8, 8, 3)))


def test_a_row_without_an_image_is_refused():
    with pytest.raises(ValueError, match="no image in this row"):
        read_pixels(None, ImagesConfig())
