"""Muon beside timm's, whose iterations are computed in the same type here."""

import functools
import math

import pytest
import timm.optim.muon
import torch
from torch import nn

from eigenstep.optim import Muon, fallback_reason, fallback_reasons, rate_scale

SHAPES = {
    "square": (24, 24),
    "wide": (16, 64),
    "another wide": (16, 64),
    "tall": (64, 16),
    "convolution": (32, 8, 3, 3),
    "of the same shape as a matrix": (32, 72),
    "1 x 1": (32, 24, 1, 1),
    "in three dimensions": (8, 4, 3, 3, 3),
    "in one dimension": (12, 6, 5),
    "depthwise": (32, 1, 3, 3),
    "positions": (1, 7, 16),
    "bias": (32,),
    "number": (),
    "few rows": (3, 40),
    "long rows": (4, 2048),
    "frozen": (16, 64),
}
FALLBACK = {"depthwise", "positions", "bias", "number", "few rows", "long rows"}
SETTINGS = {"momentum": 0.95, "weight_decay": 0.1}
TIMMS = {"adjust_lr_fn": "original", "conv_mode": "flatten", "fallback_lr_scale": 0.05, "betas": (0.9, 0.999)}


@pytest.fixture(params=[torch.float64, torch.float32], ids=str)
def dtype(request, monkeypatch):
    """Of the parameters; timm's Muon computes in bfloat16 whatever they are."""
    patched = functools.partial(timm.optim.muon.zeropower_via_newtonschulz, dtype=request.param)
    monkeypatch.setattr(timm.optim.muon, "zeropower_via_newtonschulz", patched)
    return request.param


def parameters(dtype):
    generator = torch.Generator().manual_seed(0)
    drawn = {
        name: nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype))
        for name, shape in SHAPES.items()
    }
    laid = drawn["convolution"].data.to(memory_format=torch.channels_last)
    return drawn | {"convolution": nn.Parameter(laid)}


