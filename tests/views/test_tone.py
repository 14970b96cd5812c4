import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from eigenstep.views import grayscale, normalize, solarize

IMAGES = torch.rand(20, 3, 9, 7, generator=torch.Generator().manual_seed(0))
CHOSEN = torch.arange(20) % 3 == 0


def test_grayscale_equals_torchvisions_on_the_chosen_images():
    views = grayscale(IMAGES, CHOSEN)
    torch.testing.assert_close(
        views[CHOSEN], reference.rgb_to_grayscale(IMAGES[CHOSEN], 3), rtol=0, atol=1e-6
    )
    assert torch.equal(views[~CHOSEN], IMAGES[~CHOSEN])


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
def test_solarize_equals_torchvisions_on_the_chosen_images(threshold):
    views = solarize(IMAGES, CHOSEN, threshold)
    assert torch.equal(views[CHOSEN], reference.solarize(IMAGES[CHOSEN], threshold))
    assert torch.equal(views[~CHOSEN], IMAGES[~CHOSEN])


def test_solarize_inverts_the_threshold_itself():
    assert solarize(torch.full((1, 3, 1, 1), 0.75), torch.tensor([True]), 0.75).unique().item() == 0.25


def test_normalize_equals_torchvisions():
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    expected = reference.normalize(IMAGES, list(mean), list(std))
    torch.testing.assert_close(normalize(IMAGES, mean, std), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "operation", [grayscale, solarize, lambda images, _: normalize(images, [0.5] * 3, [1.0] * 3)]
)
def test_the_input_is_never_written_to(operation):
    images = IMAGES.clone()
    operation(images, torch.ones(20, dtype=torch.bool))
    assert torch.equal(images, IMAGES)


@pytest.mark.parametrize("operation", [grayscale, solarize])
def test_nothing_chosen_changes_nothing(operation):
    assert torch.equal(operation(IMAGES, torch.zeros(20, dtype=torch.bool)), IMAGES)


@pytest.mark.parametrize("operation", [grayscale, solarize])
def test_wrong_counts_are_refused(operation):
    with pytest.raises(ValueError, match="chosen: expected one entry for each of the 20 images"):
        operation(IMAGES, CHOSEN[:5])


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="threshold"):
        solarize(IMAGES, CHOSEN, 1.5)
    with pytest.raises(ValueError, match="positive std"):
        normalize(IMAGES, [0.5] * 3, [1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="3 channels"):
        normalize(IMAGES, [0.5], [1.0])
