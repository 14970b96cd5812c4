import numpy as np
import pytest
import torch

from eigenstep.spectrum import covariance_eigenvalues, cross_correlation_eigenvalues, measures, spectrum_of
from eigenstep.spectrum.moments import LeadingDirections, pair_moments_of_rows

SHAPES = [(60, 8), (12, 40), (3, 30), (1, 5)]


def rows(n, dim, count=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    common, *noises = torch.randn(count + 1, n, dim, generator=generator, dtype=torch.float64)
    spread = torch.linspace(1, 0.05, dim, dtype=torch.float64)
    return torch.stack([spread * (common + 0.5 * noise) + 0.2 for noise in noises])


def spectrum(z, center=True, **options):
    moments = pair_moments_of_rows(z)
    return spectrum_of(moments, step=1, time=0.5, center=center, kept=z.shape[2], **options)


def matrix(z, center):
    z = z - z.mean((0, 1)) if center else z
    return ((z[0].T @ z[-1] + z[-1].T @ z[0]) / (2 * z.shape[1])).numpy()


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("n", "dim"), SHAPES)
def test_eigenvalues_are_those_of_the_joint_batch_with_more_rows_or_fewer(n, dim, count, center):
    z = rows(n, dim, count)
    found = spectrum(z, center)
    np.testing.assert_allclose(
        found.cross_correlation, cross_correlation_eigenvalues(z[0], z[-1], center=center), atol=1e-13
    )
    np.testing.assert_allclose(found.covariance, covariance_eigenvalues(z[0], z[-1]), atol=1e-13)
    assert found.count == n


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(("n", "dim"), SHAPES)
def test_eigenvectors_are_those_of_the_cross_correlation_and_zero_where_there_are_none(n, dim, center):
    z = rows(n, dim)
    found = spectrum(z, center, eigenvectors=True)
    vectors, values = found.eigenvectors, found.cross_correlation
    np.testing.assert_allclose(matrix(z, center) @ vectors, vectors * values, atol=1e-12)
    lengths = np.linalg.norm(vectors, axis=0)
    np.testing.assert_allclose(lengths[np.abs(values) > 1e-9], 1)
    assert set(lengths.round(9)) <= {0, 1}
    assert (np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], 0) >= 0).all()


@pytest.mark.parametrize(("n", "dim"), [(200, 5), (4, 30)])
def test_embeddings_of_size_1e_7_in_float32_have_the_eigenvalues_of_their_exact_values(n, dim):
    z = (1e-7 * rows(n, dim)).float()
    exact = cross_correlation_eigenvalues(*z.double(), center=True)
    np.testing.assert_allclose(spectrum(z).cross_correlation, exact, atol=1e-13 * exact[0])


@pytest.mark.parametrize(("n", "dim"), [(40, 6), (6, 40)])
def test_a_mean_a_million_times_the_spread_leaves_eigenvalues_and_measures_of_the_centred_spectrum(n, dim):
    z = rows(n, dim)
    still, shifted = spectrum(z), spectrum(z + 1e6)
    np.testing.assert_allclose(shifted.cross_correlation, still.cross_correlation, atol=1e-9)
    for name in ("effective_rank", "participation_ratio", "stable_rank", "lidar", "modes_past_half"):
        assert shifted.measures[name] == pytest.approx(still.measures[name], rel=1e-6), name
    assert shifted.measures["rank_me"] == pytest.approx(1, abs=1e-4)
    assert shifted.measures["cosine_concentration"] == pytest.approx(1)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("n", "dim"), [(60, 8), (12, 40)])
def test_measures_from_moments_are_those_of_the_embeddings(n, dim, count):
    z = rows(n, dim, count)
    found, pooled = spectrum(z).measures, z.flatten(0, 1)
    for name in ("rank_me", "effective_rank", "participation_ratio", "stable_rank", "alpha_req"):
        assert found[name] == pytest.approx(getattr(measures, name)(pooled), rel=1e-9, nan_ok=True), name
    for name in ("mean_norm", "normalized_std", "cosine_concentration"):
        assert found[name] == pytest.approx(getattr(measures, name)(pooled), rel=1e-9), name
    if count == 2:
        assert found["lidar"] == pytest.approx(measures.lidar(z.transpose(0, 1)), rel=1e-6)
    else:
        assert np.isnan(found["lidar"])


def test_samples_that_are_not_finite_in_one_view_are_left_out_of_both():
    for n, dim in ((30, 4), (6, 20)):
        z = rows(n, dim)
        clean = torch.cat([z[:, :1], z[:, 3:]], dim=1)
        z[0, 1, 2], z[1, 2, 0] = torch.nan, -torch.inf
        found, expected = spectrum(z), spectrum(clean)
        np.testing.assert_allclose(found.cross_correlation, expected.cross_correlation, atol=1e-14)
        assert (found.nonfinite, found.count) == (2, n - 2)


def test_a_half_precision_batch_whose_sum_overflows_is_finite():
    z = torch.full((1, 4, 8), 60000.0, dtype=torch.float16)
    assert spectrum(z).nonfinite == 0


def test_embeddings_none_of_which_is_finite_have_no_number_rather_than_a_wrong_one():
    for leading in (LeadingDirections(2), LeadingDirections(2, largest_dense=1)):
        moments = leading.of_rows(torch.full((2, 4, 6), torch.nan))
        found = spectrum_of(moments, step=1, time=1.0, center=True, kept=6, eigenvectors=True)
        assert np.isnan(found.cross_correlation).all()
        assert np.isnan(found.covariance).all()
        assert found.eigenvectors.shape == (6, 6)
        assert all(np.isnan(value) for value in found.measures.values())
        assert (found.count, found.nonfinite) == (0, 4)


@pytest.mark.parametrize("value", [0.0, 1 / 3, 1e3 / 7, 1e-7 / 3])
@pytest.mark.parametrize(("n", "dim"), [(41, 7), (100, 3), (5, 40), (12, 40)])
def test_equal_embeddings_have_no_variance_at_all(n, dim, value):
    found = spectrum(torch.full((2, n, dim), value, dtype=torch.float64))
    assert not found.covariance.any()
    assert not found.cross_correlation.any()
    assert found.measures["effective_rank"] == 0
    assert found.measures["lidar"] == 0
    assert found.measures["rank_me"] == pytest.approx(float(value != 0), abs=1e-3)


def test_neither_rows_nor_their_order_in_memory_are_changed():
    z = rows(6, 20).transpose(1, 2).contiguous().transpose(1, 2)
    before = z.clone()
    spectrum(z, eigenvectors=True)
    assert torch.equal(z, before)
