"""Modules of one's own as encoders."""

import pytest
import torch
from torch import nn

from eigenstep.encoders import OwnEncoder, as_input, try_encoder


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.norm, self.head = nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)

    def forward(self, x):
        features = self.norm(self.body(x))
        return features, self.head(nn.functional.dropout(features, training=self.training))


@pytest.fixture
def sample():
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


def test_dimensions_are_those_that_the_module_gives(sample):
    encoder, dim = try_encoder(Both(), sample)
    assert (encoder.num_features, dim) == (4, 3)
    encoder, dim = try_encoder(nn.Linear(6, 5), sample)
    assert (encoder.num_features, dim) == (5, 5)
    features, embeddings = encoder(sample)
    assert features is embeddings


def test_a_trial_leaves_weights_buffers_gradients_and_random_states(sample):
    module = Both().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.random.get_rng_state()
    try_encoder(module, sample)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert module.training  # as it is trained


def test_a_lazy_module_gets_its_shape_from_the_trial(sample):
    encoder, dim = try_encoder(nn.Sequential(nn.LazyLinear(7), nn.LazyBatchNorm1d()), sample)
    assert dim == 7
    assert encoder.backbone[0].in_features == 6


def test_the_module_is_all_that_the_encoder_holds(sample):
    module = Both()
    encoder = OwnEncoder(module, 4)
    assert encoder.backbone is module
    assert [id(each) for each in encoder.parameters()] == [id(each) for each in module.parameters()]


class Odd(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.linear, self.change = nn.Linear(6, 3), change

    def forward(self, x):
        return self.change(self.linear(x))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z: z[:, 0], r"must return embeddings \(4, d\) .* of shape \(4,\)"),
        (lambda z: z[:2], r"of shape \(2, 3\)"),
        (lambda z: {"z": z}, "got features dict"),
        (lambda z: (z, z, z), "got tuple of 3"),
        (lambda z: (z, None), "got embeddings nothing"),
        (lambda z: z.long(), "of real numbers, got torch.int64"),
        (lambda z: z * torch.inf, "not finite"),
        (lambda z: z.detach(), "without a gradient"),
        (lambda z: torch.zeros(4, 3, requires_grad=True), "no parameter of Odd has a part in its embeddings"),
        (lambda z: 1 / 0, r"does not take views of shape \(4, 6\) \(ZeroDivisionError: division by zero\)"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(sample, change, message):
    with pytest.raises(ValueError, match=message) as refused:
        try_encoder(Odd(change), sample)
    assert "\n" not in str(refused.value)


def test_whole_numbers_stay_and_images_come_channels_last():
    assert as_input(torch.zeros(2, 5, dtype=torch.int64), torch.float64).dtype == torch.int64
    assert as_input(torch.zeros(2, 5), torch.float64).dtype == torch.float64
    images = as_input(torch.zeros(2, 3, 4, 4), torch.float32)
    assert images.is_contiguous(memory_format=torch.channels_last)
