import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

from eigenstep.kernel import NTKOperator, empirical_ntk, ntk_features

NAMES = ["mlp", "convnet", "resnet18", "vit", "convnext", "swin", "shared linear", "shared convolution"]
NAMES += ["tokens", "bare parameters", "scalars", "weight norm", "volumes", "sequences", "signals", "gru"]
NAMES += ["transposed", "bilinear"]


def mean_kernel(jacobian):
    return torch.einsum("iop,jop->ij", jacobian, jacobian) / jacobian.shape[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["mlp", "convnet", "resnet18", "vit", "shared linear", "shared convolution", "scalars"]
)
def test_the_kernel_is_that_of_torch_funcs_jacobian(network, name):
    model, samples = network(name)
    buffers = dict(model.named_buffers())

    def outputs(parameters, sample):
        return functional_call(model, {**parameters, **buffers}, (sample[None],))[0]

    parameters = {key: value.detach() for key, value in model.named_parameters()}
    found = vmap(jacrev(outputs), (None, 0))(parameters, samples)
    expected = mean_kernel(torch.cat([part.reshape(*part.shape[:2], -1) for part in found.values()], dim=2))
    values = empirical_ntk(model, samples).matrix
    torch.testing.assert_close(values, expected, rtol=1e-10, atol=1e-10 * float(expected.max()))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_is_that_of_single_backward_passes(network, jacobian, name):
    model, samples = network(name)
    expected = mean_kernel(jacobian(model, samples))
    scale = float(expected.abs().max())
    values = empirical_ntk(model, samples).matrix
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-11 * scale)
    assert torch.equal(values, values.T)
    # Other batches, several sweeps for little memory, and rows by columns.
    sparing = empirical_ntk(model, samples, chunk_size=2, memory_budget=2e6 if name == "mlp" else 2e7).matrix
    torch.testing.assert_close(sparing, expected, rtol=0, atol=1e-11 * scale)
    block = empirical_ntk(model, samples[:2], samples[2:], chunk_size=3).matrix
    torch.testing.assert_close(block, expected[:2, 2:], rtol=0, atol=1e-11 * scale)


@pytest.mark.slow
def test_layers_have_formulas_and_what_has_none_is_named(network):
    for name in NAMES:
        account = empirical_ntk(*network(name))
        by_function = [
            part for layer in account.layers for part in layer.parameters if "torch.func" in layer.method
        ]
        without = {"transposed": ["0.weight"], "bilinear": ["form.weight"], "scalars": ["divisor"]}
        expected = without.get(name, [])
        assert by_function == expected
        assert [note.partition(":")[0] for note in account.notes if "torch.func" in note] == expected
    model, samples = network("bare parameters")
    assert empirical_ntk(model, samples).notes == ("unused: outputs do not depend on it",)


@pytest.mark.slow
def test_every_parameter_is_in_one_line_of_the_account(network):
    for name in ("convnet", "vit", "tokens", "transposed"):
        model, samples = network(name)
        account = empirical_ntk(model, samples)
        listed = [part for layer in account.layers for part in layer.parameters]
        assert sorted(listed) == sorted(key for key, _ in model.named_parameters())
        assert sum(layer.n_parameters for layer in account.layers) == sum(
            p.numel() for p in model.parameters()
        )
        assert all(layer.flops > 0 and layer.seconds >= 0 for layer in account.layers)
        assert all(layer.name in str(account) for layer in account.layers)


@pytest.mark.slow
def test_the_mean_is_over_outputs_and_a_number_is_one_of_them(network, jacobian):
    model, samples = network("mlp")
    rows = jacobian(model, samples)
    alone = [empirical_ntk(model, samples, outputs=output).matrix for output in range(7)]
    torch.testing.assert_close(alone[2], rows[:, 2] @ rows[:, 2].T)
    torch.testing.assert_close(empirical_ntk(model, samples, outputs=-1).matrix, alone[6])
    torch.testing.assert_close(empirical_ntk(model, samples).matrix, torch.stack(alone).mean(0))


@pytest.mark.slow
def test_a_random_combination_of_outputs_has_the_mean_as_its_expectation(network):
    model, samples = network("shared linear")
    kernels = [
        empirical_ntk(model, samples, outputs="random", random_state=seed).matrix for seed in range(60)
    ]
    # Of three outputs there are four pairs of opposite sign patterns, all as likely.
    distinct = torch.stack(kernels).mul(1e6).round().flatten(1).unique(dim=0)
    assert len(distinct) == 4
    expected = empirical_ntk(model, samples).matrix.flatten()
    torch.testing.assert_close(distinct.mean(0) / 1e6, expected, rtol=0, atol=1e-6)
    again = empirical_ntk(model, samples, outputs="random", random_state=3).matrix
    assert torch.equal(again, kernels[3])


@pytest.mark.slow
def test_frozen_parameters_do_not_count(network, jacobian):
    model, samples = network("convnet")
    model[0].requires_grad_(False)
    model[3].weight.requires_grad_(False)
    account = empirical_ntk(model, samples)
    torch.testing.assert_close(account.matrix, mean_kernel(jacobian(model, samples)))
    assert [layer.name for layer in account.layers] == ["1.weight", "1.bias", "4.weight", "4.bias", "6", "10"]


