"""The loss whose gradient is that of Barlow Twins times a power of C."""

import math

import pytest
import torch
from scipy.integrate import quad

from eigenstep.losses import BarlowTwinsLoss, SpectralLoss
from eigenstep.optim import EmbeddingPreconditioner

POWERS = [0.0, 0.3, 0.5, 0.75, 1, 1.6, 2, 3]


def pair(n=30, d=5, noise=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    common, noise_a, noise_b = torch.randn(3, n, d, generator=generator, dtype=torch.float64)
    spread = torch.logspace(0.2, -2, d, dtype=torch.float64)
    return [(spread * (common + noise * each) + 0.3).requires_grad_() for each in (noise_a, noise_b)]


def with_eigenvalues(values):
    """Embeddings (z_a, z_b) whose symmetrised C has these eigenvalues, negative ones too, in turned axes."""
    values = torch.as_tensor(values, dtype=torch.float64)
    d = len(values)
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))[0]
    z_a = torch.diag((d * values.abs()).sqrt()) @ turn
    return z_a, torch.diag(values.sign()) @ z_a


@pytest.mark.parametrize("damping", [1e-3, 0.2])
@pytest.mark.parametrize("power", POWERS)
def test_the_value_is_the_integral_of_the_slope(power, damping):
    """Below zero the factor stays at damping^-power."""
    values = [2.5, 1.0, 0.4, 0.01, 1e-5, -1e-4, -0.3]

    def slope(x):
        return 2 * (x - 1) * (max(x, 0) + damping) ** -power

    expected = sum(
        quad(slope, 1, max(x, 0), epsabs=1e-11, points=[0.001])[0] + quad(slope, 0, min(x, 0))[0]
        for x in values
    )
    loss = SpectralLoss(power, damping, center=False)
    assert float(loss(*with_eigenvalues(values))) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("power", POWERS)
def test_it_is_least_and_zero_where_c_is_the_identity(power):
    loss = SpectralLoss(power, center=False)
    assert float(loss(*with_eigenvalues([1.0, 1.0, 1.0]))) == pytest.approx(0, abs=1e-12)
    for values in ([1.01, 1, 1], [0.99, 1, 1], [0, 1, 1], [-0.01, 1, 1], [3, 0.2, 1]):
        assert float(loss(*with_eigenvalues(values))) > 1e-5


def test_power_zero_is_barlow_twins():
    plain = BarlowTwinsLoss(1.0, normalize="none", symmetrize=True)
    torch.testing.assert_close(SpectralLoss(0)(*pair()), plain(*pair()), rtol=1e-12, atol=0)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("power", POWERS)
def test_the_gradient_is_that_of_barlow_twins_times_the_power_of_c(power, center):
    """At any state, C being that of the batch."""
    z_a, z_b = pair()
    damping = 0.05
    plain = BarlowTwinsLoss(1.0, normalize="none", symmetrize=True, center=center)
    gradients = torch.autograd.grad(plain(z_a, z_b), (z_a, z_b))
    mean = (z_a.mean(0) + z_b.mean(0)).detach() / 2 if center else 0.0
    product = (z_a.detach() - mean).T @ (z_b.detach() - mean) / len(z_a)
    values, vectors = torch.linalg.eigh((product + product.T) / 2)
    assert values.min() > -damping / 2
    factor = (vectors * (values.clamp(min=0) + damping) ** -power) @ vectors.T
    found = torch.autograd.grad(SpectralLoss(power, damping, center=center)(z_a, z_b), (z_a, z_b))
    for one, gradient in zip(found, gradients, strict=True):
        torch.testing.assert_close(one, gradient @ factor, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("power", [0.5, 1])
def test_where_views_agree_the_gradient_is_that_of_preconditioned_barlow_twins(power, center):
    z = pair()[0]
    plain = BarlowTwinsLoss(1.0, normalize="none", symmetrize=True, center=center)
    preconditioner = EmbeddingPreconditioner(power, 1e-3, center=center)
    (expected,) = torch.autograd.grad(plain(*preconditioner(z, z)), z)
    (found,) = torch.autograd.grad(SpectralLoss(power, 1e-3, center=center)(z, z), z)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)
    assert (found - torch.autograd.grad(plain(z, z), z)[0]).norm() > 0.1 * found.norm()


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_the_gradient_is_that_of_finite_differences_below_zero_too(power):
    for values in ([0.9, 0.2, -0.1], [1.0, 1.0, -0.5], [0.5, 0.5, 1e-3]):
        z = [view.requires_grad_() for view in with_eigenvalues(values)]
        assert torch.autograd.gradcheck(SpectralLoss(power, 0.1, center=False), z)


@pytest.mark.parametrize("power", [0.5, 1])
def test_the_slope_has_no_jump_at_zero(power):
    slopes = []
    for x in (1e-9, -1e-9):
        z_a, z_b = with_eigenvalues([0.5, x])
        size = torch.ones((), dtype=torch.float64, requires_grad=True)
        value = SpectralLoss(power, 1e-2, center=False)(z_a, size * z_b)
        slopes.append(float(torch.autograd.grad(value, size)[0]))
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"power": -0.1}, "power expects a number from 0, got -0.1"),
        ({"power": math.nan}, "power expects a number from 0, got nan"),
        ({"damping": 0}, "damping expects a positive number, got 0"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SpectralLoss(**options)
