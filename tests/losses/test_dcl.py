import math

import pytest
import torch

from eigenstep.losses import DCLLoss, NTXentLoss


@pytest.mark.parametrize("sigma", [None, 0.5])
def test_small_embeddings_follow_the_operator_of_nt_xent_a_little_faster(linear_model, relative_error, sigma):
    temperature, n, mean = 0.2, len(linear_model.x_a), linear_model.mean
    loss = DCLLoss(temperature, sigma=sigma, normalize="none")
    weight, gradient = linear_model.gradient(loss, 1e-6)
    sigma_all = linear_model.views.T @ linear_model.views / (2 * n)
    operator = (2 * n - 1) * linear_model.gamma - 2 * n * torch.outer(mean, mean) + sigma_all
    assert relative_error(gradient, -2 / temperature / (2 * n - 2) * weight @ operator) < 1e-8

    _, of_nt_xent = linear_model.gradient(NTXentLoss(temperature, normalize="none"), 1e-6)
    assert relative_error(gradient, (2 * n - 1) / (2 * n - 2) * of_nt_xent) < 1e-8


def test_small_embeddings_start_at_the_logarithm_of_the_negatives():
    z_a, z_b = 1e-7 * torch.randn(2, 6, 3)
    assert DCLLoss(normalize="none")(z_a, z_b).item() == pytest.approx(math.log(10), rel=1e-6)


def test_with_sigma_pairs_that_agree_pull_less():
    pairs = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    z_a, z_b = (z.requires_grad_() for z in pairs)
    loss = DCLLoss(1.0, sigma=0.1, normalize="none")
    (pull,) = torch.autograd.grad(loss.terms(z_a, z_b)["alignment"], z_a)
    agreeing, differing = -pull.norm(dim=1) / z_b.norm(dim=1)
    softmax = 1 / (1 + math.exp(-2.0))
    assert agreeing.item() == pytest.approx(-(2 - 2 * softmax) / 2, rel=1e-5)
    assert differing.item() == pytest.approx(-(2 - 2 * (1 - softmax)) / 2, rel=1e-5)


def test_huge_similarities_do_not_overflow():
    z = 1e3 * torch.eye(8, requires_grad=True)
    loss = DCLLoss(temperature=1e-3, normalize="none")
    (gradient,) = torch.autograd.grad(loss(z, z), z)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize": "batch"}, "normalize expects 'cosine' or 'none', got 'batch'"),
        ({"temperature": 0.0}, "temperature expects a positive number, got 0.0"),
        ({"sigma": 0.0}, "sigma expects a positive number, got 0.0"),
        ({"weight_fn": torch.dot}, "takes no function of weights, expected weight_fn=None, got .* sigma=0.5"),
    ],
    ids=["normalize", "temperature", "sigma", "weights"],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DCLLoss(**options)
