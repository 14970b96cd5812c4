import numpy as np
import pytest
import scipy.sparse

from eigenstep.theory import (
    cross_correlation,
    gradient_flow,
    half_times,
    kernel_gradient_flow,
    start_scales,
    subspace_overlap,
)


def pair_graph(n):
    return np.kron([[0, 1], [1, 0]], np.eye(n)) / (2 * n)


def rbf(x, y):
    return np.exp(-((x[:, None] - y) ** 2).sum(axis=-1) / 4)


@pytest.fixture
def views(rng):
    """Twelve pairs in four dimensions, stacked."""
    first = rng.normal(size=(12, 4)) * [2.0, 1.4, 1.0, 0.7] + 0.3
    return np.concatenate((first, first + 0.3 * rng.normal(size=first.shape)))


@pytest.fixture
def symmetric_weights(rng):
    """A pair graph of no structure, of both signs."""
    weights = rng.normal(size=(24, 24)) + 1
    weights += weights.T
    return weights / np.abs(weights).sum()


def test_a_linear_kernel_follows_the_flow_of_the_linear_model(views, rng):
    coefficients, times = 0.002 * rng.normal(size=(3, 24)), np.linspace(0, 6, 25)
    run = kernel_gradient_flow(views @ views.T, pair_graph(12), coefficients, times)
    linear = gradient_flow(cross_correlation(views[:12], views[12:]), coefficients @ views, times)
    np.testing.assert_array_equal(run.times, times)
    np.testing.assert_allclose(run.eigenvalues, linear.eigenvalues, atol=1e-8)
    np.testing.assert_allclose(run.loss, linear.loss, atol=1e-8)
    np.testing.assert_allclose(run.final_weights @ views, linear.final_weights, atol=1e-8)
    assert run.loss[0] > 2.9
    assert run.loss[-1] < 0.1


def test_any_symmetric_graph_follows_the_flow_of_its_linear_model(views, symmetric_weights, rng):
    coefficients, times = 0.02 * rng.normal(size=(2, 24)), np.linspace(0, 0.5, 5)
    run = kernel_gradient_flow(views @ views.T, symmetric_weights, coefficients, times)
    linear = gradient_flow(views.T @ symmetric_weights @ views, coefficients @ views, times)
    np.testing.assert_allclose(run.eigenvalues, linear.eigenvalues, atol=1e-8)
    np.testing.assert_allclose(run.final_weights @ views, linear.final_weights, atol=1e-8)


def test_the_flow_is_steepest_descent_of_the_loss_in_the_kernels_inner_product(views, symmetric_weights, rng):
    kernel = rbf(views, views)
    coefficients = 0.3 * rng.normal(size=(2, 24))

    def loss(a):
        correlation = a @ kernel @ symmetric_weights @ kernel @ a.T
        return np.linalg.norm(correlation - np.eye(2)) ** 2

    duration = 1e-6
    end = kernel_gradient_flow(kernel, symmetric_weights, coefficients, [duration], rtol=1e-13).final_weights
    velocity = (end - coefficients) / duration
    for _ in range(5):
        direction = rng.normal(size=coefficients.shape)
        slope = (loss(coefficients + 1e-5 * direction) - loss(coefficients - 1e-5 * direction)) / 2e-5
        # dL along g is -<velocity, g>, an inner product of functions, not of coefficients.
        assert slope == pytest.approx(-np.sum(velocity @ kernel * direction), rel=1e-4)
        assert slope != pytest.approx(-np.sum(velocity * direction), rel=0.1)


def test_a_small_start_learns_the_modes_of_graph_times_kernel_at_their_times(views, rng):
    kernel, graph = rbf(views, views), pair_graph(12)
    root = np.linalg.cholesky(kernel + 1e-14 * np.eye(24))
    gamma, vectors = np.linalg.eigh(root.T @ graph @ root)
    gamma, modes = gamma[::-1][:2], np.linalg.solve(root.T, vectors[:, ::-1][:, :2])
    coefficients = 1e-6 * rng.normal(size=(2, 24))
    scales = start_scales(coefficients @ kernel, modes)
    expected = half_times(gamma, scales)
    times = np.linspace(0, 1.5 * expected.max(), 300)
    run = kernel_gradient_flow(kernel, graph, coefficients, times)
    np.testing.assert_allclose(run.half_times, expected, rtol=0.01)
    learned = np.linalg.qr((run.final_weights @ root).T)[0]
    assert subspace_overlap(learned, np.linalg.qr(root.T @ modes)[0]) > 0.999


