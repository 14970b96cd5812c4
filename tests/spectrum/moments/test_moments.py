import numpy as np
import pytest
import torch

from eigenstep.spectrum.moments import Moments, half_life_decay


def views(n, dim, count=2, seed=0):
    """Unequal variances, correlated views."""
    rng = np.random.default_rng(seed)
    spread = np.linspace(1, 0.2, dim)
    common = rng.normal(size=(n, dim))
    return [spread * (common + 0.5 * rng.normal(size=(n, dim))) for _ in range(count)]


def naive(batches, decay=1.0):
    """Weighted mean and scatters, sample by sample, about the exact mean."""
    weights = [decay ** (len(batches) - 1 - index) for index in range(len(batches))]
    samples = [
        (weight, sample)
        for weight, batch in zip(weights, batches, strict=True)
        for sample in zip(*batch, strict=True)
    ]
    total = sum(weight for weight, _ in samples)
    count = len(samples[0][1])
    mean = sum(weight * z for weight, sample in samples for z in sample) / (count * total)
    covariance = sum(weight * np.outer(z - mean, z - mean) for weight, sample in samples for z in sample)
    cross = sum(
        weight
        * (np.outer(sample[0] - mean, sample[-1] - mean) + np.outer(sample[-1] - mean, sample[0] - mean))
        for weight, sample in samples
    )
    return mean, covariance / (count * total), cross / (2 * total), total


def streamed(batches, decay=1.0, **options):
    moments = Moments(batches[0][0].shape[1], len(batches[0]), **options)
    for batch in batches:
        moments.update(*(torch.as_tensor(view) for view in batch), decay=decay)
    return moments


def covariance(moments):
    common, difference = moments.scatters()
    return ((common + difference) if moments.views == 2 else common) / (moments.views * moments.weight)


def cross_correlation(moments):
    common, difference = moments.scatters()
    return ((common - difference) if moments.views == 2 else common) / (moments.views * moments.weight)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("decay", [1.0, 0.7])
@pytest.mark.parametrize("scale", [1.0, 1e-7])
def test_streamed_moments_equal_those_formed_sample_by_sample(count, decay, scale):
    batches = [[scale * view for view in views(n, 5, count, seed=n)] for n in (7, 1, 12)]
    moments = streamed(batches, decay)
    mean, expected_covariance, expected_cross, total = naive(batches, decay)
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(covariance(moments), expected_covariance, atol=1e-13 * scale**2)
    np.testing.assert_allclose(cross_correlation(moments), expected_cross, atol=1e-13 * scale**2)
    assert float(moments.weight) == pytest.approx(total)


def test_a_mean_a_million_times_the_spread_costs_the_covariance_no_more_than_the_inputs_own_rounding():
    still = [views(20, 4, seed=seed) for seed in range(5)]
    shifted = [[view + 1e6 for view in batch] for batch in still]
    exact = [[view - 1e6 for view in batch] for batch in shifted]  # what the rounding of the sum left of them
    np.testing.assert_allclose(covariance(streamed(shifted)), naive(exact)[1], rtol=1e-9, atol=1e-11)


def test_a_mean_that_drifts_away_costs_no_digits_in_float32():
    batches = [[view + 1000.0 * seed for view in views(20, 3, seed=seed)] for seed in range(4)]
    expected = naive(batches)[1]
    found = covariance(streamed(batches, dtype=torch.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    last = streamed([[view - 1e3 for view in batch] for batch in batches[1:2]], dtype=torch.float32)
    np.testing.assert_allclose(covariance(last), naive(batches[1:2])[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_inputs_of_any_precision_are_summed_as_the_numbers_they_are(dtype):
    batch = [torch.as_tensor(view).to(dtype) for view in views(30, 4)]
    found, expected = streamed([batch]), streamed([[view.double() for view in batch]])
    assert torch.equal(found.common, expected.common)
    assert torch.equal(found.collapse.sums, expected.collapse.sums)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fast_matrix_products_that_are_allowed_elsewhere_change_nothing(dtype):
    batch = views(512, 512)  # fewer are not multiplied otherwise
    expected = streamed([batch], dtype=dtype)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        found = streamed([batch], dtype=dtype)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(found.common, expected.common)
    assert torch.equal(found.difference, expected.difference)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_left_out_and_counted(bad):
    batches = [views(9, 4, seed=seed) for seed in range(3)]
    clean = [[np.delete(view, [2, 5], axis=0) for view in batches[0]], batches[2]]
    batches[0][0][2, 1] = bad
    batches[0][1][5, 3] = bad
    batches[1][0][:] = bad
    found, expected = streamed(batches), streamed(clean)
    torch.testing.assert_close(found.common, expected.common)
    torch.testing.assert_close(found.mean, expected.mean)
    torch.testing.assert_close(found.collapse.sums, expected.collapse.sums)
    assert int(found.nonfinite) == 2 + 9
    assert found.count == 7 + 9


@pytest.mark.slow
def test_more_dimensions_than_are_multiplied_at_once_give_whole_symmetric_scatters():
    batch = views(3, 1100)
    moments = streamed([batch, batch])
    _, expected_covariance, expected_cross, _ = naive([batch, batch])
    np.testing.assert_allclose(covariance(moments), expected_covariance, atol=1e-13)
    np.testing.assert_allclose(cross_correlation(moments), expected_cross, atol=1e-13)


def test_updating_never_asks_the_device_for_a_value():
    """A tensor on the meta device has no values: whatever needed one would raise."""
    for count in (1, 2):
        moments = Moments(6, count, device="meta")
        for _ in range(2):
            moments.update(*torch.zeros(count, 4, 6, dtype=torch.bfloat16, device="meta"), decay=0.9)
        assert moments.common.is_meta


def test_moments_that_were_stored_and_loaded_go_on_bit_by_bit():
    batches = [views(8, 3, seed=seed) for seed in range(3)]
    whole, part = streamed(batches, 0.9), streamed(batches[:2], 0.9)
    loaded = Moments.from_state_dict(part.state_dict())
    loaded.update(*(torch.as_tensor(view) for view in batches[2]), decay=0.9)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name


def test_the_effective_count_of_decaying_weights_is_that_of_equal_ones_with_the_same_variance():
    moments = streamed([views(10, 2, seed=seed) for seed in range(200)], decay=0.5)
    assert moments.count == 30  # (1 + 1/2 + 1/4 ...)^2 / (1 + 1/4 + 1/16 ...) batches of ten
    assert half_life_decay(2.0) ** 2 == pytest.approx(0.5)


def test_another_number_of_views_is_refused():
    moments = streamed([views(3, 2)])
    with pytest.raises(ValueError, match="expected 2 views, as before, got 1"):
        moments.update(torch.zeros(3, 2))
