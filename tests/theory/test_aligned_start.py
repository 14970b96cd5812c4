import numpy as np
import pytest
from scipy.stats import ortho_group

from eigenstep.theory import LinearSolution, aligned_start, gradient_descent, start_scales


@pytest.mark.parametrize("k", [1, 3, 4])
def test_an_aligned_start_is_recovered(rng, k):
    rotation = ortho_group.rvs(4, random_state=rng)[:, :k]
    modes = ortho_group.rvs(7, random_state=rng)[:, :k]
    scales = rng.uniform(0.1, 1.0, size=k)
    start = aligned_start(rotation * scales @ modes.T, modes)
    np.testing.assert_allclose(start.rotation, rotation, atol=1e-14)
    np.testing.assert_allclose(start.scales, scales, rtol=1e-13)


def test_each_scale_is_the_distance_of_its_column_from_the_span_of_the_earlier_ones(rng):
    weights, modes = rng.normal(size=(4, 9)), ortho_group.rvs(9, random_state=rng)[:, :4]
    columns = weights @ modes
    expected = []
    for j in range(4):
        inside = columns[:, :j]
        coefficients = np.linalg.lstsq(inside, columns[:, j], rcond=None)[0]
        expected.append(np.linalg.norm(columns[:, j] - inside @ coefficients))
    np.testing.assert_allclose(start_scales(weights, modes), expected, rtol=1e-12)


def test_the_first_column_of_the_rotation_points_along_the_first_mode_of_the_weights(rng):
    weights, modes = rng.normal(size=(3, 5)), np.eye(5)[:, :3]
    start = aligned_start(weights, modes)
    np.testing.assert_allclose(start.rotation[:, 0], weights[:, 0] / np.linalg.norm(weights[:, 0]))
    np.testing.assert_allclose(start.rotation.T @ start.rotation, np.eye(3), atol=1e-14)
    # What is left of every column, seen along its own direction, is positive: no mode starts mirrored.
    assert (np.diagonal(start.rotation.T @ weights[:, :3]) > 0).all()


def test_weights_without_a_part_in_a_mode_start_it_at_zero():
    start = aligned_start([[1.0, 2.0], [0.0, 0.0]], np.eye(2))
    np.testing.assert_array_equal(start.scales, [1.0, 0.0])
    np.testing.assert_allclose(start.rotation.T @ start.rotation, np.eye(2))


def test_signs_of_the_modes_do_not_change_the_solution(rng, operator_with):
    weights, modes = rng.normal(size=(3, 6)), ortho_group.rvs(6, random_state=rng)[:, :3]
    flipped = modes * [1, -1, -1]
    first, second = aligned_start(weights, modes), aligned_start(weights, flipped)
    np.testing.assert_allclose(first.scales, second.scales)
    np.testing.assert_allclose(first.rotation @ modes.T, second.rotation @ flipped.T, atol=1e-14)


@pytest.mark.slow
def test_it_predicts_a_generic_start_and_column_norms_do_not(rng, operator_with):
    gamma = 2.0 ** -np.arange(12)
    operator = operator_with(gamma)
    learning_rate = 0.02
    errors = {"qr": [], "column norms": []}
    for _ in range(4):
        weights = 1e-6 * rng.normal(size=(6, 12))
        solution = LinearSolution.from_operator(operator, weights, learning_rate)
        steps = int(1.2 * solution.half_times[-1] / learning_rate)
        measured = gradient_descent(operator, weights, learning_rate, steps).half_times
        rate = np.log1p(4 * learning_rate * gamma[:6]) / (4 * learning_rate)
        for name, scales in (
            ("qr", solution.start_scales),
            ("column norms", np.linalg.norm(weights @ solution.modes, axis=0)),
        ):
            predicted = np.log(1 / (gamma[:6] * scales**2) - 1) / (8 * rate)
            errors[name].extend(np.abs(predicted / measured - 1)[3:])
    assert np.max(errors["qr"]) < 0.005
    assert np.mean(errors["column norms"]) > 10 * np.mean(errors["qr"])


@pytest.mark.parametrize(
    ("weights", "modes", "message"),
    [
        (np.ones(3), np.eye(3), "weights"),
        (np.ones((2, 3)), np.eye(2), r"\(2, 3\) and \(2, 2\)"),
        (np.ones((2, 3)), np.eye(3), "at most one mode for each of 2 outputs, got 3"),
        (np.full((3, 3), np.nan), np.eye(3), "finite"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(weights, modes, message):
    with pytest.raises(ValueError, match=message):
        aligned_start(weights, modes)
