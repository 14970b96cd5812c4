import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from eigenstep.encoders import OwnEncoder, small_maps_as_products
from eigenstep.training import ImagesConfig, TrainConfig, train

LAYERS = {
    "3 x 3": (nn.Conv2d(24, 40, 3, padding=1), (8, 8)),
    "3 x 3, no bias, one pixel": (nn.Conv2d(24, 40, 3, padding=1, bias=False), (1, 1)),
    "3 x 3, steps of two": (nn.Conv2d(24, 40, 3, stride=2, padding=1), (11, 8)),
    "1 x 1": (nn.Conv2d(24, 40, 1), (12, 12)),
    "1 x 1, steps of two": (nn.Conv2d(24, 40, 1, stride=2, bias=False), (7, 8)),
    "5 x 2, no padding": (nn.Conv2d(24, 40, (5, 2), padding=(2, 0)), (5, 6)),
}


@pytest.fixture(autouse=True)
def anywhere(monkeypatch):
    """CPUs without matrix units compute the same, slowly."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)


def passed(layer, images, dtype=torch.bfloat16):
    """What comes out, and the gradients of a fixed linear function of it."""
    images = images.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        out = layer(images)
    towards = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    asked = [images, *layer.parameters()]
    return out.detach(), *torch.autograd.grad((out.to(dtype) * towards.to(dtype)).sum(), asked)


@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("name", LAYERS)
def test_they_are_as_exact_as_torchs_own(name, order):
    layer, extents = LAYERS[name]
    images = torch.randn(300, 24, *extents).to(memory_format=order)
    exact = passed(copy.deepcopy(layer).double(), images.double(), torch.float64)
    by_torch = passed(layer, images)
    with small_maps_as_products(layer):
        found = passed(layer, images)
    for mine, theirs, right in zip(found, by_torch, exact, strict=True):
        assert mine.shape == right.shape
        assert mine.dtype == theirs.dtype
        assert (mine - right).norm() <= 1.1 * (theirs - right).norm()


@pytest.mark.parametrize(
    ("layer", "extents", "dtype"),
    [
        (nn.Conv2d(8, 8, 3, padding=1), (9, 9), torch.bfloat16),
        (nn.Conv2d(8, 8, 1), (13, 13), torch.bfloat16),
        (nn.Conv2d(8, 8, 3, padding=1), (4, 4), torch.float32),
        (nn.Conv2d(8, 8, 3, padding=1, groups=2), (4, 4), torch.bfloat16),
        (nn.Conv2d(8, 8, 3, padding="same"), (4, 4), torch.bfloat16),
        (nn.Conv2d(8, 8, 3, padding=2, dilation=2), (4, 4), torch.bfloat16),
        (nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular"), (4, 4), torch.bfloat16),
        (nn.Conv2d(8, 8, 1, padding=1), (4, 4), torch.bfloat16),
    ],
)
def test_all_others_are_torchs_own_to_the_bit(layer, extents, dtype):
    for images in (torch.randn(5, 8, *extents), torch.randn(0, 8, 4, 4)):
        expected = passed(layer, images, dtype)
        with small_maps_as_products(layer):
            found = passed(layer, images, dtype)
        assert all(map(torch.equal, found, expected))


def test_networks_are_as_before_afterwards_also_where_an_error_ended_it():
    layer = nn.Conv2d(8, 8, 3, padding=1)
    before = set(vars(layer))

    def fail():
        with small_maps_as_products(layer, nn.Sequential(layer)):
            assert set(vars(layer)) != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert set(vars(layer)) == before


def test_what_is_no_network_is_refused_and_the_others_stay_as_they_were():
    layer = nn.Conv2d(8, 8, 3, padding=1)
    with (
        pytest.raises(TypeError, match=r"expects networks \(nn.Module\), got generator"),
        small_maps_as_products(layer, layer.parameters()),
    ):
        pass
    assert "_conv_forward" not in vars(layer)


def test_a_part_may_pass_again_in_the_backward_pass():
    layer, images = nn.Conv2d(8, 8, 3, padding=1), torch.randn(5, 8, 4, 4, requires_grad=True)
    with small_maps_as_products(layer), torch.autocast("cpu", torch.bfloat16):
        expected = torch.autograd.grad(layer(images).float().square().sum(), layer.weight)
        again = checkpoint(layer, images, use_reentrant=False).float().square().sum()
        assert torch.equal(torch.autograd.grad(again, layer.weight)[0], expected[0])


def test_a_gradient_can_be_differentiated():
    layer, images = nn.Conv2d(8, 8, 3, padding=1), torch.randn(5, 8, 4, 4, requires_grad=True)

    def second():
        with torch.autocast("cpu", torch.bfloat16):
            (first,) = torch.autograd.grad(layer(images).float().square().sum(), images, create_graph=True)
        return torch.autograd.grad(first.square().sum(), layer.weight)[0]

    expected = second()
    with small_maps_as_products(layer):
        assert (second() - expected).norm() < 0.01 * expected.norm()


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_training_has_them_while_it_runs(tmp_path, precision):
    seen = []

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, images):
            seen.append("_conv_forward" in vars(self.layer))
            return self.layer(images).mean((2, 3))

    network = Network()
    config = TrainConfig(
        data="photos",
        steps=2,
        batch_size=8,
        device="cpu",
        precision=precision,
        images=ImagesConfig(size=8, patches=16),
    )
    train(config, tmp_path / "run", encoder=OwnEncoder(network))
    assert seen[-1]
    assert "_conv_forward" not in vars(network.layer)
