"""One process computes as Lightning Fabric does, which several processes use."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from eigenstep.training import OneProcess


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))


def trained_by_fabric(precision):
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    model = fabric.strategy.precision.convert_module(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    step = fabric.setup_optimizers(optimizer).step
    return steps(model, optimizer, fabric.autocast, fabric.backward, step)


def trained_by_one_process(precision, scaler=None):
    engine = OneProcess("cpu", precision)
    engine.scaler = scaler
    model = engine.wrap(engine.to_device(network()))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return steps(model, optimizer, engine.autocast, engine.backward, lambda: engine.step(optimizer))


def steps(model, optimizer, autocast, backward, step):
    generator = torch.Generator().manual_seed(1)
    dtype = next(model.parameters()).dtype
    for _ in range(3):
        with autocast():
            scale = torch.full((1,), 0.5)  # of the default type, which 64-true changes
            z = model(torch.randn(6, 5, generator=generator).to(dtype)) * scale
        optimizer.zero_grad()
        backward(z.float().square().mean() if z.dtype == torch.bfloat16 else z.square().mean())
        step()
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed"])
def test_weights_are_fabrics_to_the_bit(precision):
    theirs, ours = trained_by_fabric(precision), trained_by_one_process(precision)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(theirs, ours, strict=True))


def test_a_scaled_loss_moves_the_weights_alike():
    plain, scaled = trained_by_one_process("32-true"), trained_by_one_process("32-true", scaler("cpu"))
    torch.testing.assert_close(scaled, plain)


def test_a_step_is_left_out_where_a_scaled_gradient_is_not_finite():
    engine = OneProcess("cpu")
    engine.scaler = scaler("cpu")
    weight = nn.Parameter(torch.ones(1))
    engine.backward(weight.sum() * torch.inf)
    engine.step(torch.optim.SGD([weight], lr=1.0))
    assert weight.item() == 1
    assert engine.state_dict()["scale"] < scaler("cpu").state_dict()["scale"]


def test_the_scale_is_taken_up_again():
    engine, other = OneProcess("cpu"), OneProcess("cpu")
    engine.scaler, other.scaler = torch.amp.GradScaler("cpu", init_scale=8.0), scaler("cpu")
    other.load_state_dict(engine.state_dict())
    assert other.scaler.get_scale() == 8


def test_half_precision_of_a_cpu_is_bfloat16_and_told():
    with pytest.warns(UserWarning, match="16-mixed is not for CPUs"):
        engine = OneProcess("cpu", "16-mixed")
    with engine.autocast():
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.bfloat16


def test_the_default_type_is_kept_where_a_pass_fails():
    with pytest.raises(RuntimeError), OneProcess("cpu", "64-true").autocast():
        raise RuntimeError
    assert torch.get_default_dtype() == torch.float32


scaler = torch.amp.GradScaler
