import numpy as np
import pytest
import torch

from eigenstep.theory import cross_correlation, gradient_descent, gradient_flow, mode_eigenvalues


@pytest.fixture
def problem(rng, operator_with):
    """A small problem from which no direction is missing: positive, zero and negative eigenvalues."""
    operator = operator_with([2.0, 1.0, 0.5, 0.1, 0.0, -0.2, -0.6])
    return operator, 0.3 * rng.normal(size=(3, 7))


def literal_descent(operator, weights, learning_rate, steps):
    """The update as it is written, in the original basis."""
    path = [weights]
    for _ in range(steps):
        correlation = weights @ operator @ weights.T
        gradient = 4 * (correlation - np.eye(len(weights))) @ weights @ operator
        weights = weights - learning_rate * gradient
        path.append(weights)
    return np.array(path)


def test_descent_is_the_literal_update(problem):
    operator, weights = problem
    run = gradient_descent(operator, weights, 0.02, 300, record_weights=True)
    path = literal_descent(operator, weights, 0.02, 300)
    correlations = path @ operator @ path.transpose(0, 2, 1)
    np.testing.assert_allclose(run.weights, path, atol=1e-12)
    np.testing.assert_allclose(run.final_weights, path[-1], atol=1e-12)
    np.testing.assert_allclose(run.eigenvalues, np.linalg.eigvalsh(correlations)[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(
        run.loss, np.linalg.norm(correlations - np.eye(3), axis=(1, 2)) ** 2, atol=1e-12
    )
    np.testing.assert_allclose(run.times, 0.02 * np.arange(301))


def test_a_step_of_descent_follows_the_gradient_of_the_loss_over_actual_pairs(rng, correlated_pairs):
    x, y = correlated_pairs(np.linspace(2, 0.1, 8), n=40, noise=0.5)
    weights = rng.normal(size=(3, 8))
    parameter = torch.tensor(weights, requires_grad=True)
    z, z_partner = torch.tensor(x) @ parameter.T, torch.tensor(y) @ parameter.T
    correlation = (z.T @ z_partner + z_partner.T @ z) / (2 * len(x))
    loss = ((correlation - torch.eye(3, dtype=torch.float64)) ** 2).sum()
    loss.backward()
    run = gradient_descent(cross_correlation(x, y), weights, 1e-3, 1)
    np.testing.assert_allclose(run.loss[0], loss.item(), rtol=1e-12)
    np.testing.assert_allclose((weights - run.final_weights) / 1e-3, parameter.grad.numpy(), rtol=1e-9)


def test_flow_is_the_limit_of_descent_at_small_learning_rates(problem):
    operator, weights = problem
    flow = gradient_flow(operator, weights, [0.5, 1.0], record_weights=True)
    errors = []
    for halving in (1, 2, 4):
        steps = 200 * halving
        run = gradient_descent(operator, weights, 1.0 / steps, steps)
        errors.append(np.abs(run.final_weights - flow.final_weights).max())
    # First order: each halving of the rate halves the error, down to the flow's own.
    np.testing.assert_allclose(errors[0] / np.array(errors), [1, 2, 4], rtol=0.02)
    np.testing.assert_array_equal(flow.weights[-1], flow.final_weights)


@pytest.mark.parametrize("gamma", [[3.0, 1.0, 0.2, 0.1], [1.0, 0.0, -0.5, -0.8]])
def test_flow_from_an_aligned_start_is_the_closed_form(gamma, operator_with):
    operator = operator_with(gamma)
    modes = np.linalg.eigh(operator)[1][:, ::-1][:, :3]
    scales = np.array([1e-3, 0.2, 0.3])
    times = np.linspace(0, 6, 40)
    run = gradient_flow(operator, scales[:, None] * modes.T, times)
    expected = mode_eigenvalues(gamma[:3], scales, times)
    np.testing.assert_allclose(run.eigenvalues, np.sort(expected)[:, ::-1], atol=1e-8)
    np.testing.assert_allclose(run.loss, ((1 - expected) ** 2).sum(axis=1), atol=1e-8)


def test_records_are_every_so_many_steps_and_the_last(problem):
    dense = gradient_descent(*problem, 0.02, 25, record_weights=True)
    seen = []
    sparse = gradient_descent(
        *problem, 0.02, 25, record_every=10, record_weights=True, callback=lambda *event: seen.append(event)
    )
    kept = [0, 10, 20, 25]
    assert seen == [(step, loss) for step, loss in zip(kept, sparse.loss, strict=True)]
    for name in ("times", "eigenvalues", "loss", "weights"):
        np.testing.assert_array_equal(getattr(sparse, name), getattr(dense, name)[kept])
    assert gradient_descent(*problem, 0.02, 5).weights is None
    assert gradient_flow(*problem, [0.1]).weights is None


def test_the_given_weights_are_left_as_they_were(problem):
    operator, weights = problem
    before = weights.copy()
    gradient_descent(operator, weights, 0.02, 10)
    gradient_flow(operator, weights, [0.1])
    np.testing.assert_array_equal(weights, before)


def test_half_times_are_read_off_the_records():
    operator, weights = np.diag([2.0, 1.0, -1.0]), np.diag([1.0, 1e-3, 1e-3])
    run = gradient_flow(operator, weights, np.linspace(0, 3, 301))
    started, learned, never = run.half_times
    assert started == -np.inf
    assert never == np.inf
    np.testing.assert_allclose(learned, np.log(1e6 - 1) / 8, atol=1e-4)


@pytest.mark.filterwarnings("error")
def test_a_rate_above_the_stable_limit_diverges_at_a_named_step(problem):
    operator, weights = problem
    with pytest.raises(FloatingPointError, match=r"diverged at step \d+ with learning_rate 1;.*= 0\.125"):
        gradient_descent(operator, weights, 1.0, 1000)


@pytest.mark.slow
def test_descent_settles_below_the_stable_limit_and_not_above_it(operator_with):
    operator = operator_with([2.0, 1.0])
    modes = np.linalg.eigh(operator)[1]
    below, above = (
        gradient_descent(operator, 0.1 * modes.T, fraction / (4 * 2.0), 2000).loss[-1]
        for fraction in (0.98, 1.02)
    )
    assert below < 1e-12
    assert above > 1e-3


def test_zero_weights_are_a_fixed_point(problem):
    operator, weights = problem
    still = np.zeros_like(weights)
    np.testing.assert_array_equal(gradient_descent(operator, still, 0.1, 10).final_weights, still)
    np.testing.assert_array_equal(gradient_flow(operator, still, [0.0, 1.0]).final_weights, still)


def test_bad_input_is_refused_with_what_was_expected(problem):
    operator, weights = problem
    for learning_rate in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="positive learning_rate"):
            gradient_descent(operator, weights, learning_rate, 10)
    with pytest.raises(ValueError, match="steps >= 1"):
        gradient_descent(operator, weights, 0.1, 0)
    with pytest.raises(ValueError, match="record_every >= 1"):
        gradient_descent(operator, weights, 0.1, 1, record_every=0)
    with pytest.raises(ValueError, match=r"\(d, 7\)"):
        gradient_descent(operator, weights[:, :5], 0.1, 1)
    for times in ([1.0, 0.5], [0.0, 0.0], [np.inf], []):
        with pytest.raises(ValueError, match="finite times that increase"):
            gradient_flow(operator, weights, times)


def test_a_flow_asked_for_its_start_alone_records_it(problem):
    operator, weights = problem
    run = gradient_flow(operator, weights, [0.0], record_weights=True)
    np.testing.assert_allclose(run.weights, weights[None], atol=1e-14)
