"""However samples lie in memory, and whatever a forward does to them, the kernel is that of the samples."""

import pytest
import torch
from torch import nn

from eigenstep.kernel import NTKOperator, empirical_ntk, ntk_features


class Viewing(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(12, 3)

    def forward(self, x):
        return self.last(x.view(len(x), -1))


class Writing(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        return self.last(x.mul_(2).add_(1).relu_())


class Squeezing(nn.Module):
    """One output for each sample, whose axis goes, and that of a single sample with it; without a formula."""

    def __init__(self):
        super().__init__()
        self.form = nn.Bilinear(4, 4, 1)

    def forward(self, x):
        return self.form(x, x).squeeze()


LAID_OUT = {
    "channels last": lambda: torch.randn(6, 2, 2, 3, dtype=torch.float64).permute(0, 3, 1, 2),
    "samples last": lambda: torch.randn(3, 2, 2, 6, dtype=torch.float64).permute(3, 0, 1, 2),
    "every second": lambda: torch.randn(12, 3, 2, 4, dtype=torch.float64)[::2, ..., ::2],
    "repeated": lambda: torch.randn(6, 3, 1, 1, dtype=torch.float64).expand(6, 3, 2, 2),
}


@pytest.mark.parametrize("layout", LAID_OUT)
@pytest.mark.parametrize("count", [1, 6])
def test_strided_samples_are_taken_as_contiguous_ones(exact, layout, count):
    torch.manual_seed(0)
    model, samples = Viewing().double(), LAID_OUT[layout]()
    expected = exact(model, samples.contiguous())[:count, :count]
    samples = samples[:count]
    assert not samples.is_contiguous()
    torch.testing.assert_close(empirical_ntk(model, samples).matrix, expected)
    operator = NTKOperator(model, samples)
    torch.testing.assert_close(operator.product(torch.eye(count).double()), expected)
    features = ntk_features(model, samples, 20_000)
    assert float((features @ features.T - expected).abs().max()) < 0.05 * float(expected.max())


@pytest.mark.parametrize("count", [1, 5])
def test_a_forward_that_writes_to_its_input_does_not_reach_the_samples(exact, count):
    torch.manual_seed(0)
    model, samples = Writing().double(), torch.randn(count, 4).double()
    before = samples.clone()
    expected = exact(model, samples.clone())
    torch.testing.assert_close(empirical_ntk(model, samples).matrix, expected)
    torch.testing.assert_close(NTKOperator(model, samples).product(torch.eye(count).double()), expected)
    assert torch.equal(samples, before)


@pytest.mark.parametrize("count", [1, 5])
def test_a_model_that_refuses_a_batch_of_one_is_never_given_one(exact, count):
    torch.manual_seed(0)
    model, samples = Squeezing().double(), torch.randn(5, 4).double()
    expected = exact(model, samples)[:count, :count]
    torch.testing.assert_close(empirical_ntk(model, samples[:count]).matrix, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convnet", "vit", "tokens"])
def test_one_sample_has_a_kernel_too(network, name):
    model, samples = network(name)
    expected = empirical_ntk(model, samples).matrix
    torch.testing.assert_close(empirical_ntk(model, samples[:1]).matrix, expected[:1, :1])
    torch.testing.assert_close(empirical_ntk(model, samples[:1], samples[1:]).matrix, expected[:1, 1:])
