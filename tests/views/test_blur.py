import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from eigenstep.views import gaussian_blur


@pytest.mark.parametrize(
    ("height", "width", "kernel_size"),
    [(32, 32, 3), (96, 96, 9), (20, 31, 17), (31, 20, 23), (5, 5, 9), (1, 1, 1)],
)
def test_equals_torchvisions_blur(height, width, kernel_size):
    generator = torch.Generator().manual_seed(kernel_size)
    images = torch.rand(12, 3, height, width, generator=generator)
    sigma = 0.1 + 1.9 * torch.rand(12, generator=generator)
    views = gaussian_blur(images, sigma, kernel_size)
    for view, image, width_ in zip(views, images, sigma.tolist(), strict=True):
        expected = reference.gaussian_blur(image, [kernel_size, kernel_size], [width_, width_])
        torch.testing.assert_close(view, expected, rtol=0, atol=2e-6)


def test_sigma_zero_leaves_an_image_alone():
    images = torch.rand(6, 3, 16, 16)
    sigma = torch.tensor([0.0, 1.0, 0.0, 2.0, 0.0, 0.5])
    views = gaussian_blur(images, sigma, 5)
    assert torch.equal(views[::2], images[::2])
    assert not (views[1::2] == images[1::2]).flatten(1).all(1).any()
    assert torch.equal(gaussian_blur(images, torch.zeros(6), 5), images)


def test_the_input_is_never_written_to():
    images = torch.rand(2, 3, 8, 8)
    before = images.clone()
    gaussian_blur(images, torch.ones(2), 5)
    assert torch.equal(images, before)


@pytest.mark.parametrize("kernel_size", [-1, 0, 4, 17])
def test_even_empty_and_too_large_kernels_are_refused(kernel_size):
    with pytest.raises(
        ValueError, match=f"kernel_size: expected an odd number below 16 .* got {kernel_size}"
    ):
        gaussian_blur(torch.rand(1, 3, 8, 12), torch.ones(1), kernel_size)


def test_bad_sigmas_are_refused():
    with pytest.raises(ValueError, match="sigma: expected one entry for each of the 2 images"):
        gaussian_blur(torch.rand(2, 3, 8, 8), torch.ones(1), 3)
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="sigma: expected"):
            gaussian_blur(torch.rand(1, 3, 8, 8), torch.tensor([bad]), 3)
