import math

import pytest
import torch

from eigenstep.losses import NTXentLoss


def centred_gamma(model):
    """Cross-correlation centred by the other views: those that are not the row's own."""
    views = model.views
    count = len(views)
    second_moment = views.T @ views / count
    return (
        model.gamma - count / (count - 1) * torch.outer(model.mean, model.mean) + second_moment / (count - 1)
    )


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_small_embeddings_follow_the_centred_cross_correlation(linear_model, relative_error, temperature):
    loss = NTXentLoss(temperature, normalize="none")
    weight, gradient = linear_model.gradient(loss, 1e-5)
    assert relative_error(gradient, -2 / temperature * weight @ centred_gamma(linear_model)) < 1e-7


def test_near_a_collapsed_point_directions_across_it_follow_the_same_operator(linear_model, relative_error):
    temperature, norm = 0.5, 3.0
    offset = torch.zeros(5, dtype=torch.float64)
    offset[0] = norm
    weight, gradient = linear_model.gradient(NTXentLoss(temperature), 1e-5, offset)
    expected = -2 / (temperature * norm**2) * weight[1:] @ centred_gamma(linear_model)
    assert relative_error(gradient[1:], expected) < 1e-4


def test_small_embeddings_start_at_the_logarithm_of_the_other_views():
    z_a, z_b = 1e-7 * torch.randn(2, 6, 3)
    assert NTXentLoss(normalize="none")(z_a, z_b).item() == pytest.approx(math.log(11), rel=1e-6)


def test_huge_similarities_do_not_overflow():
    z = 1e3 * torch.eye(8, requires_grad=True)
    loss = NTXentLoss(temperature=1e-3, normalize="none")
    value = loss(z, z)
    (gradient,) = torch.autograd.grad(value, z)
    assert value == 0
    assert gradient.isfinite().all()
    assert loss.terms(z, z)["uniformity"].item() == pytest.approx(1e9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize": "batch"}, "normalize expects 'cosine' or 'none', got 'batch'"),
        ({"temperature": 0.0}, "temperature expects a positive number, got 0.0"),
        ({"temperature": -0.5}, "temperature expects a positive number, got -0.5"),
        ({"memory_bank_size": 64}, "no memory bank, expected memory_bank_size=0, got 64; .* larger batch"),
        ({"memory_bank_size": (64, 8)}, r"expected memory_bank_size=0, got \(64, 8\)"),
        ({"memory_bank_size": None}, "expected memory_bank_size=0, got None"),
    ],
    ids=["normalize", "zero", "negative", "bank", "sized bank", "nothing"],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NTXentLoss(**options)


@pytest.mark.parametrize("off", [0, (0, 128), [0]])
def test_a_memory_bank_of_nothing_is_none(off):
    z_a, z_b = torch.randn(2, 6, 3)
    assert torch.equal(NTXentLoss(memory_bank_size=off)(z_a, z_b), NTXentLoss()(z_a, z_b))
