import numpy as np
import pytest
import torch

from eigenstep.methods import Embeddings, LeJEPAConfig, build_objective
from eigenstep.prediction import find_modes, mode_times, scales_of_start, small_start, train_linear_model
from eigenstep.theory import cross_correlation, solve_linear, subspace_overlap
from eigenstep.training import BarlowTwinsConfig, TrainConfig


def barlow_twins(center):
    return TrainConfig(loss="barlow_twins", barlow_twins=BarlowTwinsConfig(center=center))


def of_linear_kernel(pairs, config, dim=3):
    views, others = np.concatenate(pairs), np.random.default_rng(5).normal(size=(7, 6))
    return find_modes(views @ views.T, others @ views.T, small_start(config), dim), others


@pytest.mark.parametrize("center", [False, True])
def test_of_the_linear_kernel_they_are_the_linear_models(pairs, center):
    weights = 1e-3 * np.random.default_rng(1).normal(size=(3, 6))
    modes, others = of_linear_kernel(pairs, barlow_twins(center))
    expected = solve_linear(*pairs, weights=weights, center=center)
    np.testing.assert_allclose(modes.gamma, expected.eigenvalues, rtol=1e-8)
    np.testing.assert_allclose(modes.plateaus, 1)
    start = np.concatenate(pairs) @ weights.T
    np.testing.assert_allclose(scales_of_start(modes, start), expected.start_scales, rtol=1e-7)
    # Equal up to signs, and to the means that centring takes off.
    theirs = others @ expected.modes
    for j in range(3):
        ours = modes.images[:, j] - modes.images[:, j].mean()
        np.testing.assert_allclose(abs(np.corrcoef(ours, theirs[:, j])[0, 1]), 1, rtol=1e-8)


def test_scaled_to_the_end_of_training_they_are_an_embedding_with_c_equal_to_one(pairs):
    modes, _ = of_linear_kernel(pairs, barlow_twins(True))
    embedded = modes.views * np.sqrt(modes.plateaus / modes.gamma)
    np.testing.assert_allclose(cross_correlation(embedded[:60], embedded[60:]), np.eye(3), atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["barlow_twins", "simclr", "vicreg"])
def test_small_embeddings_grow_along_them_at_their_rates(pairs, loss):
    """Against the loss itself: its gradient flow from a start that holds all modes, on random features."""
    config = TrainConfig(loss=loss)
    modes, _ = of_linear_kernel(pairs, config)
    rates = small_start(config).growth_rates(modes.gamma, 3)
    views = np.concatenate(pairs)
    start = 1e-6 * views @ np.random.default_rng(1).normal(size=(6, 3))
    objective, rate = build_objective(config), 1e-3 / rates[0]
    *_, last = train_linear_model(
        views @ views.T, start, lambda a, b: objective(Embeddings(a, b))[0], np.full(300, rate)
    )
    before, after = (rows.T @ modes.coefficients for rows in (start, last.embeddings.numpy()))
    growth = np.log(np.linalg.norm(after, axis=0) / np.linalg.norm(before, axis=0))
    np.testing.assert_allclose(growth / last.time, rates, rtol=2e-3)


@pytest.mark.slow
def test_under_lejepa_they_grow_at_their_rates_on_average_over_its_directions(pairs):
    config = TrainConfig(loss="lejepa", batch_size=60, lejepa=LeJEPAConfig(weight=0.02, slices=256))
    modes, _ = of_linear_kernel(pairs, config)
    rates = small_start(config).growth_rates(modes.gamma, 3)
    views, drawn = np.concatenate(pairs), torch.Generator().manual_seed(0)
    start = 1e-6 * views @ np.random.default_rng(1).normal(size=(6, 3))
    objective, rate = build_objective(config), 3e-3 / rates[0]
    *_, last = train_linear_model(
        views @ views.T,
        start,
        lambda a, b: objective(Embeddings(a, b, generator=drawn))[0],
        np.full(300, rate),
    )
    before, after = (rows.T @ modes.coefficients for rows in (start, last.embeddings.numpy()))
    growth = np.log(np.linalg.norm(after, axis=0) / np.linalg.norm(before, axis=0))
    np.testing.assert_allclose(growth / last.time, rates, rtol=0.02)