def take_steps(optimizer, weights, steps=4, seed=1):
    """Steps with gradients of any scale, as a network gives them: none for what is frozen."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for name, weight in weights.items():
            gradient = torch.randn(weight.shape, generator=generator, dtype=torch.float64).to(weight)
            weight.grad = None if name == "frozen" else 10 ** (len(name) % 5 - 4) * gradient
        optimizer.step()


def grouped(weights):
    """Two groups at rates of their own, over which matrices of one shape are spread."""
    each = list(weights.values())
    return [{"params": each[::2]}, {"params": each[1::2], "lr": 0.3, "weight_decay": 0.0}]


@pytest.mark.parametrize("nesterov", [True, False])
def test_it_steps_as_timms_muon(dtype, nesterov):
    ours, timms = parameters(dtype), parameters(dtype)
    take_steps(Muon(grouped(ours), lr=0.1, nesterov=nesterov, **SETTINGS), ours)
    peer = timm.optim.Muon(grouped(timms), lr=0.1, nesterov=nesterov, **SETTINGS, **TIMMS)
    take_steps(peer, timms)
    start, close = parameters(dtype), 1e-11 if dtype == torch.float64 else 1e-5
    for name, weight in ours.items():
        assert torch.equal(weight, start[name]) == (name == "frozen")
        torch.testing.assert_close(weight, timms[name], rtol=close, atol=close, msg=lambda m, n=name: n + m)


@pytest.mark.parametrize("scale", ["original", "match_rms_adamw", "rms_to_rms"])
def test_rates_go_with_the_shape_as_timms_do(scale):
    for shape in [(8, 8), (16, 64), (64, 16), (512, 27)]:
        assert rate_scale(shape, scale) == pytest.approx(timm.optim.muon.get_lr_scale(shape, scale))
    ours, timms = parameters(torch.float32), parameters(torch.float32)
    take_steps(Muon([ours["tall"]], lr=0.1, scale=scale, nesterov=False), {"tall": ours["tall"]})
    peer = timm.optim.Muon([timms["tall"]], lr=0.1, **TIMMS | {"adjust_lr_fn": scale})
    take_steps(peer, {"tall": timms["tall"]})
    torch.testing.assert_close(ours["tall"], timms["tall"], rtol=0, atol=0.02)  # timm's in bfloat16


def test_a_step_moves_a_matrix_by_rate_times_scale_in_spectral_norm():
    weights = {"tall": nn.Parameter(torch.zeros(64, 16))}
    take_steps(Muon(weights.values(), lr=0.1), weights, steps=1)
    singular = torch.linalg.svdvals(weights["tall"]) / (0.1 * math.sqrt(64 / 16))
    assert 0.84 < singular.min() < singular.max() < 1.16


@pytest.mark.parametrize("count", [1, 3])
def test_batches_of_any_number_of_matrices_give_the_same(count, monkeypatch):
    whole, parts = parameters(torch.float64), parameters(torch.float64)
    take_steps(Muon(whole.values()), whole)
    monkeypatch.setattr("eigenstep.optim._muon._LARGEST_BATCH", count * 16 * 64)
    take_steps(Muon(parts.values()), parts)
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight, msg=name)


def test_the_fallback_is_said_by_name_with_its_reason():
    weights = parameters(torch.float32)
    weights["frozen"].requires_grad_(False)
    reasons = fallback_reasons([*weights.items(), ("frozen bias", nn.Parameter(torch.zeros(2), False))])
    assert set(reasons) == FALLBACK
    assert reasons["bias"] == reasons["number"] == "one dimension"
    assert reasons["depthwise"] == reasons["positions"] == "a single row or channel"
    assert reasons["few rows"] == "a side of 3, less than 4"
    optimizer = Muon(weights.values())
    take_steps(optimizer, weights)
    by_adamw = {name for name, weight in weights.items() if "exp_avg" in optimizer.state[weight]}
    assert by_adamw == FALLBACK


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8, 64, 1024])
@pytest.mark.parametrize(
    "rest", [(), (1,), (3,), (4,), (512,), (513,), (1, 3, 3), (3, 1, 1), (64, 3, 3), (2, 1)]
)
def test_what_is_orthogonalised_is_what_timm_does(rows, rest):
    suitable = timm.optim.muon._is_suitable_for_muon(torch.empty(rows, *rest))
    assert (fallback_reason((rows, *rest)) is None) == suitable


def test_a_group_may_be_left_to_adamw():
    weights = {"wide": nn.Parameter(torch.zeros(8, 8))}
    optimizer = Muon([{"params": list(weights.values()), "use_fallback": True}], lr=0.1, nesterov=False)
    take_steps(optimizer, weights, steps=1)
    torch.testing.assert_close(weights["wide"].abs(), torch.full((8, 8), 0.1 * 0.05), rtol=1e-2, atol=0)


def test_its_state_goes_on_where_it_was_saved(tmp_path):
    whole, resumed = parameters(torch.float32), parameters(torch.float32)
    optimizer = Muon(grouped(whole))
    take_steps(optimizer, whole)
    take_steps(optimizer, whole, seed=2)
    before = Muon(grouped(resumed))
    take_steps(before, resumed)
    torch.save(before.state_dict(), tmp_path / "state.pt")
    after = Muon(grouped(resumed), lr=7.0)
    after.load_state_dict(torch.load(tmp_path / "state.pt"))
    take_steps(after, resumed, seed=2)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_closure_is_evaluated_with_gradients():
    weight = nn.Parameter(torch.ones(8, 8))
    optimizer = Muon([weight])

    def closure():
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 64
    assert (weight < 1).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, r"^lr: expected a number in \[0, inf\), got -1"),
        ({"momentum": 1.0}, r"^momentum: expected a number in \[0, 1\), got 1"),
        ({"betas": (0.9, 1.0)}, r"^betas: expected a number in \[0, 1\), got 1"),
        ({"fallback_share": math.nan}, "^fallback_share: expected"),
        ({"scale": "spectral"}, "^scale: expected original, match_rms_adamw or rms_to_rms, got 'spectral'"),
    ],
)
def test_options_out_of_their_bounds_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Muon([nn.Parameter(torch.ones(8, 8))], **options)


def test_a_sparse_gradient_is_refused():
    table = nn.Embedding(8, 8, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match="expected dense gradients"):
        Muon(table.parameters()).step()
