import hashlib

import numpy as np
import pytest
import torch

from eigenstep.images import image_hashes


def test_equal_images_have_one_name_and_a_single_changed_pixel_another():
    images = torch.randint(256, (3, 3, 8, 8), dtype=torch.uint8)
    images[1] = images[0]
    first, twin, other = image_hashes(images)
    assert first == twin != other
    images[1, 2, 7, 7] ^= 1
    assert image_hashes(images)[1] != first


def test_a_name_does_not_depend_on_the_other_images_or_on_strides():
    images = torch.randint(256, (3, 3, 8, 8), dtype=torch.uint8)
    names = image_hashes(images)
    assert image_hashes(images.to(memory_format=torch.channels_last)[1:]).tolist() == names[1:].tolist()


def test_the_same_pixels_in_another_shape_have_another_name():
    images = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    assert image_hashes(images)[0] != image_hashes(images.reshape(1, 3, 2, 8))[0]


def test_the_name_of_8_bit_images_is_that_of_earlier_releases():
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    expected = [
        hashlib.blake2b(b"3x4x4" + image.numpy().tobytes(), digest_size=8).hexdigest() for image in images
    ]
    assert image_hashes(images).tolist() == expected


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deeper_images_have_names_that_their_type_decides(dtype):
    deep = torch.from_numpy(np.arange(2 * 12 * 16).reshape(2, 12, 4, 4).astype(dtype))
    names = image_hashes(deep)
    assert len(set(names.tolist())) == 2
    assert image_hashes(torch.from_numpy(deep.numpy().copy())).tolist() == names.tolist()
    zeros = [image_hashes(torch.zeros(1, 1, 4, 4, dtype=kind))[0] for kind in (torch.uint16, torch.float32)]
    assert len({*zeros, image_hashes(torch.zeros(1, 1, 4, 8, dtype=torch.uint8))[0]}) == 3
