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
