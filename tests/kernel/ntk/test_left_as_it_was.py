"""Whatever is computed, and whether it fails or not, the model is the one that it was before."""

import pytest
import torch
from torch import nn

from eigenstep.kernel import NTKKernel, NTKOperator, empirical_ntk, ntk_features

CALLS = {
    "matrix": lambda model, samples: empirical_ntk(model, samples),
    "operator": lambda model, samples: NTKOperator(model, samples).product(torch.ones(len(samples), 1)),
    "features": lambda model, samples: ntk_features(model, samples, 5),
    "kernel": lambda model, samples: NTKKernel(model)(samples, samples),
}


def held(model):
    """All that is set on the modules, tensors and lists by their identity."""
    found = {}
    for place, module in model.named_modules(remove_duplicate=False):
        for kind in (module._parameters, module._buffers, vars(module)):
            found |= {(place, id(kind), name): id(value) for name, value in kind.items()}
        for name in getattr(module, "_flat_weights_names", ()):
            at = module._flat_weights_names.index(name)
            found[place, "flat", name] = id(module._flat_weights[at])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ["several names", "tokens", "lstm", "weight norm", "convnet"])
def test_its_parameters_and_buffers_are_the_same_objects(network, name, call):
    model, samples = network(name)
    before = held(model)
    CALLS[call](model, samples)
    assert held(model) == before


class Failing(nn.Module):
    """Two names for one layer, and a forward that fails at the given call."""

    def __init__(self, at):
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.again, self.left = self.layer, [at]

    def forward(self, x):
        self.left[0] -= 1
        self.seen = self.layer(x)
        if self.left[0] < 0:
            raise RuntimeError("enough")
        return self.again.weight.sum() + self.seen


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("at", [0, 1, 4, 8])
def test_they_are_where_the_forward_fails_too(call, at):
    model = Failing(at)
    before = held(model)
    with pytest.raises(RuntimeError, match="enough"):
        CALLS[call](model, torch.randn(5, 4))
    assert held(model) == before


@pytest.mark.parametrize("call", CALLS)
def test_an_optimiser_that_was_made_before_trains_it(network, call):
    model, samples = network("several names")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    CALLS[call](model, samples)
    before = model(samples).detach()
    model(samples).square().sum().backward()
    optimiser.step()
    assert not torch.allclose(model(samples), before)


def test_what_a_forward_sets_on_its_modules_does_not_stay():
    with pytest.warns(FutureWarning, match="weight_norm"):
        layer = nn.utils.weight_norm(nn.Linear(4, 3))
    computed = layer.weight
    empirical_ntk(layer, torch.randn(5, 4))
    assert layer.weight is computed


def test_the_model_is_left_as_it_was(network):
    model, samples = network("convnet")
    model.train()
    model[1].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()
    empirical_ntk(model, samples, dtype=torch.float32)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert (model.training, model[1].training) == (True, False)
    assert torch.equal(random, torch.get_rng_state())
    assert samples.grad is None
    assert not samples.requires_grad


class Writing(nn.Module):
    """A forward that counts itself, and shortens the rows of its tables that are too long."""

    def __init__(self):
        super().__init__()
        self.table, self.fixed = nn.Embedding(9, 4, max_norm=0.5), nn.Embedding(9, 4, max_norm=0.5)
        self.fixed.requires_grad_(False)
        self.last = nn.Linear(4, 2)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, tokens):
        self.calls += 1
        return self.last((self.table(tokens) + self.fixed(tokens)).mean(1)) * self.calls


def test_a_forward_that_writes_does_not_reach_the_model_nor_the_next_forward(exact):
    torch.manual_seed(0)
    model, tokens = Writing().double().eval(), torch.randint(0, 9, (7, 3))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    kernel = empirical_ntk(model, tokens, chunk_size=2).matrix
    NTKOperator(model, tokens).product(torch.ones(7, 1).double())
    ntk_features(model, tokens, 5)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    # Of the model's first call.
    torch.testing.assert_close(kernel, exact(model, tokens))


def test_an_operator_is_of_the_model_as_it_was(network):
    model, samples = network("mlp")
    operator, block = NTKOperator(model, samples), torch.ones(len(samples), 1).double()
    expected = operator.product(block)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    assert torch.equal(operator.product(block), expected)
