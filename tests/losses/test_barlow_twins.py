import pytest
import torch

from eigenstep.losses import BarlowTwinsLoss


@pytest.fixture
def theory_loss():
    return BarlowTwinsLoss(lambda_param=1.0, normalize="none", center=False, symmetrize=True)


@pytest.mark.parametrize("weight_scale", [1e-4, 0.1, 1.0])
def test_gradient_is_that_of_the_linear_model_at_any_scale(
    linear_model, theory_loss, relative_error, weight_scale
):
    weight, gradient = linear_model.gradient(theory_loss, weight_scale)
    gamma = linear_model.gamma
    expected = 4 * (weight @ gamma @ weight.T - torch.eye(len(weight))) @ weight @ gamma
    assert relative_error(gradient, expected) < 1e-12


def test_small_embeddings_follow_the_cross_correlation(linear_model, theory_loss, relative_error):
    weight, gradient = linear_model.gradient(theory_loss, 1e-6)
    assert relative_error(gradient, -4 * weight @ linear_model.gamma) < 1e-9


def test_small_float32_embeddings_follow_the_cross_correlation(linear_model, theory_loss, relative_error):
    expected_weight, _ = linear_model.gradient(theory_loss, 1e-7)
    linear_model.x_a, linear_model.x_b = linear_model.x_a.float(), linear_model.x_b.float()
    linear_model.weight = linear_model.weight.float()
    _, gradient = linear_model.gradient(theory_loss, 1e-7)
    expected = -4 * expected_weight @ linear_model.gamma.double()
    assert relative_error(gradient.double(), expected) < 1e-5


def test_centred_small_embeddings_follow_the_centred_cross_correlation(linear_model, relative_error):
    loss = BarlowTwinsLoss(lambda_param=1.0, normalize="none", symmetrize=True)
    weight, gradient = linear_model.gradient(loss, 1e-6)
    centred_gamma = linear_model.gamma - torch.outer(linear_model.mean, linear_model.mean)
    assert relative_error(gradient, -4 * weight @ centred_gamma) < 1e-9


def test_centring_makes_the_loss_blind_to_a_common_shift(linear_model):
    loss = BarlowTwinsLoss(normalize="none", center=True)
    z_a, z_b = linear_model.x_a, linear_model.x_b
    torch.testing.assert_close(loss(z_a + 3.0, z_b + 3.0), loss(z_a, z_b), rtol=1e-12, atol=0)


def test_collapsed_embeddings_cost_one_a_dimension(theory_loss):
    assert theory_loss(torch.zeros(4, 10), torch.zeros(4, 10)) == 10


def test_a_single_pair_has_a_loss_without_variances(theory_loss):
    z = torch.tensor([[1.0, 0.0]])
    assert theory_loss(z, z) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize": "l2"}, "normalize expects 'batch' or 'none', got 'l2'"),
        ({"normalize": "batch", "center": False}, 'normalize="batch" always centers'),
        ({"eps": 0.0}, "eps expects a positive number, got 0.0"),
    ],
    ids=["normalize", "center", "eps"],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        BarlowTwinsLoss(**options)
