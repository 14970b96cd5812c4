import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from eigenstep import ContrastiveKernelPCA
from eigenstep.kernel import empirical_ntk, relu_cntk, relu_ntk

HERE = Path(__file__).parent
STORED = json.loads((HERE / "cntk_neural_tangents.json").read_text())


def reference():
    specification = importlib.util.spec_from_file_location("cntk_reference", HERE / "cntk_reference.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def case(stored):
    options = {name: value for name, value in stored.items() if name not in ("shape", "kernel")}
    return np.array(reference().images_of(stored["shape"])), options, np.array(stored["kernel"])


@pytest.mark.slow
@pytest.mark.parametrize("stored", STORED, ids=lambda stored: f"{stored['depth']}-{stored['padding']}")
def test_values_are_those_of_neural_tangents(stored):
    images, options, expected = case(stored)
    scale = expected.max()
    # The angle between parallel pixels has half of the digits.
    np.testing.assert_allclose(relu_cntk(images, **options), expected, rtol=0, atol=2e-9 * scale)
    block = relu_cntk(images[:2].copy(), images, **options)
    np.testing.assert_allclose(block, expected[:2], rtol=0, atol=2e-9 * scale)
    single = relu_cntk(torch.from_numpy(images).float(), **options)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, expected, rtol=0, atol=3e-5 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("stored", STORED[:2], ids=lambda stored: f"{stored['depth']}-{stored['padding']}")
def test_loops_over_pixels_give_the_same(stored):
    images, options, expected = case(stored)
    found = [[reference().cntk(x.tolist(), y.tolist(), **options) for y in images] for x in images]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_one_pixel_makes_it_the_fully_connected_kernel(kernel_size):
    x = np.random.default_rng(0).normal(size=(6, 5))
    options = {"depth": 3, "bias_variance": 0.2}
    values = relu_cntk(x[:, :, None, None], padding="circular", kernel_size=kernel_size, **options)
    np.testing.assert_allclose(values, relu_ntk(x, **options), atol=1e-7)


class Wide(nn.Module):
    """A finite network in the parametrisation whose limit this is."""

    def __init__(self, width, depth, channels, size, padding, bias):
        super().__init__()
        inputs = [channels, *[width] * depth]
        shapes = [(width, before, size, size) for before in inputs[:-1]]
        self.weights = nn.ParameterList(torch.randn(shape).double() for shape in shapes)
        self.biases = nn.ParameterList(torch.randn(width, 1, 1).double() for _ in shapes)
        self.last, self.shift = (nn.Parameter(torch.randn(n, 1).double()) for n in (width, 1))
        self.bias, self.reach, self.mode = math.sqrt(bias), size // 2, padding

    def forward(self, x):
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if layer:
                x = math.sqrt(2) * torch.relu(x)
            x = F.pad(x, [self.reach] * 4, mode="constant" if self.mode == "zeros" else "circular")
            x = F.conv2d(x, weight) / math.sqrt(weight[0].numel()) + self.bias * bias
        pooled = math.sqrt(2) * torch.relu(x).mean((2, 3))
        return pooled @ self.last / math.sqrt(len(self.last)) + self.bias * self.shift[0]


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_wide_networks_approach_it_as_one_over_the_root_of_the_width(padding):
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 2, 3, 4)))
    options = {"depth": 2, "padding": padding, "bias_variance": 0.1}
    limit = relu_cntk(images, **options)

    def errors(width, networks):
        """Relative error of one network, as a root mean square, and of the mean over all."""
        torch.manual_seed(width)
        deviations = torch.stack(
            [
                empirical_ntk(Wide(width, 2, 2, 3, padding, 0.1), images).matrix - limit
                for _ in range(networks)
            ]
        )
        scale = limit.square().mean().sqrt()
        return [float(part.square().mean().sqrt() / scale) for part in (deviations, deviations.mean(dim=0))]

    narrow, _ = errors(16, 100)
    wide, of_the_mean = errors(96, 30)
    assert narrow / wide == pytest.approx(6**0.5, rel=0.3)
    assert of_the_mean < 0.05


def test_the_matrix_is_symmetric_and_positive():
    images = np.random.default_rng(0).normal(size=(8, 3, 5, 4))
    values = relu_cntk(images, depth=3)
    np.testing.assert_array_equal(values, values.T)
    assert np.linalg.eigvalsh(values)[0] > 0


def test_black_images_have_the_kernel_of_biases_alone():
    images = np.zeros((1, 3, 4, 4))
    assert relu_cntk(images, depth=2) == 0
    assert relu_cntk(images, depth=2, padding="circular", bias_variance=0.5) == pytest.approx(
        relu_ntk(np.zeros((1, 3)), depth=2, bias_variance=0.5)
    )


def test_shifted_images_are_the_same_to_a_circular_network():
    images = np.random.default_rng(0).normal(size=(3, 3, 5, 6))
    moved = np.roll(images, (2, 1), (2, 3))
    options = {"depth": 2, "padding": "circular"}
    np.testing.assert_allclose(relu_cntk(moved, images, **options), relu_cntk(images, **options), atol=1e-7)


@pytest.mark.slow
def test_it_is_a_kernel_for_the_estimator():
    images = np.random.default_rng(0).normal(size=(20, 3, 4, 4))
    fitted = ContrastiveKernelPCA(3, kernel=relu_cntk, kernel_params={"depth": 2}, y_is="view").fit(
        images, images + 0.1
    )
    assert fitted.transform(images).shape == (20, 3)


def test_wrong_input_is_refused_in_one_line():
    x = np.ones((2, 3, 4, 4))
    for arguments, options, message in [
        ((x,), {"depth": 0}, "depth.*>= 1, got 0"),
        ((x,), {"kernel_size": 2}, "odd kernel_size, got 2"),
        ((x,), {"padding": "same"}, '"zeros" or "circular", got \'same\''),
        ((x,), {"bias_variance": -1.0}, "got -1.0"),
        ((x[0],), {}, r"images \(n, c, h, w\).*\(3, 4, 4\)"),
        ((x, x[:, :, :3]), {}, "one shape"),
        ((x, x.astype(np.float32)), {}, "float64.*float32"),
        ((x * np.nan,), {}, "finite images in x"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            relu_cntk(*arguments, **options)
        assert "\n" not in str(caught.value)
