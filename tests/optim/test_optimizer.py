import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, SequentialLR

from eigenstep.encoders import ProjectorConfig, build_encoder
from eigenstep.optim import (
    Muon,
    OptimizerConfig,
    build_optimizer,
    learning_rates,
    orthogonalize,
    said_of_optimizer,
    set_rate,
)


def rates_of_torch(lr, steps, warmup, schedule):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    after = (
        CosineAnnealingLR(optimizer, steps - warmup)
        if schedule == "cosine"
        else ConstantLR(optimizer, factor=1.0, total_iters=0)
    )
    if warmup:
        rising = LinearLR(optimizer, 1 / warmup, 1.0, total_iters=max(warmup - 1, 1))
        scheduler = SequentialLR(optimizer, [rising, after], milestones=[warmup])
    else:
        scheduler = after
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("warmup", [0, 1, 2, 7])
def test_rates_are_those_of_torchs_schedulers(schedule, warmup):
    config = OptimizerConfig(lr=0.3, schedule=schedule, warmup_steps=warmup)
    rates = learning_rates(config, 20)
    assert rates.shape == (20,)
    np.testing.assert_allclose(rates, rates_of_torch(0.3, 20, warmup, schedule), rtol=1e-12)


def test_a_run_shorter_than_its_warm_up_only_rises():
    rates = learning_rates(OptimizerConfig(lr=1.0, schedule="cosine", warmup_steps=10), 4)
    np.testing.assert_allclose(rates, [0.1, 0.2, 0.3, 0.4])


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3, bias=False))


def one_step(network, config, gradients):
    optimizer = build_optimizer(network, config)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        parameter.grad = gradient.clone()
    optimizer.step()


@pytest.mark.parametrize("name", ["sgd", "adamw", "lars", "muon"])
def test_weights_decay_and_norms_and_biases_do_not(network, name):
    config = OptimizerConfig(name=name, lr=0.1, weight_decay=0.2)
    before = {key: weight.clone() for key, weight in network.named_parameters()}
    one_step(network, config, [torch.zeros_like(weight) for weight in network.parameters()])
    moved = {key for key, weight in network.named_parameters() if not torch.equal(weight, before[key])}
    assert moved == {"0.weight", "2.weight"}


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_a_decayed_weight_shrinks_by_rate_times_decay(network, name):
    before = network[0].weight.clone()
    config = OptimizerConfig(name=name, lr=0.1, weight_decay=0.2)
    one_step(network, config, [torch.zeros_like(weight) for weight in network.parameters()])
    torch.testing.assert_close(network[0].weight, (1 - 0.1 * 0.2) * before)


def test_sgd_has_the_momentum_that_is_set(network):
    before = [weight.clone() for weight in network.parameters()]
    gradients = [torch.randn_like(weight) for weight in before]
    optimizer = build_optimizer(network, OptimizerConfig(lr=0.1, momentum=0.8))
    for _ in range(2):
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()
    for weight, start, gradient in zip(network.parameters(), before, gradients, strict=True):
        torch.testing.assert_close(weight, start - 0.1 * (1 + 1.8) * gradient)


def test_adamws_first_step_is_the_gradients_sign(network):
    before = [weight.clone() for weight in network.parameters()]
    gradients = [torch.randn_like(weight) for weight in before]
    one_step(network, OptimizerConfig(name="adamw", lr=0.01), gradients)
    for weight, start, gradient in zip(network.parameters(), before, gradients, strict=True):
        torch.testing.assert_close(weight, start - 0.01 * gradient.sign(), rtol=1e-4, atol=1e-6)


