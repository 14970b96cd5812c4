import pytest
import torch

from eigenstep.losses import VISRegLoss


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_scale_and_shape_are_apart():
    """Any factor of the embeddings changes the scale's term alone, beside eps."""
    z = torch.randn(200, 4, generator=seeded(), dtype=torch.float64)
    plain, wider = (VISRegLoss(slices=20, eps=1e-12).terms(f * z, f * z, seeded()) for f in (1.0, 5.0))
    torch.testing.assert_close(plain["shape"], wider["shape"])
    assert wider["scale"] > 10
    assert plain["scale"] < 0.01


def test_only_gaussian_embeddings_have_no_shape_to_gain():
    uniform = torch.rand(4000, 2, generator=seeded(), dtype=torch.float64)
    normal = torch.randn(4000, 2, generator=seeded(), dtype=torch.float64)
    terms = [VISRegLoss(slices=100).terms(z, z, seeded())["shape"] for z in (uniform, normal)]
    assert terms[1] < 0.003 < 0.008 < terms[0]


def test_collapsed_embeddings_have_a_finite_gradient():
    z = torch.full((8, 3), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(VISRegLoss(slices=10)(z, z, seeded()), z)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -0.1}, "weight expects a number from 0 to 1, got -0.1"),
        ({"slices": 0}, "slices expects at least 1, got 0"),
        ({"eps": 0.0}, "eps expects a positive number, got 0.0"),
        ({"lambda_shape": -1.0}, "lambda_shape expects a number that is not negative, got -1.0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        VISRegLoss(**options)
