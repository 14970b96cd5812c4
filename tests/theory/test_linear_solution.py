import numpy as np
import pytest

from eigenstep.theory import (
    LinearSolution,
    cross_correlation,
    gradient_descent,
    gradient_flow,
    half_times,
    solve_linear,
    subspace_overlap,
)


def simulate(operator, weights, learning_rate, until=1.3):
    """Return the closed form and gradient descent until the last mode is well learned."""
    solution = LinearSolution.from_operator(operator, weights, learning_rate)
    learned = solution.half_times[np.isfinite(solution.half_times)]
    run = gradient_descent(operator, weights, learning_rate, int(until * learned[-1] / learning_rate))
    return solution, run


def sorted_trajectory(solution, times):
    return np.sort(solution.trajectory(times))[:, ::-1]


@pytest.mark.slow
def test_descent_on_correlated_data_follows_the_closed_form(rng, correlated_pairs):
    x, y = correlated_pairs(1.6 ** -np.arange(40.0))
    operator = cross_correlation(x, y)
    solution, run = simulate(operator, 1e-7 * rng.normal(size=(8, 40)), learning_rate=0.02)
    assert solution.n_positive == 8
    assert np.abs(solution.half_times / run.half_times - 1).max() < 0.03
    assert np.abs(sorted_trajectory(solution, run.times) - run.eigenvalues).mean() < 0.005
    np.testing.assert_allclose(solution.loss(run.times), run.loss, atol=0.15)
    assert subspace_overlap(solution.modes, run.final_weights.T) > 0.99


def test_the_smaller_the_start_the_better_the_closed_form(rng, operator_with):
    operator = operator_with(1.3 ** -np.arange(30.0))
    direction = rng.normal(size=(5, 30))
    errors, overlaps = [], []
    for sigma in (1e-1, 1e-2, 1e-4):
        solution, run = simulate(operator, sigma * direction, learning_rate=0.01)
        errors.append(np.abs(sorted_trajectory(solution, run.times) - run.eigenvalues).mean())
        overlaps.append(subspace_overlap(solution.modes, run.final_weights.T))
    assert errors[0] > errors[1] > errors[2]
    assert overlaps[0] < overlaps[1] < overlaps[2]
    # Eigenvalues are right while the subspace is not yet.
    assert all(1 - overlap > 2 * error for error, overlap in zip(errors[:2], overlaps[:2], strict=True))


@pytest.mark.slow
def test_several_views_follow_the_closed_form_too(rng):
    shared = rng.normal(size=(300, 20)) * 1.4 ** -np.arange(20.0)
    views = shared + 0.2 * shared.std(axis=0) * rng.normal(size=(4, 300, 20))
    weights = 1e-6 * rng.normal(size=(5, 20))
    solution = solve_linear(views, weights=weights, learning_rate=0.02)
    run = gradient_descent(cross_correlation(views), weights, 0.02, int(1.3 * solution.half_times[-1] / 0.02))
    assert np.abs(solution.half_times / run.half_times - 1).max() < 0.03


def test_weights_at_any_time_are_those_of_the_flow_from_its_aligned_start(rng, operator_with):
    operator = operator_with([2.0, 1.0, 0.5, 0.2, -0.1, -0.7])
    solution = LinearSolution.from_operator(operator, 1e-2 * rng.normal(size=(3, 6)))
    times = [0.0, 0.7, 1.5, 4.0]
    run = gradient_flow(operator, solution.weights(0.0), times, record_weights=True)
    for time, weights in zip(times, run.weights, strict=True):
        np.testing.assert_allclose(solution.weights(time), weights, atol=1e-9)


@pytest.mark.parametrize("learning_rate", [None, 0.1])
def test_weights_at_any_time_have_the_eigenvalues_of_the_trajectory(rng, operator_with, learning_rate):
    operator = operator_with([2.0, 1.0, 0.5, 0.2])
    solution = LinearSolution.from_operator(operator, 1e-2 * rng.normal(size=(3, 4)), learning_rate)
    for time in solution.half_times:
        weights = solution.weights(time)
        np.testing.assert_allclose(
            np.linalg.eigvalsh(weights @ operator @ weights.T),
            np.sort(solution.trajectory(time)[0]),
            atol=1e-13,
        )


def test_a_generic_small_start_ends_near_the_predicted_weights(rng, operator_with):
    operator = operator_with(2.0 ** -np.arange(10.0))
    weights = 1e-8 * rng.normal(size=(3, 10))
    solution, run = simulate(operator, weights, learning_rate=0.02, until=2.0)
    # Entry by entry: the rotation U is right as well, not only the spectrum.
    np.testing.assert_allclose(run.final_weights, solution.weights(), atol=0.01)


