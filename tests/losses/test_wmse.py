import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from eigenstep.losses import WMSELoss


def test_scaling_and_mixing_coordinates_into_later_ones_changes_nothing(linear_model):
    z_a, z_b = linear_model.x_a @ linear_model.weight.T, linear_model.x_b @ linear_model.weight.T
    mixing = torch.randn(5, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64).tril()
    mixing.diagonal().abs_()
    for transform in (1e-3 * torch.eye(5, dtype=torch.float64), mixing):
        mixed = WMSELoss()(z_a @ transform.T + 2.0, z_b @ transform.T - 1.0)
        torch.testing.assert_close(mixed, WMSELoss()(z_a, z_b), rtol=1e-9, atol=0)


def test_of_views_that_share_their_covariance_any_whitening_gives_the_loss(linear_model):
    x_a = torch.cat([linear_model.x_a, linear_model.x_b])
    x_b = torch.cat([linear_model.x_b, linear_model.x_a])
    white_a, white_b = (
        view / np.linalg.norm(view, axis=1, keepdims=True)
        for view in (PCA(whiten=True).fit(x_a).transform(x) for x in (x_a, x_b))
    )
    expected = ((white_a - white_b) ** 2).sum(1).mean()
    assert WMSELoss()(x_a, x_b).item() == pytest.approx(expected, rel=1e-12)


def test_float32_embeddings_of_high_condition_number_keep_the_gradient(linear_model, relative_error):
    rotation = torch.linalg.qr(linear_model.weight[:, :5]).Q
    stretch = torch.logspace(0, -3, 5, dtype=torch.float64)[:, None] * rotation
    views = [x @ linear_model.weight.T @ stretch for x in (linear_model.x_a, linear_model.x_b)]
    # Rounded first, so that both have the same embeddings.
    views = [z.float().requires_grad_() for z in views]
    exact = [z.detach().double().requires_grad_() for z in views]
    single = torch.autograd.grad(WMSELoss()(*views), views)
    expected = torch.autograd.grad(WMSELoss()(*exact), exact)
    for one, other in zip(single, expected, strict=True):
        assert relative_error(one.double(), other) < 1e-6


@pytest.mark.parametrize("pairs", [2, 5])
def test_a_batch_not_larger_than_the_dimension_is_refused_in_one_line(pairs):
    z = torch.rand(pairs, 5)
    with pytest.raises(ValueError, match=f"got {pairs} pairs in 5 dimensions; use a larger batch") as error:
        WMSELoss()(z, z)
    assert "\n" not in str(error.value)
    assert WMSELoss(eps=0.1)(z, z) == 0


def test_one_pair_more_than_dimensions_is_enough():
    z_a, z_b = torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(0))
    assert 0 < WMSELoss()(z_a, z_b) < 4


@pytest.mark.parametrize("kind", ["zero", "constant", "dependent", "not finite"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_embeddings_that_cannot_be_whitened_are_refused_in_one_line(kind, dtype):
    z_a, z_b = torch.randn(2, 67, 4, generator=torch.Generator().manual_seed(0), dtype=dtype)
    # The mean of the constant rounds: it leaves a variance of 1e-33 or so.
    dependent = 3 * z_b[:, 0] - z_b[:, 1]
    z_b[:, 2] = {"zero": 0.0, "constant": 0.1, "dependent": dependent, "not finite": torch.nan}[kind]
    with pytest.raises(ValueError, match="covariance is singular, got 67 pairs in 4 dimensions") as error:
        WMSELoss()(z_a, z_b)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("eps", [-0.1, 1.0])
def test_an_eps_that_is_no_share_is_refused(eps):
    with pytest.raises(ValueError, match=f"eps expects a number from 0 up to, not including, 1, got {eps}"):
        WMSELoss(eps=eps)
