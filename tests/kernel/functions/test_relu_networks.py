import math
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import torch
from scipy.integrate import dblquad

from eigenstep.kernel.functions import arc_cosine, make_kernel, relu_ntk

FUNCTIONS = {"arc_cosine": arc_cosine, "relu_ntk": relu_ntk}


def slow_kernels(x, y, depth, bias):
    """The recursion of the docstrings as it stands there, in float64."""
    covariance = x @ y.T / x.shape[1] + bias
    first, second = ((z * z).sum(axis=1) / z.shape[1] + bias for z in (x, y))
    tangent = covariance
    for _ in range(depth):
        norms = np.sqrt(np.outer(first, second))
        t = np.arccos(np.clip(covariance / norms, -1, 1))
        covariance = norms * (np.sin(t) + (np.pi - t) * np.cos(t)) / np.pi + bias
        tangent = covariance + tangent * (np.pi - t) / np.pi
        first, second = first + bias, second + bias
    return covariance, tangent


def exact_kernels(x, y, depth, bias):
    """The same for two vectors in 50 digits, and the scale sqrt(K(x, x) K(y, y))."""
    with mpmath.workdps(50):
        x, y = ([mpmath.mpf(float(value)) for value in z] for z in (x, y))
        b = mpmath.mpf(bias)

        def inner(u, v):
            return mpmath.fdot(u, v) / len(u) + b

        covariance, first, second = inner(x, y), inner(x, x), inner(y, y)
        tangent = covariance
        for _ in range(depth):
            norms = mpmath.sqrt(first * second)
            t = mpmath.acos(max(-1, min(1, covariance / norms)))
            covariance = norms * (mpmath.sin(t) + (mpmath.pi - t) * mpmath.cos(t)) / mpmath.pi + b
            tangent = covariance + tangent * (mpmath.pi - t) / mpmath.pi
            first, second = first + b, second + b
        return covariance, tangent, mpmath.sqrt(first * second)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.slow