def test_layers_behind_a_stop_of_gradients_count_alone(jacobian):
    class Probed(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone, self.head = nn.Linear(4, 5), nn.Linear(5, 2)

        def forward(self, x):
            return self.head(self.backbone(x).relu().detach())

    torch.manual_seed(0)
    model, samples = Probed().double(), torch.randn(5, 4).double()
    account = empirical_ntk(model, samples)
    torch.testing.assert_close(account.matrix, mean_kernel(jacobian(model, samples)))
    assert len(account.notes) == 2


@pytest.mark.slow
def test_branches_that_start_at_zero_are_read_all_the_same(jacobian):
    torch.manual_seed(0)
    model = timm.create_model("resnet10t", num_classes=3, zero_init_last=True).double().eval()
    assert not model.layer1[0].bn2.weight.any()
    samples = torch.randn(3, 3, 32, 32).double()
    account = empirical_ntk(model, samples)
    assert not account.notes
    torch.testing.assert_close(account.matrix, mean_kernel(jacobian(model, samples)))


@pytest.mark.slow
def test_channels_that_wake_up_in_later_samples_are_counted(jacobian, monkeypatch):
    monkeypatch.setattr("eigenstep.kernel.ntk._plan._worth_rotating", lambda *_: True)
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 40, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 8)]
    model = nn.Sequential(*layers).double()
    # All positive weights on half of the channels: dead for negative images, which come first.
    model[0].weight.data[:20].abs_()
    model[0].bias.data[:20] = -0.1
    samples = torch.randn(45, 2, 6, 6).abs().double()
    samples[:30] *= -1
    account = empirical_ntk(model, samples, chunk_size=15)
    # One direction a channel: eight times fewer products than of all outputs.
    assert account.layers[0].flops == 2 * 40 * 19 * (45 * 46 / 2 + 16 * 45)
    torch.testing.assert_close(account.matrix, mean_kernel(jacobian(model, samples)))


@pytest.mark.slow
def test_arrays_give_arrays_and_tensors_tensors(network):
    model, samples = network("mlp")
    expected = empirical_ntk(model, samples).matrix
    found = empirical_ntk(model, samples.numpy()).matrix
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, expected)
    single = empirical_ntk(model, samples.float(), dtype=torch.float32).matrix
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=1e-5, atol=1e-5)
    read_only = samples.numpy()[::-1]
    read_only.setflags(write=False)
    np.testing.assert_allclose(empirical_ntk(model, read_only).matrix, expected.flip(0, 1), rtol=1e-12)
    double = empirical_ntk(model.float(), samples, dtype=torch.float64).matrix
    torch.testing.assert_close(double, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_float32_is_as_exact_as_its_rounding(network):
    for name in ("convnet", "vit", "tokens"):
        model, samples = network(name)
        expected = empirical_ntk(model, samples).matrix
        single = empirical_ntk(model, samples, dtype=torch.float32).matrix
        assert float((single - expected).abs().max()) < 3e-6 * float(expected.max())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convnet", "vit", "tokens"])
def test_one_sample_has_a_kernel_too(network, name):
    model, samples = network(name)
    expected = empirical_ntk(model, samples).matrix
    torch.testing.assert_close(empirical_ntk(model, samples[:1]).matrix, expected[:1, :1])
    torch.testing.assert_close(empirical_ntk(model, samples[:1], samples[1:]).matrix, expected[:1, 1:])


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


def test_a_forward_that_writes_does_not_reach_the_model_nor_the_next_forward(jacobian):
    torch.manual_seed(0)
    model, tokens = Writing().double().eval(), torch.randint(0, 9, (7, 3))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    kernel = empirical_ntk(model, tokens, chunk_size=2).matrix
    NTKOperator(model, tokens).product(torch.ones(7, 1).double())
    ntk_features(model, tokens, 5)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    # Of the model's first call.
    torch.testing.assert_close(kernel, mean_kernel(jacobian(model, tokens)))


def test_an_operator_is_of_the_model_as_it_was(network):
    model, samples = network("mlp")
    operator, block = NTKOperator(model, samples), torch.ones(len(samples), 1).double()
    expected = operator.product(block)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    assert torch.equal(operator.product(block), expected)


@pytest.mark.slow
def test_it_computes_where_gradients_are_off(network):
    model, samples = network("scalars")
    expected = empirical_ntk(model, samples).matrix
    with torch.no_grad():
        assert torch.equal(empirical_ntk(model, samples).matrix, expected)


def test_tensors_that_are_not_the_models_parameters_do_not_count(jacobian):
    class Scaled(nn.Linear):
        scale = torch.tensor([2.0, 3.0]).double().requires_grad_()

        def forward(self, x):
            return super().forward(x) * self.scale

    model, samples = Scaled(4, 2).double(), torch.randn(5, 4).double()
    torch.testing.assert_close(empirical_ntk(model, samples).matrix, mean_kernel(jacobian(model, samples)))


def test_outputs_of_any_shape_are_flattened(jacobian):
    torch.manual_seed(0)
    model = nn.Conv2d(2, 3, 3).double()
    samples = torch.randn(4, 2, 4, 4).double()
    account = empirical_ntk(model, samples)
    assert account.n_outputs == 12
    torch.testing.assert_close(account.matrix, mean_kernel(jacobian(model, samples)))


def test_too_little_memory_is_said(network):
    with pytest.raises(MemoryError, match=r"memory_budget.*got 1000 bytes.*takes \d+\.\d KiB: raise it"):
        empirical_ntk(*network("mlp"), memory_budget=1e3)
