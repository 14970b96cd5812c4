import pytest
import torch

from eigenstep.losses import VICRegLoss


@pytest.mark.parametrize(("lambda_param", "eps"), [(25.0, 1e-4), (100.0, 1e-2)])
def test_small_embeddings_follow_the_covariance_less_the_view_difference(
    linear_model, relative_error, lambda_param, eps
):
    mu_param = 25.0
    loss = VICRegLoss(lambda_param=lambda_param, mu_param=mu_param, eps=eps)
    weight, gradient = linear_model.gradient(loss, 1e-3 * eps**0.5)
    covariance = (torch.cov(linear_model.x_a.T) + torch.cov(linear_model.x_b.T)) / 2
    difference = linear_model.x_a - linear_model.x_b
    delta = difference.T @ difference / len(difference)

    kappa = 2 * lambda_param * eps**0.5 / mu_param
    rate = 2 / len(weight) * mu_param / (2 * eps**0.5)
    expected = -rate * weight @ (covariance - kappa * delta)
    assert relative_error(gradient, expected) < 1e-4


def test_a_constant_coordinate_costs_its_missing_deviation():
    z = torch.zeros(4, 3, dtype=torch.float64)
    terms = VICRegLoss(eps=0.04).terms(z, z)
    assert terms["variance"].item() == pytest.approx(0.8, abs=1e-12)
    assert terms["invariance"] == 0
    assert terms["covariance"] == 0


def test_a_negative_eps_is_refused():
    with pytest.raises(ValueError, match="eps expects a number that is not negative, got -1"):
        VICRegLoss(eps=-1.0)