@pytest.mark.parametrize("bias", [0.0, 0.4])
@pytest.mark.parametrize("angle", [0.3, 1.5, 2.8])
def test_one_layer_is_the_gaussian_expectation_over_its_preactivations(angle, bias):
    x = np.array([1.3, 0.0])
    y = 0.6 * np.array([math.cos(angle), math.sin(angle)])
    # Pre-activations a z_1 and b z_1 + c z_2 of independent standard normal z.
    covariance = np.array([[x @ x, x @ y], [x @ y, y @ y]]) / 2 + bias
    (a, _), (b, c) = np.linalg.cholesky(covariance)

    def expectation(function):
        def integrand(second, first):
            density = math.exp(-(first**2 + second**2) / 2) / (2 * math.pi)
            return function(a * first, b * first + c * second) * density

        # Both are positive for z_1 > 0 and z_2 > -b z_1 / c.
        return dblquad(integrand, 0, 9, lambda first: max(-9, -b * first / c), 9, epsabs=1e-11)[0]

    activations = 2 * expectation(lambda u, v: u * v) + bias
    slopes = 2 * expectation(lambda u, v: 1.0)
    options = {"depth": 1, "bias_variance": bias}
    np.testing.assert_allclose(arc_cosine(x[None], y[None], **options), activations, rtol=1e-9)
    expected = activations + slopes * covariance[0, 1]
    np.testing.assert_allclose(relu_ntk(x[None], y[None], **options), expected, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_wide_networks_approach_the_closed_form_as_one_over_the_root_of_the_width(name):
    depth, bias, n_features = 2, 0.1, 3
    rows = torch.tensor([[1.0, 0.2, 0.0], [0.9, 0.5, 0.0], [-0.4, 1.0, 0.3], [0.1, -0.8, 1.2]]).double()
    limit = FUNCTIONS[name](rows, depth=depth, bias_variance=bias)

    def network(parameters, x):
        for layer, (weights, biases) in enumerate(parameters):
            signal = x / math.sqrt(n_features) if layer == 0 else math.sqrt(2 / len(x)) * torch.relu(x)
            x = weights @ signal + math.sqrt(bias) * biases
        return x[0]

    def parameters_of(width, generator):
        sizes = [n_features] + [width] * depth + [1]
        return [
            (
                torch.randn(after, before, generator=generator, dtype=torch.float64),
                torch.randn(after, generator=generator, dtype=torch.float64),
            )
            for before, after in pairwise(sizes)
        ]

    def sample(width, generator):
        parameters = parameters_of(width, generator)
        gradients = torch.func.vmap(torch.func.grad(network), (None, 0))(parameters, rows)
        columns = [part.flatten(1) for layer in gradients for part in layer]
        if name == "arc_cosine":
            # The gradients of the last layer are its inputs: their inner product is the covariance.
            columns = columns[-2:]
        columns = torch.cat(columns, dim=1)
        return columns @ columns.T

    def errors(width, samples):
        """Relative error of one network, as a root mean square, and of the mean over all."""
        generator = torch.Generator().manual_seed(width)
        deviations = torch.stack([sample(width, generator) - limit for _ in range(samples)])
        scale = limit.square().mean().sqrt()
        return (float(part.square().mean().sqrt() / scale) for part in (deviations, deviations.mean(dim=0)))

    narrow, _ = errors(64, 200)
    wide, of_the_mean = errors(256, 100)
    assert narrow / wide == pytest.approx(2, rel=0.2)
    assert of_the_mean < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("bias", [0.0, 0.5])
@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_blocks_equal_the_textbook_recursion(rng, name, depth, bias):
    # More rows than one tile has, in both directions.
    x, y = rng.normal(size=(531, 4)), rng.normal(size=(1040, 4)) * 3
    expected = slow_kernels(x, y, depth, bias)[name == "relu_ntk"]
    values = FUNCTIONS[name](x, y, depth=depth, bias_variance=bias)
    # arccos of a rounded cosine costs the reference half of its digits.
    np.testing.assert_allclose(values, expected, atol=2e-6 * abs(expected).max())
    assert np.median(abs(values - expected)) < 1e-14 * abs(expected).max()
    np.testing.assert_array_equal(FUNCTIONS[name](x, depth=depth, bias_variance=bias).shape, (531, 531))


HARD_PAIRS = {
    "equal": (0.0, 1.0),
    "nearly parallel": (1e-6, 1.0),
    "close": (1e-3, 1.0),
    "orthogonal": (None, 1.0),
    "far apart in length": (0.3, 1e6),
    "nearly opposite": (1e-2, -1.0),
    "opposite": (0.0, -1.0),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bias", [0.0, 0.25])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("pair", HARD_PAIRS)
def test_hard_pairs_agree_with_fifty_digits(rng, pair, depth, bias, dtype):
    step, factor = HARD_PAIRS[pair]
    x = rng.normal(size=20).astype(dtype)
    other = rng.normal(size=20)
    other -= x * (other @ x) / (x @ x)
    y = (factor * (other if step is None else x + step * other)).astype(dtype)
    # Other rows around, so that the two do not make the shift alone.
    rows = np.vstack([x, y, rng.normal(size=(30, 20)).astype(dtype)])
    covariance, tangent, scale = exact_kernels(x, y, depth, bias)
    eps = np.finfo(dtype).eps
    options = {"depth": depth, "bias_variance": bias}
    assert abs(mpmath.mpf(float(arc_cosine(rows, **options)[0, 1])) - covariance) < 8 * eps * scale
    assert (
        abs(mpmath.mpf(float(arc_cosine(rows[:1], rows[1:], **options)[0, 0])) - covariance) < 8 * eps * scale
    )
    tolerance = 2 * eps**0.5 if "opposite" in pair else 16 * eps
    assert abs(mpmath.mpf(float(relu_ntk(rows, **options)[0, 1])) - tangent) < tolerance * scale
    assert abs(mpmath.mpf(float(relu_ntk(rows[:1], rows[1:], **options)[0, 0])) - tangent) < tolerance * scale


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rows_in_a_narrow_cone_keep_their_digits_in_float32(rng, name):
    x = (100 + rng.normal(size=(60, 30))).astype(np.float32)
    y = np.vstack([x[:20], x[:20] + rng.normal(size=(20, 30)).astype(np.float32) * 1e-2])
    values = FUNCTIONS[name](x, y)
    expected = [[exact_kernels(one, other, 1, 0)[name == "relu_ntk"] for other in y[::7]] for one in x[::7]]
    np.testing.assert_allclose(values[::7, ::7], np.array(expected, dtype=float), rtol=5e-7)


def test_the_diagonal_is_exact_and_the_matrix_symmetric(rng):
    x = rng.normal(size=(530, 6)).astype(np.float32)
    for bias in (0.0, 0.5):
        squares = (x.astype(float) ** 2).sum(axis=1) / 6
        values = arc_cosine(x, depth=3, bias_variance=bias)
        np.testing.assert_array_equal(values, values.T)
        np.testing.assert_allclose(np.diag(values), squares + 4 * bias, rtol=3e-7)
        values = relu_ntk(x, depth=3, bias_variance=bias)
        np.testing.assert_array_equal(values, values.T)
        np.testing.assert_allclose(np.diag(values), 4 * squares + 10 * bias, rtol=3e-7)


def test_equal_rows_at_different_places_count_as_equal_in_float32(rng):
    x = rng.normal(size=(300, 200)).astype(np.float32)
    values = relu_ntk(x, np.vstack([x, x]), depth=3)
    np.testing.assert_allclose(
        values[np.arange(300), np.arange(300)], np.diag(relu_ntk(x, depth=3)), rtol=3e-7
    )


def test_many_close_rows_are_as_exact_as_few(rng):
    # Two far clusters of close rows: a quarter of all pairs and more take the exact differences.
    centres = np.sign(rng.normal(size=(2, 12)))
    x = (np.repeat(centres, 25, axis=0) + 1e-4 * rng.normal(size=(50, 12))).astype(np.float32)
    values = relu_ntk(x[:40], x[10:])
    expected = [[exact_kernels(one, other, 1, 0)[1] for other in x[10::6]] for one in x[:40:6]]
    np.testing.assert_allclose(values[::6, ::6], np.array(expected, dtype=float), rtol=1e-6)


def test_no_angle_is_too_small(rng):
    for dtype in (np.float32, np.float64):
        x = np.array([[1.0, 0.0]], dtype=dtype)
        y = np.array([[1.0, 10.0**-power] for power in range(30)], dtype=dtype)
        for function in FUNCTIONS.values():
            values = function(x, y, depth=4)[0]
            assert (np.diff(values[1:] / np.linalg.norm(y[1:].astype(float), axis=1)) >= -4e-7).all()
            np.testing.assert_allclose(values[10:], function(x, depth=4)[0, 0], rtol=1e-6)


def test_lengths_factor_out_without_biases(rng):
    x, y = rng.normal(size=(2, 20, 5))
    for function in FUNCTIONS.values():
        np.testing.assert_allclose(
            function(3 * x, 0.5 * y, depth=2), 1.5 * function(x, y, depth=2), rtol=1e-12
        )


def test_a_zero_row_has_the_kernel_of_the_biases_alone(rng):
    x = np.vstack([np.zeros(4), rng.normal(size=(3, 4))])
    np.testing.assert_array_equal(arc_cosine(x, depth=2)[0], 0)
    np.testing.assert_array_equal(relu_ntk(x, depth=2)[0], 0)
    for name, function in FUNCTIONS.items():
        expected = slow_kernels(x, x, 2, 0.3)[name == "relu_ntk"]
        np.testing.assert_allclose(function(x, depth=2, bias_variance=0.3), expected, atol=1e-7)


def test_the_covariance_is_positive_semi_definite_with_duplicates_and_opposites(rng):
    x = rng.normal(size=(40, 3))
    x = np.vstack([x, x, -x])
    for function in FUNCTIONS.values():
        values = np.linalg.eigvalsh(function(x, depth=2))
        assert values[0] > -1e-6 * values[-1]


def test_what_goes_in_comes_out(rng):
    x = rng.normal(size=(5, 3))
    for function in FUNCTIONS.values():
        expected = function(x)
        assert isinstance(expected, np.ndarray)
        assert expected.dtype == np.float64
        assert function(x.astype(np.float32)).dtype == np.float32
        assert function(torch.from_numpy(x).float()).dtype == torch.float32
        np.testing.assert_array_equal(function(torch.from_numpy(x).requires_grad_()).numpy(), expected)
        np.testing.assert_array_equal(function(x.tolist()), expected)
        np.testing.assert_array_equal(function(np.asfortranarray(x)), expected)
        whole = np.array([[2, 0], [1, 1]])
        np.testing.assert_array_equal(function(whole), function(whole.astype(float)))
        read_only = x.copy()
        read_only.setflags(write=False)
        np.testing.assert_array_equal(function(read_only), expected)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_kernel_of_that_name_is_the_function(rng, name):
    x, y = torch.from_numpy(rng.normal(size=(30, 4))), torch.from_numpy(rng.normal(size=(20, 4)))
    kernel = make_kernel(name, x, depth=2, kernel_params={"bias_variance": 0.2})
    values = kernel.block(kernel.prepare(x), kernel.prepare(y))
    np.testing.assert_array_equal(values, FUNCTIONS[name](x, y, depth=2, bias_variance=0.2))
    own = kernel.prepare(x)
    np.testing.assert_array_equal(kernel.diagonal(own), kernel.block(own, own).diagonal())


def test_wrong_input_is_refused_in_one_line():
    x = np.ones((3, 2))
    for arguments, options, message in [
        ((x,), {"depth": 0}, "integer >= 1.*got 0"),
        ((x,), {"depth": 1.5}, "got 1.5"),
        ((x,), {"bias_variance": -0.1}, "got -0.1"),
        ((x,), {"bias_variance": math.inf}, "got inf"),
        ((x, np.ones((3, 4))), {}, "same number of features"),
        ((x, x.astype(np.float32)), {}, "float64.*float32"),
        ((np.ones(3),), {}, r"\(n, p\)"),
        ((np.full((2, 2), np.nan),), {}, "finite"),
        ((torch.ones(2, 2, dtype=torch.float16),), {}, "float16"),
    ]:
        for function in FUNCTIONS.values():
            with pytest.raises(ValueError, match=message) as caught:
                function(*arguments, **options)
            assert "\n" not in str(caught.value)
