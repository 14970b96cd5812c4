import numpy as np
import pytest
import torch

from eigenstep.views import color_jitter, float_images, gaussian_blur, grayscale, normalize, resized_crop


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(3, 8, 8), r"four dimensions \(B, C, H, W\), got shape \(3, 8, 8\)"),
        (torch.rand(2, 1, 8, 8), "each of 1 channels"),
        (torch.rand(2, 4, 8, 8), "each of 4 channels"),
        (torch.rand(0, 3, 8, 8), "at least one image"),
        (torch.rand(2, 3, 0, 8), "at least one image, channel and pixel"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), "uint8, uint16 or floats .* got torch.int64"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.bool), "uint8, uint16 or floats .* got torch.bool"),
        (torch.rand(2, 3, 8, 8).numpy(), "torch tensor .* got ndarray"),
    ],
)
def test_anything_but_a_batch_of_images_is_refused(images, message):
    with pytest.raises(ValueError, match=message):
        normalize(images, (0.5,) * 3, (0.5,) * 3)


def test_every_byte_is_divided_by_255():
    images = torch.arange(256, dtype=torch.uint8).repeat(3).view(1, 3, 16, 16)
    expected = torch.arange(256).double().div(255).repeat(3).view(1, 3, 16, 16)
    views = grayscale(images, torch.tensor([False]))
    torch.testing.assert_close(views.double(), expected, rtol=0, atol=1e-7)


def test_every_value_of_16_bits_is_divided_by_65535():
    values = np.arange(65536).astype(np.uint16).reshape(1, 1, 256, 256)
    expected = torch.from_numpy(values / 65535)
    torch.testing.assert_close(float_images(torch.from_numpy(values)).double(), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(dtype):
    images = torch.rand(2, 3, 4, 4).to(dtype)
    views = grayscale(images, torch.tensor([True, False]))
    assert views.dtype == torch.float32
    assert torch.equal(views[1], images[1].float())


@pytest.mark.parametrize(
    "operation",
    [
        lambda images: resized_crop(images, torch.tensor([[0, 1, 7, 6]]), torch.tensor([True]), 5),
        lambda images: color_jitter(
            images, torch.tensor([[1.2, 0.7, 1.1, 0.1]]), torch.tensor([[2, 0, 3, 1]])
        ),
        lambda images: grayscale(images, torch.tensor([True])),
        lambda images: gaussian_blur(images, torch.ones(1), 3),
    ],
    ids=["resized_crop", "color_jitter", "grayscale", "gaussian_blur"],
)
def test_autocast_and_gradients_do_not_reach_an_operation(operation):
    images = torch.rand(1, 3, 8, 8)
    expected = operation(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = operation(images.requires_grad_())
    assert torch.equal(result, expected)
    assert not result.requires_grad