@pytest.mark.slow
def test_under_lejepa_the_first_mode_is_learned_when_its_start_says_and_the_next_ones_are_not(pairs):
    """A linear model's own steps: once the first mode is there, what is left grows at other rates."""
    config = TrainConfig(loss="lejepa", batch_size=60, lejepa=LeJEPAConfig(weight=0.02, slices=64))
    modes, _ = of_linear_kernel(pairs, config)
    rates = small_start(config).growth_rates(modes.gamma, 3)
    x_a, x_b = map(torch.from_numpy, pairs)
    weights = 1e-5 * torch.from_numpy(np.random.default_rng(1).normal(size=(3, 6)))
    objective, drawn = build_objective(config), torch.Generator().manual_seed(0)
    rate = 0.05 / rates[0]
    sizes, along_first = [], []
    for _ in range(450):
        embeddings = np.concatenate(pairs) @ weights.T.numpy()
        sizes.append(np.linalg.norm(embeddings.T @ modes.coefficients, axis=0))
        along_first.append(subspace_overlap(np.linalg.svd(embeddings)[0][:, :1], modes.views[:, :1]))
        weights.requires_grad_()
        loss, _ = objective(Embeddings(x_a @ weights.T, x_b @ weights.T, generator=drawn))
        (gradient,) = torch.autograd.grad(loss, weights)
        weights = weights.detach() - rate * gradient
    measured, end = np.array(sizes), np.max(sizes, axis=0)

    def ratio(share):
        """Steps until each mode is at a share of its end, over those that its growth at the start takes."""
        foretold = np.log(share * end / measured[0]) / np.log1p(rate * rates)
        return np.argmax(measured >= share * end, axis=0) / foretold

    assert ratio(0.1)[0] == pytest.approx(1, abs=0.03)
    assert ratio(0.5)[0] == pytest.approx(1.08, abs=0.04)
    assert along_first[int(np.argmax(measured[:, 0] >= 0.1 * end[0]))] > 0.99
    assert (abs(ratio(0.1)[1:] - 1) > 0.2).all()


def test_fewer_modes_than_dimensions_are_found_where_fewer_are_learned():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    pairs = x, x.copy()
    views = np.concatenate(pairs)
    modes = find_modes(views @ views.T, views @ views.T, small_start(barlow_twins(False)), 5)
    assert modes.gamma.shape == (2,)
    assert subspace_overlap(modes.views, views) == pytest.approx(1)
    assert torch.from_numpy(modes.images).isfinite().all()


def logistic(times, half_time, rate=8.0):
    return 1 / (1 + np.exp(-rate * (times - half_time)))


def test_a_modes_own_time_is_found_whatever_eigenvalue_it_was():
    """The second predicted mode is learned first, the first later, the third not at all."""
    modes = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 4)))[0][:, 1:] * np.sqrt(40)
    modes -= modes.mean(0)
    times = np.linspace(0, 6, 200)
    sizes = np.sqrt(np.stack([logistic(times, 3.0), logistic(times, 1.0), 0 * times], axis=1))
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    found = mode_times(times, (modes * sizes[:, None]) @ rotation, modes)
    np.testing.assert_allclose(found[:2], [3.0, 1.0], atol=0.1)
    assert np.isnan(found[2])


@pytest.mark.parametrize(("share", "is_learned"), [(0.29, False), (0.31, True)])
def test_a_mode_is_learned_that_comes_to_three_tenths_of_the_largest(share, is_learned):
    modes = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 3)))[0] * np.sqrt(40)
    modes -= modes.mean(0)
    times = np.linspace(0, 6, 200)
    sizes = np.sqrt(np.stack([logistic(times, 1.0), share * logistic(times, 3.0)], axis=1))
    modes = np.linalg.qr(modes)[0][:, :2] * np.sqrt(40)
    found = mode_times(times, modes * sizes[:, None], modes)
    assert np.isfinite(found).tolist() == [True, is_learned]