def test_a_step_of_lars_does_not_depend_on_the_gradients_scale_but_for_norms_and_biases(network):
    start = [weight.clone() for weight in network.parameters()]
    gradients = [torch.randn_like(weight) for weight in start]

    def moves(scale):
        network.load_state_dict(state)
        one_step(network, OptimizerConfig(name="lars", lr=0.1), [scale * g for g in gradients])
        return [weight - before for weight, before in zip(network.parameters(), start, strict=True)]

    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for plain, scaled, weight in zip(moves(1.0), moves(1e3), start, strict=True):
        if weight.ndim > 1:
            torch.testing.assert_close(plain, scaled, rtol=1e-3, atol=1e-8)
            torch.testing.assert_close(plain.norm(), 0.1 * 1e-3 * weight.norm(), rtol=1e-3, atol=0)
        else:
            torch.testing.assert_close(1e3 * plain, scaled, rtol=1e-3, atol=1e-5)


def test_muon_has_the_settings_that_the_configuration_gives(network):
    config = OptimizerConfig(name="muon", lr=0.1, muon_scale="rms_to_rms", fallback_share=0.5)
    optimizer = build_optimizer(network, config)
    assert isinstance(optimizer, Muon)
    for group in optimizer.param_groups:
        assert (group["momentum"], group["nesterov"], group["betas"]) == (0.95, True, (0.9, 0.999))
        assert (group["scale"], group["fallback_share"]) == ("rms_to_rms", 0.5)


def test_muon_keeps_the_schedule_and_each_group_its_share():
    """Under a gradient that stays the same, and without momentum, matrices move by the rate alone."""
    config = OptimizerConfig(
        name="muon", lr=0.1, schedule="cosine", warmup_steps=3, momentum=0.0, layer_decay=0.5
    )
    encoder = build_encoder("convnet", 8, ProjectorConfig(hidden=(), dim=4)).double()
    objective = nn.Linear(4, 4, bias=False).double()
    optimizer = build_optimizer(encoder, config, objective, fixed_rate=True)
    convolutions = [each.weight for each in encoder.backbone.modules() if isinstance(each, nn.Conv2d)]
    *_, projector = (each.weight for each in encoder.projector.modules() if isinstance(each, nn.Linear))
    weights = [*convolutions, projector, objective.weight]
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    for rate in learning_rates(config, 8):
        before = [weight.detach().clone() for weight in weights]
        set_rate(optimizer, float(rate), 0.1)
        optimizer.step()
        steps = [0.125 * rate, 0.25 * rate, 0.5 * rate, rate, 0.1]
        for weight, start, step in zip(weights, before, steps, strict=True):
            update = orthogonalize(weight.grad.flatten(1))
            scale = max(1, update.shape[0] / update.shape[1]) ** 0.5
            torch.testing.assert_close(weight, start - step * scale * update.reshape(weight.shape))


def test_muon_without_a_matrix_is_refused():
    with pytest.raises(ValueError, match=r"^muon orthogonalises weight matrices.*--optimizer\.name adamw$"):
        build_optimizer(nn.BatchNorm1d(8), OptimizerConfig(name="muon", lr=0.1))


def test_what_muon_leaves_to_adamw_is_said_with_reasons():
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 3))
    network[2].bias.requires_grad_(False)
    assert said_of_optimizer(network, OptimizerConfig(name="muon")) == [
        "muon orthogonalises 1 of 7 trained parameters; AdamW updates, at 0.05 of the rate, 4"
        " of one dimension, 0.weight (a single row or channel), 3.weight (a side of 3, less than 4)"
    ]
    assert said_of_optimizer(nn.Linear(8, 8, bias=False), OptimizerConfig(name="muon")) == [
        "muon orthogonalises 1 of 1 trained parameters"
    ]
    said = said_of_optimizer(nn.Linear(8, 8), OptimizerConfig(name="muon"), nn.Linear(8, 3, bias=False))
    assert said == [
        "muon orthogonalises 1 of 3 trained parameters; AdamW updates, at 0.05 of the rate, 1 of one"
        " dimension, objective.weight (a side of 3, less than 4)"
    ]
    assert said_of_optimizer(network, OptimizerConfig()) == []
