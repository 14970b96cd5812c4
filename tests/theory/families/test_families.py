"""Each family's closed form beside the integration of its flow in full matrices."""

import numpy as np
import pytest
import scipy.integrate
import torch

from eigenstep.theory import (
    Autoencoder,
    BarlowTwins,
    CrossViewAutoencoder,
    FamilySolution,
    LinearSolution,
    SpectralContrastive,
    TwoLayerSupervised,
    WordEmbeddings,
    second_moment,
    subspace_overlap,
)


def expected_course(name, drive, variance, start):
    """Half-time and end as the table of the families has them."""
    return {
        "barlow twins": lambda: (np.log(1 / (drive * start) - 1) / (8 * drive), 1 / drive),
        "spectral": lambda: (
            np.log(drive / (variance**2 * start) - 1) / (8 * drive),
            drive / variance**2,
        ),
        "autoencoder": lambda: (np.log(1 / start - 1) / (8 * drive), 1 + 0 * drive),
        "cross-view": lambda: (np.log(drive / variance / start - 1) / (8 * drive), drive / variance),
        "supervised": lambda: (np.log(drive / (variance * start) - 1) / (4 * drive), drive / variance),
        "clip": lambda: (
            np.log(drive / (variance**2 * start) - 1) / (2 * drive),
            drive / variance**2,
        ),
        "words": lambda: (np.log(drive / start - 1) / (2 * drive), drive),
    }[name]()


@pytest.mark.slow
def test_a_generic_start_of_a_millionth_is_learned_when_and_as_far_as_foretold(name, family_with, start_of):
    drives, correlations = 0.6 ** np.arange(40.0), 0.9 * 0.9 ** np.arange(40.0)
    family, weights = family_with(name, drives, correlations), start_of(name, 1e-6, 8, 40)
    solution = family.solve(weights)
    half_times, ends = expected_course(name, drives[:8], (drives / correlations)[:8], solution.starts)
    np.testing.assert_allclose(solution.half_times, half_times, rtol=1e-8)
    np.testing.assert_allclose(solution.ends, ends, rtol=1e-8)
    assert solution.lasting
    assert solution.mixing < 1e-6
    times = np.geomspace(half_times[0] / 2, 2 * half_times[-1], 1000)
    run = family.gradient_flow(weights, times)
    np.testing.assert_allclose(solution.half_times / run.times_to(solution.ends / 2), 1, atol=0.01)
    np.testing.assert_allclose(run.sizes[-1] / solution.ends, 1, atol=1e-4)
    # What was found does not depend on the modes that were looked for.
    found = np.linalg.svd(run.readout @ run.weights)[1][:8]
    np.testing.assert_allclose(found, np.sort(solution.ends)[::-1], rtol=1e-4)
    assert subspace_overlap(solution.modes, run.weights.T) > 0.9999
    np.testing.assert_allclose(run.losses, -solution.loss_drop(times), atol=2e-3 * -run.losses[-1])


def test_from_an_aligned_start_the_flow_is_the_closed_form(name, family_with, start_of):
    """Of drives of every sign that the family can have, at any size of the start."""
    signed = name not in ("autoencoder", "supervised", "clip")
    drives = np.array([2.0, 1.0, 0.5, 0.2, 0.0, -0.4 if signed else 0.0])
    family = family_with(name, drives, 0.8)
    solution = family.solve(start_of(name, 0.3, 6, 6))
    np.testing.assert_allclose(solution.drives, drives, atol=1e-12)
    start = solution.weights(0.0)
    times = [0.0, 0.1, 0.5, 2.0]
    readout = solution.readout(0.0)
    layers = {"supervised": (start, readout), "clip": (start, readout.T)}.get(name, start)
    run = family.gradient_flow(layers, times)
    np.testing.assert_allclose(run.sizes, solution.sizes(times), atol=1e-8)
    np.testing.assert_allclose(run.weights, solution.weights(2.0), atol=1e-8)
    np.testing.assert_allclose(run.readout, solution.readout(2.0), atol=1e-8)
    np.testing.assert_allclose(run.losses, -solution.loss_drop(times), atol=1e-7)
    np.testing.assert_array_equal(solution.half_times == np.inf, drives <= 0)
    assert (np.diff(solution.sizes([0.0, 1.0, 10.0])[:, drives < 0], axis=0) < 0).all()
    np.testing.assert_array_equal(solution.ends[drives < 0], 0.0)


