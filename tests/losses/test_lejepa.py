import math

import pytest
import torch

from eigenstep.losses import LeJEPALoss, lejepa_loss

WEIGHT = 0.3


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian(n=64, d=3):
    z_a, z_b = torch.randn(2, n, d, generator=seeded(1), dtype=torch.float64)
    return z_a, z_b


@pytest.mark.parametrize(("scale", "error"), [(1e-2, 2e-2), (1e-3, 2e-4)])
@pytest.mark.parametrize("pooled", [False, True])
def test_small_embeddings_follow_the_moments_with_a_share_of_the_view_difference(
    linear_model, relative_error, scale, error, pooled
):
    """-(2/d) W [weight n (c_1 M - c_2 mu mu^T) - (1 - weight) Delta / 4], slices averaged over."""
    loss = LeJEPALoss(WEIGHT, 4, pooled=pooled)
    weight, gradient = linear_model.gradient(lambda *z: loss(*z, seeded()), scale)
    x_a, x_b, n, d = linear_model.x_a, linear_model.x_b, len(linear_model.x_a), len(weight)
    samples = [torch.cat([x_a, x_b])] if pooled else [x_a, x_b]
    moment = sum(x.T @ x / len(x) for x in samples) / len(samples)
    of_means = sum(torch.outer(x.mean(0), x.mean(0)) for x in samples) / len(samples)
    difference = x_a - x_b
    delta = difference.T @ difference / n

    # Of the four slices drawn d times the second moment stands in the place of its mean over all, I.
    slices = torch.randn(d, 4, generator=seeded()).double()
    slices = slices / slices.norm(dim=0)
    along = d * slices @ slices.T / 4
    sketched = WEIGHT * len(samples[0]) * along @ weight @ (1.546 * moment - 2.432 * of_means)
    expected = -2 / d * (sketched - (1 - WEIGHT) / 4 * weight @ delta)
    assert relative_error(gradient, expected) < error


def test_slices_are_even_over_all_directions():
    """Their second moment is I/d, as the small start has it."""
    directions = []
    loss = LeJEPALoss(slices=20_000)
    loss._sigreg = lambda views, batch: directions.append(batch.slices) or views.sum()
    loss(*gaussian(d=4))
    (found,) = directions
    torch.testing.assert_close(found.norm(dim=0), torch.ones(20_000, dtype=torch.float64))
    torch.testing.assert_close(found @ found.T / 20_000, torch.eye(4).double() / 4, rtol=0, atol=0.01)


def test_the_papers_algorithm_is_an_option():
    """Its listing: complex exponentials, and the trapezoid rule over both signs of t."""
    z_a, z_b = gaussian()
    directions = torch.randn(3, 256, generator=seeded()).double()
    directions = directions / directions.norm(dim=0)
    t = torch.linspace(-5, 5, 17, dtype=torch.float64)
    normal = torch.exp(-0.5 * t**2)
    statistics = []
    for z in (z_a, z_b):
        characteristic = torch.exp(1j * (z @ directions)[..., None] * t).mean(0)
        distance = (characteristic - normal).abs().square() * normal
        statistics.append(torch.trapezoid(distance, t, dim=1) * len(z))
    mean = (z_a + z_b) / 2
    predicted = torch.stack([mean - z_a, mean - z_b]).square().mean()
    expected = 0.95 * predicted + 0.05 * torch.stack(statistics).mean()
    found = lejepa_loss(z_a, z_b, slices=256, generator=seeded(), t_max=5.0, knots=9)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_stable_pretrainings_pooled_form_is_an_option():
    """Its definition: all views' rows are one sample, and the prediction is not weighed down."""
    z_a, z_b = gaussian()
    rows, options = torch.cat([z_a, z_b]), {"slices": 30, "generator": seeded()}
    found = lejepa_loss(z_a, z_b, 0.02, pooled=True, prediction=1.0, **options)
    # A sample of all rows, given twice, has no prediction to make.
    statistic = lejepa_loss(rows, rows, 1.0, slices=30, generator=seeded())
    expected = (z_a - z_b).square().mean() / 4 + 0.02 * statistic
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_gaussian_embeddings_have_the_statistic_that_chance_gives_them():
    """n E|phi_n - phi|^2 = 1 - phi^2, whatever n and d."""
    expected = 0.0
    for k in range(17):
        t = 3 * k / 16
        step = 3 / 16 if k in (0, 16) else 6 / 16
        expected += step * math.exp(-(t**2) / 2) * (1 - math.exp(-(t**2)))
    values = []
    for seed in range(60):
        z = torch.randn(50, 8, generator=seeded(seed), dtype=torch.float64)
        values.append(lejepa_loss(z, z, 1.0, slices=50, generator=seeded(100 + seed)))
    assert torch.stack(values).mean().item() == pytest.approx(expected, rel=0.05)


def test_a_generator_decides_the_slices_and_is_moved_on():
    z_a, z_b = gaussian()
    loss, generator = LeJEPALoss(slices=8), seeded()
    first, second = loss(z_a, z_b, generator), loss(z_a, z_b, generator)
    assert first != second
    assert torch.equal(loss(z_a, z_b, seeded()), first)


def test_without_a_generator_torchs_random_state_decides_the_slices():
    z_a, z_b = gaussian()
    torch.manual_seed(0)
    found = LeJEPALoss(slices=8)(z_a, z_b)
    assert torch.equal(found, LeJEPALoss(slices=8)(z_a, z_b, seeded()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": 1.5}, "weight expects a number from 0 to 1, got 1.5"),
        ({"weight": math.nan}, "weight expects a number from 0 to 1, got nan"),
        ({"slices": 0}, "slices expects at least 1, got 0"),
        ({"t_max": 0.0}, "t_max expects a positive number, got 0.0"),
        ({"knots": 1}, "knots expects at least 2, got 1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        LeJEPALoss(**options)
