"""Preconditioned and orthogonalised training, simulated in full matrices, beside the closed forms."""

import numpy as np
import pytest
import scipy.linalg
import torch

from eigenstep.theory import (
    LinearSolution,
    Preconditioner,
    cross_correlation,
    gradient_descent,
    gradient_flow,
    half_times,
    mode_eigenvalues,
    mode_scales,
    solve_linear,
    subspace_overlap,
)

GAMMA = np.array([2.0, 1.0, 0.5, 0.1, 0.0, -0.2, -0.6])
SCALES = np.array([1e-3, 1e-2, 0.3])


@pytest.fixture
def operator(operator_with):
    return operator_with(GAMMA)


def modes_of(operator):
    return np.linalg.eigh(operator)[1][:, ::-1]


@pytest.mark.parametrize(
    ("power", "damping"),
    [(0.5, 1e-3), (0.5, 1e-4), (1.0, 1e-2), (0.75, 0.0), (0.3, 1e-6), (1.5, 0.1), (0.5, 0.0)],
)
def test_flow_from_an_aligned_start_is_the_closed_form(operator, power, damping):
    rule = Preconditioner(power, damping)
    times = np.linspace(0, 1.5 * half_times(GAMMA[:3], SCALES, rule=rule).max(), 40)
    run = gradient_flow(operator, SCALES[:, None] * modes_of(operator)[:, :3].T, times, rule=rule)
    expected = mode_eigenvalues(GAMMA[:3], SCALES, times, rule=rule)
    np.testing.assert_allclose(run.eigenvalues, np.sort(expected)[:, ::-1], atol=1e-8)
    np.testing.assert_allclose(run.loss, ((1 - expected) ** 2).sum(axis=1), atol=1e-8)


def test_modes_of_negative_gamma_see_their_eigenvalue_by_its_size(operator):
    rule, start = Preconditioner(0.5, 1e-3), np.array([0.3, 2.0])
    # Not for long: the outputs that they leave go to positive modes, from rounding.
    run = gradient_flow(
        operator, start[:, None] * modes_of(operator)[:, 5:].T, np.linspace(0, 0.08, 9), rule=rule
    )
    expected = mode_eigenvalues(GAMMA[5:], start, run.times, rule=rule)
    np.testing.assert_allclose(run.eigenvalues, np.sort(expected)[:, ::-1], atol=1e-8)


def test_with_the_covariance_in_place_of_c_correlations_tell_the_times(operator):
    second_moment = operator @ operator + 2 * np.eye(7)  # commutes with the operator
    rule = Preconditioner(0.5, 1e-2, GAMMA[:3] / (GAMMA[:3] ** 2 + 2))
    start, times = SCALES[:, None] * modes_of(operator)[:, :3].T, np.linspace(0, 2, 30)
    run = gradient_flow(operator, start, times, rule=Preconditioner(0.5, 1e-2), second_moment=second_moment)
    expected = mode_eigenvalues(GAMMA[:3], SCALES, times, rule=rule)
    np.testing.assert_allclose(run.eigenvalues, np.sort(expected)[:, ::-1], atol=1e-8)
    other = mode_eigenvalues(GAMMA[:3], SCALES, times, rule=Preconditioner(0.5, 1e-2))
    assert np.abs(expected - other).max() > 0.1


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_orthogonalised_descent_moves_each_mode_by_the_rate_whatever_its_gamma(operator, momentum):
    rate, gamma = 1e-3, GAMMA[:4]
    start = 1e-2 * modes_of(operator)[:, :4].T
    run = gradient_descent(
        operator, start, rate, 4000, rule="orthogonalised", momentum=momentum, record_weights=True
    )
    scales = np.linalg.norm(run.weights, axis=2)
    expected = mode_scales(gamma, 1e-2, run.times, rule="orthogonalised")
    # About its end a mode swings by the rate, or by momentum's memory of it.
    np.testing.assert_allclose(scales, expected, atol=2 * rate / (1 - momentum))
    np.testing.assert_allclose(run.half_times, half_times(gamma, 1e-2, rule="orthogonalised"), atol=rate)


def test_orthogonalised_descent_takes_negative_modes_down_at_the_same_pace_and_leaves_those_of_gamma_0(
    operator,
):
    start = 0.1 * modes_of(operator)[:, [0, 4, 6]].T
    run = gradient_descent(operator, start, 1e-3, 95, rule="orthogonalised", record_weights=True)
    expected = mode_scales(GAMMA[[0, 4, 6]], 0.1, run.times, rule="orthogonalised")
    np.testing.assert_allclose(np.linalg.norm(run.weights, axis=2), expected, atol=1e-9)
    np.testing.assert_allclose(expected[-1], [0.195, 0.1, 0.005])
    assert mode_scales([-0.6], 0.1, 0.2, rule="orthogonalised").item() == 0


