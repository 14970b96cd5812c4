"""CLIP and SigLIP: what they learn beside the embeddings, and where small embeddings go."""

import math

import pytest
import torch

from eigenstep.losses import CLIPLoss, JointBatch, SigLIPLoss, clip_loss, siglip_loss


def sides(n=6, d=4):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, n, d, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("bias", [None, -3.0])
def test_the_learned_numbers_start_at_those_given_and_have_the_losses_gradient(bias):
    z_a, z_b = sides()
    loss = CLIPLoss(0.2) if bias is None else SigLIPLoss(0.2, bias)
    function = clip_loss if bias is None else siglip_loss
    numbers = [0.2] if bias is None else [0.2, bias]
    value = loss(z_a, z_b)
    assert value.item() == pytest.approx(function(z_a, z_b, *numbers).item(), rel=1e-6)
    gradients = torch.autograd.grad(value, list(loss.parameters()))
    step = 1e-5
    for at, (name, gradient) in enumerate(zip(("logit_scale", "logit_bias"), gradients, strict=False)):
        ends = []
        for sign in (1, -1):
            moved = list(numbers)
            moved[at] = 0.2 * math.exp(-sign * step) if at == 0 else bias + sign * step
            ends.append(function(z_a, z_b, *moved).item())
        assert dict(loss.named_parameters())[name].grad_fn is None
        assert gradient.item() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("kind", [CLIPLoss, SigLIPLoss])
def test_ranks_average_the_learned_numbers_gradient_to_that_of_the_joint_batch(kind):
    z_a, z_b = sides(8)
    loss = kind(normalize="none").double()
    parameters = list(loss.parameters())
    joint = torch.autograd.grad(loss(z_a, z_b), parameters)
    shares = [
        torch.autograd.grad(loss._loss(JointBatch(z_a, z_b, rows, 2)), parameters)
        for rows in (slice(0, 5), slice(5, 8))
    ]
    for whole, one, other in zip(joint, *shares, strict=True):
        torch.testing.assert_close((one + other) / 2, whole)


def test_clips_temperature_stays_above_a_hundredth_and_comes_back():
    loss, (z_a, z_b) = CLIPLoss(0.02), sides()
    loss.logit_scale.data.fill_(9.0)
    value = loss(z_a, z_b)
    assert loss.temperature == pytest.approx(0.01, rel=1e-6)
    assert value.item() == pytest.approx(clip_loss(z_a, z_b, 0.01).item(), rel=1e-5)
    value.backward()
    assert loss.logit_scale.grad != 0
    assert CLIPLoss(0.001, learnable=False).temperature == pytest.approx(0.001)


def test_a_fixed_temperature_is_no_parameter_and_a_learned_one_is_saved():
    assert not list(CLIPLoss(learnable=False).parameters())
    assert not list(SigLIPLoss(learnable=False).parameters())
    stored = SigLIPLoss(0.3, -2.0).state_dict()
    other = SigLIPLoss()
    other.load_state_dict(stored)
    assert (other.temperature, other.bias) == (pytest.approx(0.3), -2.0)


def gradients_of_two_linear_encoders(loss, x, y):
    generator = torch.Generator().manual_seed(1)
    first, second = (
        (1e-6 * torch.randn(3, data.shape[1], generator=generator, dtype=torch.float64)).requires_grad_()
        for data in (x, y)
    )
    value = loss(x @ first.T, y @ second.T)
    return value, first.detach(), second.detach(), torch.autograd.grad(value, (first, second))


@pytest.mark.parametrize("bias", [None, -4.0, -math.log(29)])
def test_small_embeddings_of_two_kinds_of_data_follow_the_cross_moment(bias, relative_error):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 7, generator=generator, dtype=torch.float64) + 0.5
    y = x[:, :4] @ torch.randn(4, 5, generator=generator, dtype=torch.float64) + 1
    n, temperature = 30, 0.3
    if bias is None:
        loss = CLIPLoss(temperature, learnable=False, normalize="none")
    else:
        loss = SigLIPLoss(temperature, bias, learnable=False, normalize="none")
    value, first, second, (of_first, of_second) = gradients_of_two_linear_encoders(loss, x, y)
    mean_share = 1.0 if bias is None else n / (1 + math.exp(-bias))
    cross = x.T @ y / n - mean_share * torch.outer(x.mean(0), y.mean(0))
    assert relative_error(of_first, -second @ cross.T / temperature) < 1e-6
    assert relative_error(of_second, -first @ cross / temperature) < 1e-6
    if bias is None:
        assert value.item() == pytest.approx(math.log(n))
    elif bias != -4.0:
        assert mean_share == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [CLIPLoss, SigLIPLoss])
def test_huge_similarities_do_not_overflow(kind):
    z = 1e3 * torch.eye(8, requires_grad=True)
    loss = kind(1e-3, learnable=False, normalize="none")
    (gradient,) = torch.autograd.grad(loss(z, z), z)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CLIPLoss(0.001), "temperature expects at least 0.01 where it is learned, got 0.001"),
        (lambda: CLIPLoss(-1.0), "temperature expects a positive number, got -1.0"),
        (lambda: SigLIPLoss(0.0), "temperature expects a positive number, got 0.0"),
        (lambda: SigLIPLoss(bias=math.nan), "bias expects a finite number, got nan"),
        (lambda: CLIPLoss(normalize="batch"), "normalize expects 'cosine' or 'none', got 'batch'"),
    ],
)
def test_bad_options_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
