import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenstep.theory import CrossCorrelation, cross_correlation


def views(rng, n_views=2, n=17, m=5, offset=0.0):
    shared = rng.normal(size=(n, m)) * np.linspace(2, 0.2, m)
    return shared + 0.3 * rng.normal(size=(n_views, n, m)) + offset


def naive(stack):
    """The definition, one ordered pair of views of one sample at a time."""
    n_views, n, m = stack.shape
    gamma = np.zeros((m, m))
    for i in range(n):
        for a in range(n_views):
            for b in range(n_views):
                if a != b:
                    gamma += np.outer(stack[a, i], stack[b, i]) / (n * n_views * (n_views - 1))
    return gamma


def test_pairs_match_the_definition(rng):
    x, y = views(rng)
    expected = sum(np.outer(a, b) + np.outer(b, a) for a, b in zip(x, y, strict=True)) / (2 * len(x))
    np.testing.assert_allclose(cross_correlation(x, y), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("n_views", [2, 3, 5])
def test_several_views_average_all_ordered_pairs_of_views(rng, n_views):
    stack = views(rng, n_views)
    np.testing.assert_allclose(cross_correlation(stack), naive(stack), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("n_views", [2, 4])
def test_centring_subtracts_the_mean_of_all_views_of_all_samples(rng, n_views):
    stack = views(rng, n_views, offset=3.0)
    expected = naive(stack - stack.reshape(-1, stack.shape[2]).mean(axis=0))
    np.testing.assert_allclose(cross_correlation(stack, center=True), expected, rtol=1e-12, atol=1e-13)


def test_it_is_exactly_symmetric(rng):
    gamma = cross_correlation(*views(rng))
    np.testing.assert_array_equal(gamma, gamma.T)


def test_it_is_the_second_moment_less_half_the_moment_of_the_difference(rng):
    x, y = views(rng)
    sigma = (x.T @ x + y.T @ y) / (2 * len(x))
    delta = (x - y).T @ (x - y) / len(x)
    np.testing.assert_allclose(cross_correlation(x, y), sigma - delta / 2, rtol=1e-12, atol=1e-14)


def test_identical_views_give_the_second_moment(rng):
    x = views(rng)[0]
    np.testing.assert_allclose(cross_correlation(x, x), x.T @ x / len(x), rtol=1e-13, atol=1e-14)


def test_n_pairs_have_at_most_n_positive_and_n_negative_eigenvalues(rng):
    x, y = rng.normal(size=(2, 3, 20))
    values = np.linalg.eigvalsh(cross_correlation(x, y))
    assert (values > 1e-12).sum() == 3
    assert (values < -1e-12).sum() == 3


def test_more_views_leave_less_negative_mass(rng):
    stack = rng.normal(size=(100, 40)) * 0.3 + rng.normal(size=(16, 100, 40))
    masses = []
    for n_views in (2, 4, 16):
        values = np.linalg.eigvalsh(cross_correlation(stack[:n_views]))
        masses.append(-values[values < 0].sum() / values[values > 0].sum())
    assert masses[0] > 1.5 * masses[1] > 3 * masses[2]


@pytest.mark.slow
@given(
    splits=st.lists(st.integers(1, 16), min_size=1, max_size=4, unique=True).map(sorted),
    centred=st.booleans(),
    n_views=st.integers(2, 4),
    offset=st.sampled_from([0.0, 5.0]),
)
def test_a_stream_equals_the_one_shot_result(splits, centred, n_views, offset):
    stack = views(np.random.default_rng(3), n_views, offset=offset)
    stream = CrossCorrelation(center=centred)
    for batch in np.split(stack, splits, axis=1):
        stream.update(batch)
    assert stream.count == stack.shape[1]
    np.testing.assert_allclose(stream.value, cross_correlation(stack, center=centred), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("centred", [False, True])
def test_merging_equals_seeing_all_samples(rng, centred):
    stack = views(rng, offset=2.0)
    left, right = CrossCorrelation(center=centred), CrossCorrelation(center=centred)
    left.update(*stack[:, :5])
    right.update(*stack[:, 5:9])
    right.update(*stack[:, 9:])
    untouched = right.value
    left.merge(right)
    left.merge(CrossCorrelation(center=centred))
    empty = CrossCorrelation(center=centred)
    empty.merge(left)
    for merged in (left, empty):
        assert merged.count == stack.shape[1]
        np.testing.assert_allclose(
            merged.value, cross_correlation(stack, center=centred), rtol=1e-12, atol=1e-12
        )
    merged_value = left.value
    empty.update(*stack)
    np.testing.assert_array_equal(left.value, merged_value)
    np.testing.assert_array_equal(right.value, untouched)


def test_a_mean_far_from_zero_costs_a_centred_stream_no_digits(rng):
    stack = views(rng, n=400)
    stream = CrossCorrelation(center=True)
    for batch in np.split(stack + 1e6, 8, axis=1):
        stream.update(*batch)
    # Adding 1e6 itself rounds the data at 1e-10; raw sums of squares near 1e12 would lose 1e-4.
    np.testing.assert_allclose(stream.value, cross_correlation(stack, center=True), atol=2e-9)


def test_single_precision_input_is_accumulated_in_double(rng):
    x, y = views(rng, n=2000).astype(np.float32)
    gamma = cross_correlation(x, y)
    assert gamma.dtype == np.float64
    np.testing.assert_allclose(
        gamma, cross_correlation(x.astype(np.float64), y.astype(np.float64)), rtol=1e-13
    )


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((4, 3)), None, r"views of shape \(v, n, m\).*got \(4, 3\)"),
        (np.ones((1, 4, 3)), None, "v >= 2"),
        (np.ones((4, 3)), np.ones((4, 2)), r"one shape.*\(4, 3\) and \(4, 2\)"),
        (np.ones((2, 2, 3)), np.ones((2, 2, 3)), "flatten each sample"),
        (np.ones((0, 3)), np.ones((0, 3)), "at least one sample"),
        (np.array([[np.nan]]), np.ones((1, 1)), "finite"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(x, y, message):
    with pytest.raises(ValueError, match=message):
        cross_correlation(x, y)


def test_accumulators_that_do_not_fit_are_refused(rng):
    stream = CrossCorrelation()
    with pytest.raises(ValueError, match="no samples"):
        _ = stream.value
    stream.update(*views(rng, m=5))
    with pytest.raises(ValueError, match=r"5 features.*got 4"):
        stream.update(*views(rng, m=4))
    with pytest.raises(ValueError, match="same `center`"):
        stream.merge(CrossCorrelation(center=True))


def test_the_keywords_former_name_is_taken_with_a_warning_that_names_the_new_one(rng):
    x, y = rng.normal(size=(2, 20, 3)) + 1.0
    with pytest.warns(DeprecationWarning, match="centred= of cross_correlation is now center="):
        found = cross_correlation(x, y, centred=True)
    np.testing.assert_array_equal(found, cross_correlation(x, y, center=True))
