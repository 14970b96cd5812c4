import pytest
import torch

from eigenstep.losses import NegativeCosineSimilarity


def test_near_a_collapsed_point_the_differences_of_the_views_decay(linear_model, relative_error):
    norm = 3.0
    offset = torch.zeros(5, dtype=torch.float64)
    offset[0] = norm
    weight, gradient = linear_model.gradient(NegativeCosineSimilarity(), 1e-5, offset)
    difference = linear_model.x_a - linear_model.x_b
    delta = difference.T @ difference / len(difference)
    assert relative_error(gradient[1:], weight[1:] @ delta / norm**2) < 1e-3


def test_a_stopped_gradient_leaves_the_predictions_unchanged(linear_model):
    prediction, target = (x.requires_grad_() for x in (linear_model.x_a, linear_model.x_b))
    loss = NegativeCosineSimilarity()
    free, _ = torch.autograd.grad(loss(prediction, target), (prediction, target))
    (stopped,) = torch.autograd.grad(loss(prediction, target.detach()), prediction)
    assert torch.equal(stopped, free)
    assert not loss(prediction.detach(), target.detach()).requires_grad


def test_a_zero_embedding_has_a_finite_gradient():
    z = torch.zeros(2, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(NegativeCosineSimilarity()(z, torch.ones(2, 3)), z)
    assert gradient.isfinite().all()


def test_another_axis_than_that_of_the_coordinates_is_refused():
    z_a, z_b = torch.randn(2, 6, 3)
    assert torch.equal(NegativeCosineSimilarity(dim=-1)(z_a, z_b), NegativeCosineSimilarity(1)(z_a, z_b))
    with pytest.raises(ValueError, match=r"expected dim=1, the coordinates of .*, got 0"):
        NegativeCosineSimilarity(0)


@pytest.mark.parametrize("eps", [0.0, -1e-8])
def test_an_eps_that_is_not_positive_is_refused(eps):
    with pytest.raises(ValueError, match=f"eps expects a positive number, got {eps}"):
        NegativeCosineSimilarity(eps=eps)
