import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from eigenstep.views import resized_crop


def random_boxes(batch, height, width, generator):
    def up_to(highest):
        return (torch.rand(batch, generator=generator) * highest).long()

    box_height, box_width = up_to(height) + 1, up_to(width) + 1
    top = (torch.rand(batch, generator=generator) * (height - box_height + 1)).long()
    left = (torch.rand(batch, generator=generator) * (width - box_width + 1)).long()
    return torch.stack([top, left, box_height, box_width], dim=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(32, 32, 32), (96, 96, 96), (40, 64, 24), (97, 98, 96), (75, 50, 96), (7, 150, 32), (1, 1, 5)],
)
def test_equals_torchvisions_antialiased_resized_crop_and_flip(height, width, size):
    generator = torch.Generator().manual_seed(height * width + size)
    images = torch.rand(40, 3, height, width, generator=generator)
    boxes = random_boxes(40, height, width, generator)
    flip = torch.rand(40, generator=generator) < 0.5
    views = resized_crop(images, boxes, flip, size)
    for view, image, box, flipped in zip(views, images, boxes.tolist(), flip, strict=True):
        expected = reference.resized_crop(image, *box, size=[size, size], antialias=True)
        expected = reference.horizontal_flip(expected) if flipped else expected
        torch.testing.assert_close(view, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_agrees_with_torchvision_in_double_precision():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(20, 3, 333, 500, generator=generator)
    boxes = random_boxes(20, 333, 500, generator)
    views = resized_crop(images, boxes, torch.zeros(20, dtype=torch.bool), 64)
    for view, image, box in zip(views, images, boxes.tolist(), strict=True):
        expected = reference.resized_crop(image.double(), *box, size=[64, 64], antialias=True)
        torch.testing.assert_close(view.double(), expected, rtol=0, atol=2e-5)


def test_pixels_outside_the_box_do_not_matter():
    images = torch.rand(1, 3, 20, 20)
    box, flip = torch.tensor([[4, 5, 9, 11]]), torch.tensor([False])
    inside = resized_crop(images, box, flip, 16)
    changed = images.clone()
    changed[:, :, 4:13, 5:16] = 0
    torch.testing.assert_close(resized_crop(images - changed, box, flip, 16), inside, rtol=0, atol=0)


def test_the_whole_image_at_its_own_size_is_unchanged():
    images = torch.rand(4, 3, 32, 32)
    whole = torch.tensor([0, 0, 32, 32]).repeat(4, 1)
    assert torch.equal(resized_crop(images, whole, torch.zeros(4, dtype=torch.bool), 32), images)


def test_memory_layout_of_the_images_does_not_matter():
    images = torch.rand(4, 3, 20, 24)
    boxes, flip = torch.tensor([2, 3, 15, 17]).repeat(4, 1), torch.tensor([True, False, True, False])
    expected = resized_crop(images, boxes, flip, 16)
    assert torch.equal(resized_crop(images.to(memory_format=torch.channels_last), boxes, flip, 16), expected)
    strided = torch.rand(4, 3, 40, 48)
    strided[:, :, ::2, ::2] = images
    assert torch.equal(resized_crop(strided[:, :, ::2, ::2], boxes, flip, 16), expected)


def test_white_stays_within_one():
    generator = torch.Generator().manual_seed(0)
    boxes = random_boxes(200, 50, 60, generator)
    views = resized_crop(torch.ones(200, 3, 50, 60), boxes, torch.ones(200, dtype=torch.bool), 31)
    assert views.max() <= 1
    assert views.min() >= 1 - 1e-6


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([0, 0, 11, 5], r"inside the 10×8 images, got \[0, 0, 11, 5\]"),
        ([0, 4, 5, 5], "inside the 10×8"),
        ([-1, 0, 5, 5], "inside"),
        ([0, 0, 0, 5], "inside"),
        ([0, 0, 5], r"\(B, 4\)"),
        ([0.0, 0.0, 5.0, 5.0], "integers"),
    ],
)
def test_a_box_outside_the_image_is_refused(box, message):
    with pytest.raises(ValueError, match=message):
        resized_crop(torch.rand(1, 3, 10, 8), torch.tensor([box]), torch.tensor([False]), 4)


def test_wrong_counts_and_sizes_are_refused():
    images, box, flip = torch.rand(2, 3, 8, 8), torch.tensor([[0, 0, 8, 8]]), torch.tensor([False])
    with pytest.raises(ValueError, match="boxes: expected one entry for each of the 2 images"):
        resized_crop(images, box, flip.repeat(2), 4)
    with pytest.raises(ValueError, match="flip: expected one entry for each of the 2 images"):
        resized_crop(images, box.repeat(2, 1), flip, 4)
    with pytest.raises(ValueError, match="at least 1 pixel, got 0"):
        resized_crop(images, box.repeat(2, 1), flip.repeat(2), 0)
