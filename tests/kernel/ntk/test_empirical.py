import copy

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

from eigenstep.kernel import NTKOperator, empirical_ntk, ntk_features

NAMES = ["mlp", "convnet", "resnet18", "vit", "convnext", "swin", "shared linear", "shared convolution"]
NAMES += ["tokens", "bare parameters", "scalars", "weight norm", "volumes", "sequences", "signals", "gru"]
NAMES += ["lstm", "rnn cell", "gru cell", "lstm cell", "several weights", "several names"]
NAMES += ["transposed", "bilinear"]


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
    rows = torch.cat([part.reshape(*part.shape[:2], -1) for part in found.values()], dim=2)
    expected = torch.einsum("iop,jop->ij", rows, rows) / rows.shape[1]
    values = empirical_ntk(model, samples).matrix
    torch.testing.assert_close(values, expected, rtol=1e-10, atol=1e-10 * float(expected.max()))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_is_that_of_single_backward_passes(network, exact, name):
    model, samples = network(name)
    expected = exact(model, samples)
    scale = float(expected.abs().max())
    values = empirical_ntk(model, samples).matrix
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-11 * scale)
    assert torch.equal(values, values.T)
    # Other batches, several sweeps for little memory, and rows by columns.
    sparing = empirical_ntk(model, samples, chunk_size=2, memory_budget=2e6 if name == "mlp" else 2e7).matrix
    torch.testing.assert_close(sparing, expected, rtol=0, atol=1e-11 * scale)
    block = empirical_ntk(model, samples[:2], samples[2:], chunk_size=3).matrix
    torch.testing.assert_close(block, expected[:2, 2:], rtol=0, atol=1e-11 * scale)


IMAGES = ["convnet", "resnet18", "vit", "convnext", "swin", "shared convolution", "weight norm"]


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_channels_last_of_float32_is_the_kernel_by_the_same_formulas(network, exact, name):
    model, samples = network(name)
    expected = exact(model, samples)
    result = empirical_ntk(model, samples, dtype=torch.float32)
    torch.testing.assert_close(
        result.matrix.double(), expected, rtol=0, atol=1e-5 * float(expected.abs().max())
    )
    same = [(layer.name, layer.method) for layer in empirical_ntk(model, samples).layers]
    assert [(layer.name, layer.method) for layer in result.layers] == same


class Viewing(nn.Module):
    """Views its activations as they lie in memory, which refuses channels that lie last."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv2d(3, 5, 3), nn.Linear(5 * 36, 2)

    def forward(self, x):
        return self.head(self.convolution(x).view(len(x), -1))


def test_a_forward_that_views_its_activations_has_them_as_usual(exact):
    torch.manual_seed(0)
    model, samples = Viewing(), torch.randn(6, 3, 8, 8)
    with pytest.raises(RuntimeError, match="view size"):
        copy.deepcopy(model).to(memory_format=torch.channels_last)(samples)
    expected = exact(model.double(), samples.double())
    result = empirical_ntk(model, samples, dtype=torch.float32)
    torch.testing.assert_close(
        result.matrix.double(), expected, rtol=0, atol=1e-5 * float(expected.abs().max())
    )


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
    for name in ("convnet", "vit", "tokens", "transposed", "gru cell", "several weights", "several names"):
        model, samples = network(name)
        account = empirical_ntk(model, samples)
        listed = [part for layer in account.layers for part in layer.parameters]
        assert sorted(listed) == sorted(key for key, _ in model.named_parameters())
        assert sum(layer.n_parameters for layer in account.layers) == sum(
            p.numel() for p in model.parameters()
        )
        assert all(layer.flops > 0 and layer.seconds >= 0 for layer in account.layers)
        assert len({layer.name for layer in account.layers}) == len(account.layers)
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
def test_frozen_parameters_do_not_count(network, exact):
    model, samples = network("convnet")
    model[0].requires_grad_(False)
    model[3].weight.requires_grad_(False)
    account = empirical_ntk(model, samples)
    torch.testing.assert_close(account.matrix, exact(model, samples))
    assert [layer.name for layer in account.layers] == ["1.weight", "1.bias", "4.weight", "4.bias", "6", "10"]


def test_layers_behind_a_stop_of_gradients_count_alone(exact):
    class Probed(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone, self.head = nn.Linear(4, 5), nn.Linear(5, 2)

        def forward(self, x):
            return self.head(self.backbone(x).relu().detach())

    torch.manual_seed(0)
    model, samples = Probed().double(), torch.randn(5, 4).double()
    account = empirical_ntk(model, samples)
    torch.testing.assert_close(account.matrix, exact(model, samples))
    assert len(account.notes) == 2


@pytest.mark.slow
def test_branches_that_start_at_zero_are_read_all_the_same(exact):
    torch.manual_seed(0)
    model = timm.create_model("resnet10t", num_classes=3, zero_init_last=True).double().eval()
    assert not model.layer1[0].bn2.weight.any()
    samples = torch.randn(3, 3, 32, 32).double()
    account = empirical_ntk(model, samples)
    assert not account.notes
    torch.testing.assert_close(account.matrix, exact(model, samples))


@pytest.mark.slow
def test_channels_that_wake_up_in_later_samples_are_counted(exact, monkeypatch):
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
    torch.testing.assert_close(account.matrix, exact(model, samples))


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
def test_it_computes_where_gradients_are_off(network):
    model, samples = network("scalars")
    expected = empirical_ntk(model, samples).matrix
    with torch.no_grad():
        assert torch.equal(empirical_ntk(model, samples).matrix, expected)


def test_tensors_that_are_not_the_models_parameters_do_not_count(exact):
    class Scaled(nn.Linear):
        scale = torch.tensor([2.0, 3.0]).double().requires_grad_()

        def forward(self, x):
            return super().forward(x) * self.scale

    model, samples = Scaled(4, 2).double(), torch.randn(5, 4).double()
    torch.testing.assert_close(empirical_ntk(model, samples).matrix, exact(model, samples))


def test_outputs_of_any_shape_are_flattened(exact):
    torch.manual_seed(0)
    model = nn.Conv2d(2, 3, 3).double()
    samples = torch.randn(4, 2, 4, 4).double()
    account = empirical_ntk(model, samples)
    assert account.n_outputs == 12
    torch.testing.assert_close(account.matrix, exact(model, samples))


def test_too_little_memory_is_said(network):
    with pytest.raises(MemoryError, match=r"memory_budget.*got 1000 bytes.*takes \d+\.\d KiB: raise it"):
        empirical_ntk(*network("mlp"), memory_budget=1e3)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 5])
def test_a_model_no_part_of_which_has_a_formula_falls_back(network, exact, count):
    model, samples = network("lstm")
    expected = exact(model, samples)[:count, :count]
    model, samples = model.float(), samples[:count].float()
    # In float32 all of it is one operation of a library.
    account = empirical_ntk(model, samples)
    assert [layer.method for layer in account.layers] == ["torch.func"]
    torch.testing.assert_close(account.matrix.double(), expected, rtol=1e-4, atol=1e-6)
    product = NTKOperator(model, samples).product(torch.eye(count))
    torch.testing.assert_close(product.double(), expected, rtol=1e-4, atol=1e-6)
    features = ntk_features(model, samples, 20_000).double()
    assert float((features @ features.T - expected).abs().max()) < 0.05 * float(expected.max())