@pytest.mark.parametrize("rate", [2.0, 8.0])
def test_sizes_solve_their_equation_for_any_drive_restraint_and_start(rate):
    drives = np.array([1.0, 0.3, 0.0, 0.0, -0.5, -0.5, 1e-13])
    restraints = np.array([2.0, 2.0, 1.5, 0.0, 0.7, 0.0, 0.8])
    starts = np.array([1e-3, 2.0, 0.4, 0.3, 0.2, 0.1, 0.3])
    solution = FamilySolution(rate, drives, restraints, starts, np.eye(7), np.eye(7))
    times = np.array([0.0, 0.2, 1.0, 3.0])
    reference = scipy.integrate.solve_ivp(
        lambda _, p: rate * p * (drives - restraints * p),
        (0, 3),
        starts,
        t_eval=times,
        rtol=1e-12,
        atol=1e-15,
    ).y.T
    np.testing.assert_allclose(solution.sizes(times), reference, rtol=1e-8, atol=1e-12)
    assert np.isfinite(solution.sizes([1e6, np.inf])).all()
    np.testing.assert_array_equal(solution.ends[2:6], [0, 0.3, 0, 0])
    np.testing.assert_allclose(solution.half_times[0], np.log(0.5 / 1e-3 - 1) / rate)
    np.testing.assert_array_equal(solution.half_times[1:6], [-np.inf] + 4 * [np.inf])


def test_a_rise_takes_from_a_tenth_to_nine_tenths_whatever_the_start(name, family_with, start_of):
    family = family_with(name, np.array([1.0, 0.3, 0.1]), 0.7)
    solution = family.solve(start_of(name, 1e-3, 2, 3))
    middle, width = solution.half_times, solution.rise_widths
    shares = [np.diagonal(solution.sizes(middle + sign * width / 2)) / solution.ends for sign in (-1, 1)]
    np.testing.assert_allclose(shares, [[0.1, 0.1], [0.9, 0.9]], rtol=1e-9)


def test_barlow_twins_is_the_linear_model(rng, operator_with):
    operator, weights = operator_with([2.0, 1.0, 0.5, 0.0, -0.3]), 1e-3 * rng.normal(size=(5, 5))
    solution, linear = BarlowTwins(operator).solve(weights), LinearSolution.from_operator(operator, weights)
    np.testing.assert_allclose(solution.half_times, linear.half_times, rtol=1e-12)
    for time in (0.0, 1.5, np.inf):
        np.testing.assert_allclose(solution.weights(time), linear.weights(time), atol=1e-12)


def literal_losses(x, y, target):
    """The families' losses over samples as they are written, and the families of these samples."""
    x, y, target = map(torch.tensor, (x, y, target))
    n = len(x)

    def barlow_twins(w):
        a, b = x @ w.T, y @ w.T
        return (((a.T @ b + b.T @ a) / (2 * n) - torch.eye(len(w))) ** 2).sum()

    def spectral(w):
        z = torch.cat((x, y)) @ w.T
        return ((z @ z.T) ** 2).mean() - 2 * (z[:n] * z[n:]).sum(dim=1).mean()

    return [
        (BarlowTwins.from_data(x, y), barlow_twins),
        (SpectralContrastive.from_data(x, y), spectral),
        (Autoencoder.from_data(x), lambda w: ((x - x @ w.T @ w) ** 2).sum(dim=1).mean()),
        (CrossViewAutoencoder.from_data(x, y), lambda w: ((y - x @ w.T @ w) ** 2).sum(dim=1).mean()),
        (
            TwoLayerSupervised.from_data(x, target),
            lambda a, b: ((target - x @ a.T @ b.T) ** 2).sum(dim=1).mean(),
        ),
    ]


