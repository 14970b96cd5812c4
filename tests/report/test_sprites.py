import base64
import io

import numpy as np
import pytest
from PIL import Image

from eigenstep.report import sprite_sheet


def decode(url: str) -> np.ndarray:
    head, body = url.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))).convert("RGB")).astype(int)


@pytest.mark.parametrize("size", [(8, 8), (20, 20), (32, 24), (96, 96)])
def test_each_tile_shows_its_own_image_up_to_its_edge(size):
    colours = np.random.default_rng(0).integers(0, 256, (7, 3))
    images = np.broadcast_to(colours[:, None, None, :], (7, *size, 3)).astype(np.uint8)
    sheet = sprite_sheet(images)
    pixels, tile = decode(sheet["url"]), sheet["tile"]
    for index, colour in enumerate(colours):
        row, column = divmod(index, sheet["columns"])
        shown = pixels[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile]
        assert np.abs(shown - colour).max() <= 4


def test_mean_colours_are_those_of_the_images():
    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[1, :2] = [255, 0, 128]
    assert sprite_sheet(images)["colours"] == ["#000000", "#800040"]


@pytest.mark.parametrize(
    "images", [np.zeros((2, 4, 4, 3)), np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4, 4), np.uint8)]
)
def test_other_arrays_are_refused(images):
    with pytest.raises(ValueError, match="expected thumbnails uint8"):
        sprite_sheet(images)


def test_pictures_of_noise_are_drawn_too():
    noise = np.random.default_rng(0).integers(0, 256, (128, 32, 32, 3)).astype(np.uint8)
    assert sprite_sheet(noise)["columns"] == 12
