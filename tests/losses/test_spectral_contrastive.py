import pytest
import scipy.linalg
import torch

from eigenstep.losses import BarlowTwinsLoss, SpectralContrastiveLoss


def symmetrized(model):
    """The model with every pair in both orders, so that both views have the same distribution."""
    model.x_a, model.x_b = torch.cat([model.x_a, model.x_b]), torch.cat([model.x_b, model.x_a])
    return model


def second_moment(model):
    return model.views.T @ model.views / len(model.views)


def large_batch_limit(model, weight):
    """Value and gradient for infinitely many copies of the pairs, in which independent samples may be equal.

    n - 1 times the distance to the limit does not depend on the number of copies.
    """

    def weighted_value(copies):
        x_a, x_b = model.x_a.repeat(copies, 1), model.x_b.repeat(copies, 1)
        return (len(x_a) - 1) * SpectralContrastiveLoss()(x_a @ weight.T, x_b @ weight.T)

    weight = weight.clone().requires_grad_()
    value = (weighted_value(3) - weighted_value(1)) / (2 * len(model.x_a))
    return value.detach(), torch.autograd.grad(value, weight)[0]


@pytest.mark.parametrize("normalize", ["none", "ball"])
def test_small_embeddings_follow_the_uncentred_cross_correlation(linear_model, relative_error, normalize):
    weight, gradient = linear_model.gradient(SpectralContrastiveLoss(normalize=normalize), 1e-6)
    assert relative_error(gradient, -4 * weight @ linear_model.gamma) < 1e-9


def test_in_large_batches_the_second_moment_holds_the_cross_correlation_back(linear_model, relative_error):
    model, weight = symmetrized(linear_model), linear_model.weight
    gamma, sigma = model.gamma, second_moment(model)
    value, gradient = large_batch_limit(model, weight)
    expected = (weight @ sigma @ weight.T).square().sum() - 2 * (weight @ gamma @ weight.T).trace()
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=0)
    assert relative_error(gradient, 4 * weight @ (sigma @ weight.T @ weight @ sigma - gamma)) < 1e-11


def test_of_identical_views_in_large_batches_it_is_barlow_twins_less_the_dimension(
    linear_model, relative_error
):
    linear_model.x_b = linear_model.x_a
    barlow_twins = BarlowTwinsLoss(1.0, normalize="none", center=False)
    value, gradient = large_batch_limit(linear_model, linear_model.weight)
    weight, expected_gradient = linear_model.gradient(barlow_twins, 1.0)
    expected = barlow_twins(linear_model.x_a @ weight.T, linear_model.x_b @ weight.T) - len(weight)
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=0)
    assert relative_error(gradient, expected_gradient) < 1e-11


def test_the_end_point_are_the_directions_in_which_the_views_agree_best(linear_model):
    model = symmetrized(linear_model)
    gamma, sigma = model.gamma, second_moment(model)
    rho, vectors = (torch.from_numpy(array) for array in scipy.linalg.eigh(gamma, sigma))
    top = vectors[:, -5:] * rho[-5:].sqrt()
    end_value, end_gradient = large_batch_limit(model, top.T.contiguous())
    assert rho[-5] > 0
    assert end_gradient.norm() < 1e-11 * (top.T @ gamma).norm()

    others = vectors[:, [-7, -4, -3, -2, -1]] * rho[[-7, -4, -3, -2, -1]].sqrt()
    assert end_value < large_batch_limit(model, others.T.contiguous())[0]


def test_the_ball_leaves_the_zero_embedding_a_finite_gradient():
    z = torch.zeros(4, 3, requires_grad=True)
    value = SpectralContrastiveLoss(normalize="ball")(z, torch.ones(4, 3))
    (gradient,) = torch.autograd.grad(value, z)
    torch.testing.assert_close(gradient, torch.full((4, 3), -2 / 4 / 3**0.5))


@pytest.mark.parametrize("scale", [2.0, 50.0])
def test_beyond_the_ball_the_length_of_embeddings_does_not_matter(scale):
    z_a, z_b = 1 + torch.rand(2, 6, 3, dtype=torch.float64)
    loss = SpectralContrastiveLoss(mu=3.0, normalize="ball")
    torch.testing.assert_close(loss(scale * z_a, scale * z_b), loss(z_a, z_b), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize": "sphere"}, "normalize expects 'none' or 'ball', got 'sphere'"),
        ({"mu": 0.0}, "mu expects a positive number, got 0.0"),
    ],
    ids=["normalize", "mu"],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SpectralContrastiveLoss(**options)