def literal_step(weights, x, y, power, damping):
    """The gradient at the embeddings of actual pairs times the power of C by its definition, and on to W."""
    parameter = torch.tensor(weights, requires_grad=True)
    z = torch.cat([torch.tensor(x), torch.tensor(y)]) @ parameter.T
    leaf = z.detach().requires_grad_()
    a, b = leaf.chunk(2)
    correlation = (a.T @ b + b.T @ a) / (2 * len(a))
    ((correlation - torch.eye(len(weights), dtype=torch.float64)) ** 2).sum().backward()
    seen = leaf.detach().T @ leaf.detach() / len(leaf)
    values, vectors = torch.linalg.eigh(seen)
    z.backward(leaf.grad @ ((vectors * (values + damping) ** -power) @ vectors.T))
    return parameter.grad.numpy()


def test_a_step_multiplies_the_gradient_at_the_embeddings_of_actual_pairs(rng, correlated_pairs):
    x, y = correlated_pairs(np.linspace(2, 0.1, 8), n=40, noise=0.5)
    weights, views = rng.normal(size=(3, 8)), np.concatenate([x, y])
    run = gradient_descent(
        cross_correlation(x, y),
        weights,
        1e-3,
        1,
        rule=Preconditioner(0.7, 0.05),
        second_moment=views.T @ views / len(views),
    )
    expected = literal_step(weights, x, y, 0.7, 0.05)
    np.testing.assert_allclose((weights - run.final_weights) / 1e-3, expected, rtol=1e-8)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_is_that_of_torchs_sgd(operator, rng, nesterov):
    start = 0.1 * rng.normal(size=(3, 7))
    parameter = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=0.01, momentum=0.8, nesterov=nesterov)
    for _ in range(30):
        optimizer.zero_grad()
        residual = parameter @ torch.tensor(operator) @ parameter.T - torch.eye(3, dtype=torch.float64)
        (residual**2).sum().backward()
        optimizer.step()
    run = gradient_descent(operator, start, 0.01, 30, momentum=0.8, nesterov=nesterov)
    np.testing.assert_allclose(run.final_weights, parameter.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_orthogonalised_descent_steps_by_the_polar_factor_of_the_momentum_as_muon_does(
    operator, rng, nesterov
):
    weights = 0.3 * rng.normal(size=(3, 7))
    start, average = weights.copy(), np.zeros((3, 7))
    for _ in range(20):
        gradient = 4 * (weights @ operator @ weights.T - np.eye(3)) @ weights @ operator
        average = 0.9 * average + 0.1 * gradient  # Muon's buffer is a mean
        towards = 0.9 * average + 0.1 * gradient if nesterov else average
        weights = weights - 1e-3 * scipy.linalg.polar(towards)[0]
    run = gradient_descent(operator, start, 1e-3, 20, rule="orthogonalised", momentum=0.9, nesterov=nesterov)
    np.testing.assert_allclose(run.final_weights, weights, atol=1e-12)


@pytest.mark.parametrize("sigma", [1e-1, 1e-2, 1e-3])
def test_a_preconditioned_flow_keeps_the_plain_path_and_retimes_it(rng, operator_with, sigma):
    operator = operator_with(1.3 ** -np.arange(20.0))
    weights = sigma * rng.normal(size=(4, 20))
    plain, *others = (
        gradient_flow(operator, weights, [12.0], rule=rule, rtol=1e-9).final_weights
        for rule in (
            "gradient",
            Preconditioner(0.5, 1e-4),
            Preconditioner(1.0, 1e-2),
            Preconditioner(0.3, 0.1),
        )
    )
    modes = modes_of(operator)[:, :4]
    for other in others:
        assert abs(subspace_overlap(modes, plain.T) - subspace_overlap(modes, other.T)) < 0.015
        assert subspace_overlap(plain.T, other.T) > 0.98


def test_a_mode_alone_takes_what_is_in_it_along_the_same_path_under_any_rule(operator):
    """d log w_k / d log w_j = gamma_k / gamma_j: the first mode's ends say how much of the others came."""
    weights = np.array([[1e-3, 1e-3, 1e-3, 0, 0, 0, 0]]) @ modes_of(operator).T
    ends = [
        gradient_flow(operator, weights, [4.0], rule=rule).final_weights @ modes_of(operator)
        for rule in ("gradient", "preconditioned", Preconditioner(1.0, 1e-2))
    ]
    for end in ends:
        grown = np.log(np.abs(end[0, :3]) / 1e-3)
        np.testing.assert_allclose(grown / grown[0], GAMMA[:3] / GAMMA[0], rtol=1e-6)


@pytest.mark.parametrize(
    "rule", [Preconditioner(0.5, 1e-2), Preconditioner(1.0, 0.1), Preconditioner(0.3, 1e-6)]
)
def test_descent_in_steps_is_foretold_to_first_order_in_the_rate(operator, rule):
    start, rate = SCALES[:, None] * modes_of(operator)[:, :3].T, 1e-3
    expected = half_times(GAMMA[:3], SCALES, rate, rule=rule)
    run = gradient_descent(operator, start, rate, int(1.5 * expected.max() / rate), rule=rule)
    found = np.sort(run.half_times)
    np.testing.assert_allclose(np.sort(expected), found, rtol=0.006)
    # While a mode is far below the damping, to the step.
    small = gradient_descent(
        operator, 1e-9 * modes_of(operator)[:, :1].T, 0.01, 10, rule=Preconditioner(0.5, 1e-2)
    )
    np.testing.assert_allclose(
        small.eigenvalues[:, 0],
        mode_eigenvalues(GAMMA[:1], 1e-9, small.times, 0.01, rule=Preconditioner(0.5, 1e-2))[:, 0],
        rtol=1e-9,
    )


def test_a_generic_small_start_learns_when_foretold_under_p_and_roughly_when_orthogonalised(
    rng, operator_with
):
    operator = operator_with(1.6 ** -np.arange(25.0))
    weights = 1e-8 * rng.normal(size=(5, 25))
    rule = Preconditioner(0.5, 1e-4)
    solution = LinearSolution.from_operator(operator, weights, rule=rule)
    run = gradient_flow(operator, weights, np.linspace(0, 1.2 * solution.half_times[-1], 1500), rule=rule)
    np.testing.assert_allclose(solution.half_times, run.half_times, rtol=0.03)
    solution = LinearSolution.from_operator(operator, weights, rule="orthogonalised")
    rate = 2e-3
    run = gradient_descent(
        operator, weights, rate, int(1.5 * solution.half_times[-1] / rate), rule="orthogonalised"
    )
    np.testing.assert_allclose(solution.half_times, run.half_times, rtol=0.1)
    assert (np.diff(run.half_times) > 0).all()


def test_orthogonalised_times_spread_as_one_over_the_root_of_gamma():
    times = half_times([1.0, 1e-2, 1e-4], 0.0 + 1e-12, rule="orthogonalised")
    np.testing.assert_allclose(times / times[0], [1, 10, 100], rtol=1e-9)
    np.testing.assert_allclose(half_times([1.0, 0.0, -1.0], 0.1, rule="orthogonalised")[1:], np.inf)
    above, at_end = half_times([1.0, 1.0], [0.9, 1.0], rule="orthogonalised")
    np.testing.assert_allclose(above, np.sqrt(0.5) - 0.9)
    assert at_end == -np.inf


@pytest.mark.parametrize("rule", ["preconditioned", "orthogonalised"])
def test_a_solution_carries_its_rule_to_all_that_it_gives(rng, correlated_pairs, rule):
    x, y = correlated_pairs(np.linspace(2, 0.1, 6))
    solution = solve_linear(x, y, weights=1e-5 * rng.normal(size=(3, 6)), rule=rule)
    assert solution.rule == rule
    np.testing.assert_allclose(np.diagonal(solution.trajectory(solution.half_times)), 0.5)
    weights = solution.weights(solution.half_times[1])
    np.testing.assert_allclose(
        np.sort(np.linalg.eigvalsh(weights @ cross_correlation(x, y) @ weights.T)),
        np.sort(solution.trajectory(solution.half_times[1])[0]),
        atol=1e-12,
    )
    np.testing.assert_allclose(solution.loss(np.inf), 0, atol=1e-20)
    np.testing.assert_allclose(solution.critical_times, solution.half_times, rtol=1e-4)


def test_what_cannot_be_simulated_is_refused(operator, rng):
    weights = rng.normal(size=(2, 7))
    with pytest.raises(ValueError, match="not smooth: expected gradient_descent"):
        gradient_flow(operator, weights, [1.0], rule="orthogonalised")
    with pytest.raises(ValueError, match="has no use for a second_moment"):
        gradient_descent(operator, weights, 0.01, 1, second_moment=np.eye(7))
    with pytest.raises(ValueError, match="takes no correlations: expected second_moment"):
        gradient_flow(operator, weights, [1.0], rule=Preconditioner(0.5, 1e-3, 0.5))
    with pytest.raises(ValueError, match=r"second_moment of the operator's shape \(7, 7\), got \(6, 6\)"):
        gradient_descent(operator, weights, 0.01, 1, rule="preconditioned", second_moment=np.eye(6))
    for momentum in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"momentum in \[0, 1\)"):
            gradient_descent(operator, weights, 0.01, 1, momentum=momentum)
    with pytest.raises(ValueError, match="expected rule gradient"):
        gradient_descent(operator, weights, 0.01, 1, rule="adam")
    with pytest.raises(FloatingPointError, match="lower it, or raise the damping"):
        gradient_descent(operator, weights, 5.0, 500, rule="preconditioned")