def test_the_end_point_is_the_zero_loss_solution_of_least_norm(rng, operator_with):
    gamma = np.array([2.0, 1.0, 0.5, 0.3, 0.1])
    operator = operator_with(gamma)
    solution = LinearSolution.from_operator(operator, 1e-3 * rng.normal(size=(3, 5)))
    weights = solution.weights()
    np.testing.assert_allclose(weights @ operator @ weights.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.sum(weights**2), np.sum(1 / gamma[:3]))
    # Every other solution is Q Gamma^{-1/2} with orthonormal rows Q.
    values, basis = np.linalg.eigh(operator)
    inverse_root = basis / np.sqrt(values) @ basis.T
    for _ in range(20):
        rows = np.linalg.qr(rng.normal(size=(5, 3)))[0].T
        assert np.sum((rows @ inverse_root) ** 2) > np.sum(weights**2)


@pytest.mark.slow
def test_with_four_positive_eigenvalues_of_ten_the_loss_ends_at_six(rng, operator_with):
    gamma = np.concatenate((2.0 ** -np.arange(4.0), -0.05 * np.arange(1, 37)))
    operator = operator_with(gamma)
    weights = 1e-2 * rng.normal(size=(10, 40))
    solution = LinearSolution.from_operator(operator, weights, 0.05)
    run = gradient_descent(operator, weights, 0.05, 6000)
    assert solution.n_positive == 4
    assert f"{solution.loss(np.inf)[0]:.6f}" == "6.000000"
    assert f"{run.loss[-1]:.6f}" == "6.000000"
    np.testing.assert_array_equal(np.isfinite(solution.half_times), [True] * 4 + [False] * 6)
    np.testing.assert_allclose(run.eigenvalues[-1], [1.0] * 4 + [0.0] * 6, atol=1e-6)
    np.testing.assert_allclose(np.linalg.svd(solution.weights())[1][4:], 0.0, atol=1e-12)


def test_data_of_deficient_rank_leave_the_missing_modes_frozen(rng):
    x = rng.normal(size=(3, 12))
    solution = solve_linear(x, x, weights=1e-3 * rng.normal(size=(5, 12)))
    assert solution.n_positive == 3
    np.testing.assert_array_equal(solution.eigenvalues[3:], 0.0)
    np.testing.assert_array_equal(solution.half_times[3:], np.inf)
    np.testing.assert_allclose(solution.loss(np.inf), 2.0)


def test_degenerate_modes_agree_as_a_subspace(rng, operator_with):
    operator = operator_with([1.0, 0.5, 0.5, 0.5, 0.05, 0.02])
    weights = 1e-8 * rng.normal(size=(4, 6))
    solution, run = simulate(operator, weights, learning_rate=0.02, until=2.0)
    assert subspace_overlap(solution.modes, run.final_weights.T) > 0.9999
    # All weights of the group are learned within the spread of its start scales.
    np.testing.assert_allclose(run.eigenvalues[-1], 1.0, atol=1e-4)
    assert np.abs(np.mean(solution.half_times[1:]) / np.mean(run.half_times[1:]) - 1) < 0.03


def test_as_many_outputs_as_features_are_solved(rng, operator_with):
    operator = operator_with([1.0, 0.4, 0.1])
    solution, run = simulate(operator, 1e-6 * rng.normal(size=(3, 3)), learning_rate=0.02)
    assert np.abs(solution.half_times / run.half_times - 1).max() < 0.03


def test_embeddings_of_training_data_are_white_in_cross_correlation(rng, correlated_pairs):
    x, y = correlated_pairs(1.5 ** -np.arange(10.0), noise=0.3)
    for centred in (False, True):
        solution = solve_linear(x, y, weights=1e-4 * rng.normal(size=(4, 10)), center=centred)
        z, z_partner = solution.embed(x), solution.embed(y)
        np.testing.assert_allclose(cross_correlation(z, z_partner, center=centred), np.eye(4), atol=1e-10)
        halfway = solution.embed(x, time=solution.half_times[1])
        np.testing.assert_allclose(halfway, x @ solution.weights(solution.half_times[1]).T)


def test_times_and_trajectory_are_those_of_its_modes(rng, operator_with):
    operator = operator_with([1.0, 0.3, 0.1, -0.2])
    solution = LinearSolution.from_operator(operator, 1e-4 * rng.normal(size=(2, 4)), 0.1)
    np.testing.assert_array_equal(
        solution.half_times, half_times(solution.eigenvalues, solution.start_scales, 0.1)
    )
    np.testing.assert_allclose(solution.critical_times, solution.half_times, rtol=1e-6)
    np.testing.assert_allclose(np.diagonal(solution.trajectory(solution.half_times)), 0.5)


@pytest.mark.parametrize(
    ("shape", "learning_rate", "message"),
    [
        ((2, 4), None, r"weights of shape \(d, 3\)"),
        ((4, 3), None, "between 1 and 3 modes"),
        ((2, 3), 0.5, "unstable"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(shape, learning_rate, message):
    with pytest.raises(ValueError, match=message):
        LinearSolution.from_operator(np.eye(3), np.ones(shape), learning_rate)


def test_samples_of_another_size_are_refused(rng):
    solution = LinearSolution.from_operator(np.eye(3), rng.normal(size=(2, 3)))
    with pytest.raises(ValueError, match=r"\(n, 3\), got \(5, 4\)"):
        solution.embed(np.ones((5, 4)))