@pytest.mark.parametrize("family", range(5))
def test_loss_and_flow_are_those_of_the_loss_over_actual_samples(rng, family):
    x, y = rng.normal(size=(2, 30, 6)) * np.linspace(2, 0.5, 6) + 0.3
    family, loss = literal_losses(x, y, rng.normal(size=(30, 4)))[family]
    layers = [rng.normal(size=(3, 6)), rng.normal(size=(4, 3))][: loss.__code__.co_argcount]
    weights = tuple(layers) if len(layers) == 2 else layers[0]
    parameters = [torch.tensor(layer, requires_grad=True) for layer in layers]
    value = loss(*parameters)
    value.backward()
    zero = loss(*(torch.zeros_like(layer) for layer in parameters))
    np.testing.assert_allclose(family.loss(weights), (value - zero).item(), rtol=1e-10)
    run = family.gradient_flow(weights, [0.0, 1e-8])
    for after, before, parameter in zip((run.weights, run.readout), layers, parameters, strict=False):
        np.testing.assert_allclose((before - after) / 1e-8, parameter.grad.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", [SpectralContrastive, CrossViewAutoencoder, TwoLayerSupervised])
def test_moments_of_finite_data_mix_modes_a_little_and_times_hold(rng, correlated_pairs, family):
    x, y = correlated_pairs(0.5 ** np.arange(12.0), n=2000, noise=0.3)
    solved = family.from_data(x, y)
    weights = 1e-6 * rng.normal(size=(4, 12))
    weights = (weights, 1e-6 * rng.normal(size=(12, 4))) if family is TwoLayerSupervised else weights
    solution = solved.solve(weights)
    assert 1e-3 < solution.mixing < 0.1
    run = solved.gradient_flow(weights, np.geomspace(0.1, 2 * solution.half_times[-1], 1000))
    np.testing.assert_allclose(solution.half_times / run.times_to(solution.ends / 2), 1, atol=0.01)
    np.testing.assert_allclose(run.sizes[-1], solution.ends, rtol=2 * solution.mixing)


def test_what_is_learned_first_is_left_for_a_mode_of_larger_rho():
    family = SpectralContrastive(np.diag([1.0, 0.5, 0.1]), np.diag([2.0, 0.6, 1.0]))
    start = np.array([[1e-8, 1e-8, 1e-8]])
    solution = family.solve(start)
    assert not solution.lasting
    run = family.gradient_flow(start, [1.2 * solution.half_times[0], 100.0])
    np.testing.assert_allclose(run.sizes[0], solution.ends, rtol=1e-3)
    assert run.sizes[1] < 1e-6
    np.testing.assert_allclose(np.abs(run.weights), [[0, np.sqrt(0.5) / 0.6, 0]], atol=1e-3)
    # With a place for each there is nothing to leave, nor where the first has the largest rho.
    assert family.solve(1e-8 * np.eye(2, 3)).lasting
    assert SpectralContrastive(family.cross_correlation, np.diag([1.1, 0.6, 1.0])).solve(start).lasting


@pytest.mark.slow
def test_data_of_deficient_rank_leave_the_other_modes_unlearned(rng):
    x = rng.normal(size=(3, 12))
    for family in (
        Autoencoder.from_data(x),
        BarlowTwins.from_data(x, x),
        SpectralContrastive.from_data(x, x),
    ):
        weights = 1e-4 * rng.normal(size=(5, 12))
        solution = family.solve(weights)
        np.testing.assert_array_equal(np.isfinite(solution.half_times), [True] * 3 + [False] * 2)
        np.testing.assert_array_equal(solution.drives[3:], 0.0)
        assert (solution.ends[3:] < 1e-6).all()
        times = np.geomspace(1e-2, 20 * solution.half_times[2], 500)
        run = family.gradient_flow(weights, times)
        np.testing.assert_allclose(run.sizes[-1, :3], solution.ends[:3], rtol=1e-3)
        assert (run.sizes[-1, 3:] < 1e-6).all()


def test_more_outputs_than_features_learn_every_feature(name, family_with, start_of):
    family, weights = family_with(name, np.array([1.0, 0.4, 0.1]), 0.8), start_of(name, 1e-6, 7, 3)
    solution = family.solve(weights)
    assert solution.weights().shape == (7, 3)
    run = family.gradient_flow(weights, np.geomspace(0.5, 2 * solution.half_times[-1], 800))
    np.testing.assert_allclose(solution.half_times / run.times_to(solution.ends / 2), 1, atol=0.01)
    np.testing.assert_allclose(run.weights, solution.weights(), atol=1e-3)


def test_equal_drives_are_learned_as_a_space_each_part_to_its_own_end(name, family_with, start_of):
    drives = np.array([1.0, 0.5, 0.5, 0.5, 0.1, 0.05])
    family = family_with(name, drives, np.array([0.9, 0.5, 0.7, 0.9, 0.4, 0.3]))
    weights = start_of(name, 1e-6, 4, 6)
    solution = family.solve(weights)
    assert solution.mixing < 1e-6
    run = family.gradient_flow(weights, [30 * solution.half_times[-1] / 10])
    assert subspace_overlap(solution.modes, run.weights.T) > 0.9999
    found = np.linalg.svd(run.readout @ run.weights)[1][:4]
    np.testing.assert_allclose(found, np.sort(solution.ends)[::-1], rtol=1e-3)


def test_second_moment_is_the_mean_over_all_views(rng):
    views = rng.normal(size=(2, 20, 3)) + 1
    rows = views.reshape(40, 3)
    for center, expected in ((False, rows.T @ rows / 40), (True, np.cov(rows.T, bias=True))):
        np.testing.assert_allclose(second_moment(*views, center=center), expected)
        np.testing.assert_allclose(second_moment(views, center=center), expected)
        np.testing.assert_allclose(Autoencoder.from_data(rows, center=center).second_moment, expected)


EYE, BAD = np.eye(3), np.diag([1.0, 1.0, -1.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BarlowTwins(np.ones((2, 3))), r"square operator of shape \(m, m\), got \(2, 3\)"),
        (lambda: SpectralContrastive(EYE, np.eye(2)), r"second_moment of shape \(3, 3\), got \(2, 2\)"),
        (lambda: Autoencoder(BAD), "second_moment without negative eigenvalues, got -1"),
        (lambda: CrossViewAutoencoder(EYE, np.diag([1.0, 1, 0])).solve(EYE), "zero on one of its modes"),
        (lambda: Autoencoder(EYE).solve(np.ones((2, 4))), r"weights of shape \(d, 3\), got \(2, 4\)"),
        (lambda: Autoencoder(EYE).solve((EYE, EYE)), "one matrix W .* got a tuple of 2"),
        (lambda: TwoLayerSupervised(np.ones(3), EYE), r"cross_moment E y x\^T of shape \(o, m\), got \(3,\)"),
        (lambda: TwoLayerSupervised(np.ones((2, 3)), EYE).solve(EYE), r"as a pair \(A, B\)"),
        (lambda: TwoLayerSupervised(np.ones((2, 3)), EYE).solve((EYE, EYE)), r"\(2, 3\), got \(3, 3\)"),
        (lambda: TwoLayerSupervised.from_data(EYE, [0, 1, 2]), "classes become one-hot rows"),
        (lambda: WordEmbeddings(np.full((2, 2), np.nan)), "finite"),
        (lambda: second_moment(np.ones(3)), r"got shape \(3,\)"),
        (lambda: second_moment(np.full((3, 2), np.nan)), "finite values"),
        (lambda: second_moment(EYE, np.eye(2)), r"one shape \(n, m\), got \(3, 3\) and \(2, 2\)"),
        (lambda: Autoencoder(EYE).solve(EYE).sizes([-1.0]), "times >= 0"),
        (lambda: Autoencoder(EYE).gradient_flow(EYE, [0.0]).times_to([1.0]), "one size for each of 3 modes"),
    ],
)
def test_bad_input_is_refused_in_a_line_with_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