def test_a_singular_kernel_and_a_start_within_its_null_space_are_harmless(views, rng):
    twice = np.concatenate((views, views))
    kernel, graph = rbf(twice, twice), np.kron(np.eye(2) / 2, pair_graph(12))
    null = np.concatenate((np.eye(24)[:2], -np.eye(24)[:2]), axis=1)
    still = kernel_gradient_flow(kernel, graph, null, [0.0, 1.0])
    np.testing.assert_allclose(still.final_weights, null, atol=1e-12)
    coefficients, times = 0.1 * rng.normal(size=(2, 24)), [0.0, 1.0, 3.0]
    once = kernel_gradient_flow(rbf(views, views), pair_graph(12), coefficients, times)
    repeated = kernel_gradient_flow(kernel, graph, np.tile(coefficients / 2, 2), times)
    np.testing.assert_allclose(repeated.eigenvalues, once.eigenvalues, atol=1e-8)
    np.testing.assert_allclose(repeated.final_weights, np.tile(once.final_weights / 2, 2), atol=1e-8)


@pytest.mark.slow
def test_values_between_steps_have_the_digits_of_the_steps(views, rng):
    """Left to themselves, steps grow to the limit of stability, where interpolation loses two digits."""
    coefficients, times = 0.01 * rng.normal(size=(2, 24)), np.linspace(0, 200, 300)
    run = kernel_gradient_flow(views @ views.T, pair_graph(12), coefficients, times)
    gamma = cross_correlation(views[:12], views[12:])
    reference = gradient_flow(gamma, coefficients @ views, times, rtol=1e-12)
    np.testing.assert_allclose(run.eigenvalues, reference.eigenvalues, rtol=0, atol=5e-9)


def test_a_sparse_graph_gives_the_run_of_the_dense_one(views, rng):
    kernel, coefficients = rbf(views, views), 0.1 * rng.normal(size=(2, 24))
    runs = [
        kernel_gradient_flow(kernel, kind(pair_graph(12)), coefficients, [0.0, 2.0])
        for kind in (np.array, scipy.sparse.csr_array, scipy.sparse.coo_matrix)
    ]
    for run in runs[1:]:
        np.testing.assert_allclose(run.final_weights, runs[0].final_weights, rtol=1e-9)


def test_the_given_arrays_are_left_as_they_were(views, rng):
    given = [rbf(views, views), pair_graph(12), rng.normal(size=(2, 24))]
    before = [array.copy() for array in given]
    kernel_gradient_flow(*given, [0.1])
    for array, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": np.ones((4, 3))}, r"square operator.*\(4, 3\)"),
        ({"kernel": np.triu(np.ones((4, 4)))}, "symmetric operator"),
        ({"kernel": np.full((4, 4), np.nan)}, "finite operator"),
        ({"pair_graph": np.ones((2, 2))}, r"kernel's shape \(4, 4\), got \(2, 2\)"),
        ({"pair_graph": scipy.sparse.csr_array(np.triu(np.ones((4, 4))))}, "symmetric operator"),
        ({"coefficients": np.ones((2, 3))}, r"\(d, 4\), got \(2, 3\)"),
        ({"times": [1.0, 0.5]}, "times that increase"),
        ({"times": []}, "times that increase"),
        ({"times": [np.inf]}, "times that increase"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(change, message):
    good = {"kernel": np.eye(4), "pair_graph": pair_graph(2), "coefficients": np.ones((2, 4)), "times": [0.1]}
    with pytest.raises(ValueError, match=message):
        kernel_gradient_flow(**(good | change))
