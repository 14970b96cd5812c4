import pytest
import torch

from eigenstep.losses import MMCRLoss


def unit_rows(n, d):
    generator = torch.Generator().manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(n, d, generator=generator, dtype=torch.float64))


def test_the_least_value_is_that_of_views_alike_in_even_directions():
    """-sqrt(n d) of n > d samples of unit length (Schaeffer et al. 2024)."""
    z = torch.eye(4, dtype=torch.float64).repeat(6, 1)
    least = MMCRLoss(0.0)(z, z).item()
    assert least == pytest.approx(-((24 * 4) ** 0.5), rel=1e-12)
    other = unit_rows(24, 4)
    assert MMCRLoss(0.0)(other, other) > least
    assert MMCRLoss(0.0)(z, z.roll(1, dims=1)) > least


def test_not_normalised_all_directions_of_the_centroids_grow_alike():
    """The gradient at the centroids is minus the polar factor, whose singular values are one."""
    z = unit_rows(20, 4) * torch.tensor([1.0, 0.1, 0.01, 0.001], dtype=torch.float64)
    z_a, z_b = z.clone().requires_grad_(), z.clone().requires_grad_()
    gradients = torch.autograd.grad(MMCRLoss(0.0, normalize="none")(z_a, z_b), (z_a, z_b))
    torch.testing.assert_close(
        torch.linalg.svdvals(sum(gradients)), torch.ones(4, dtype=torch.float64), rtol=1e-9, atol=0
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambda_param": -1.0}, "lambda_param expects a number that is not negative, got -1.0"),
        ({"normalize": "batch"}, "normalize expects 'cosine' or 'none', got 'batch'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        MMCRLoss(**options)


def test_only_what_is_normalised_says_that_it_is():
    assert "normalises each embedding" in MMCRLoss().refuses_preconditioning
    assert "one rate" in MMCRLoss(normalize="none").refuses_preconditioning
