import numpy as np
import pytest
import scipy.linalg
import torch

from eigenstep.spectrum.measures import lidar, lidar_from_moments


def views_with(between, within, n, dim=None, seed=0):
    """Two views (n, 2, d) whose scatter matrices have exactly these eigenvalues, in one basis."""
    rng = np.random.default_rng(seed)
    k = len(between)
    rows = rng.normal(size=(n, 2 * k))
    left = np.linalg.qr(rows - rows.mean(0))[0]
    basis = np.linalg.qr(rng.normal(size=(dim or k, k)))[0].T
    images = left[:, :k] * np.sqrt(np.multiply(between, n - 1)) @ basis
    offsets = left[:, k:] * np.sqrt(np.multiply(within, n / 2)) @ basis
    return np.stack([images + offsets, images - offsets], axis=1)


def by_matrices(z, delta):
    """The paper's matrices, sample by sample, and an inverse root by scipy."""
    n, q, d = z.shape
    means = z.mean(1)
    between = sum(np.outer(m, m) for m in means - means.mean(0)) / (n - 1)
    within = sum(np.outer(v - m, v - m) for vs, m in zip(z, means, strict=True) for v in vs) / (n * (q - 1))
    root = scipy.linalg.fractional_matrix_power(within + delta * np.eye(d), -0.5)
    values = np.linalg.eigvalsh(root @ between @ root).clip(0)
    p = values / values.sum() + 1e-7
    return np.exp(-(p * np.log(p)).sum())


def test_isotropic_scatter_in_k_dimensions_gives_k():
    z = views_with(np.full(6, 2.0), np.full(6, 0.3), n=40)
    assert lidar(z) == pytest.approx(6, rel=1e-4)


def test_scatter_along_common_axes_has_the_closed_form():
    between, within = np.r_[np.ones(16), np.full(48, 0.00125)], np.full(64, 0.0025)
    z = views_with(between, within, n=300)
    ratios = between / (within + 1e-4 * (between + within).mean())
    p = ratios / ratios.sum() + 1e-7
    assert lidar(z) == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-9)


@pytest.mark.parametrize(("n", "q", "d"), [(60, 2, 8), (30, 5, 8), (8, 2, 12), (6, 2, 40)])
def test_it_is_the_papers_with_an_absolute_delta(n, q, d):
    rng = np.random.default_rng(n)
    z = 3 + rng.normal(size=(n, 1, d)) * np.linspace(1, 0.1, d) + 0.3 * rng.normal(size=(n, q, d))
    assert lidar(z, delta=1e-2, scale_free=False) == pytest.approx(by_matrices(z, 1e-2), rel=1e-6)


@pytest.mark.parametrize(("n", "dim"), [(80, 12), (8, 12), (8, 40)])
def test_two_views_need_only_their_moments(n, dim, pair_of_views):
    a, b, covariance, cross = pair_of_views(n, dim)
    expected = lidar(np.stack([a, b], axis=1))
    assert lidar_from_moments(covariance, cross, count=n) == pytest.approx(expected, rel=1e-7)


def test_moments_in_a_basis_of_the_embeddings_span_are_enough(pair_of_views):
    a, b, covariance, cross = pair_of_views(8, 40, shift=0.0)
    basis = np.linalg.svd(np.concatenate([a, b]), full_matrices=False)[2]
    inside = [basis @ moment @ basis.T for moment in (covariance, cross)]
    expected = lidar_from_moments(covariance, cross, count=8)
    assert lidar_from_moments(*inside, count=8, dim=40) == pytest.approx(expected, rel=1e-9)


def test_small_embeddings_and_shifted_ones_read_the_same_while_an_absolute_delta_swallows_them():
    z = views_with(np.linspace(1, 0.1, 10), np.linspace(0.01, 0.5, 10), n=100)
    assert lidar(1e-7 * z + 1e-3) == pytest.approx(lidar(z), rel=1e-6)
    swallowed = lidar(1e-7 * z, scale_free=False)
    assert swallowed == pytest.approx(by_matrices(1e-7 * z, 1e-4), rel=1e-6)
    assert abs(swallowed - lidar(z)) > 1


@pytest.mark.filterwarnings("error")
def test_constants_read_0_and_a_single_image_or_a_nan_reads_nan():
    z = np.full((1001, 2, 3), 0.1)
    assert lidar(z) == 0
    assert lidar_from_moments(np.zeros((3, 3)), np.zeros((3, 3)), count=20) == 0
    assert np.isnan(lidar(z[:1]))
    z[4, 1, 2] = np.nan
    assert np.isnan(lidar(z))
    assert np.isnan(lidar_from_moments(np.full((3, 3), np.inf), np.eye(3), count=20))


def test_moments_that_no_embeddings_have_give_nan():
    assert np.isnan(lidar_from_moments(np.eye(3), 2 * np.eye(3), count=20))


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="at least 2 views"):
        lidar(np.ones((5, 1, 3)))
    with pytest.raises(ValueError, match=r"shape \(d, d\)"):
        lidar_from_moments(np.ones(3), np.ones(3), count=5)


def test_it_equals_stable_pretraining_with_an_absolute_delta():
    module = pytest.importorskip("stable_pretraining.callbacks.lidar", reason="stable-pretraining not here")
    z = views_with(np.r_[np.ones(8), np.full(24, 0.01)], np.full(32, 0.02), n=100)
    callback = module.LiDAR("lidar", "embedding", 200, 32, n_classes=100, samples_per_class=2)
    # It makes its identity matrix in float32.
    peer = callback._compute_lidar(torch.from_numpy(z.reshape(200, 32)).float())["lidar"]
    assert lidar(z, scale_free=False) == pytest.approx(peer, rel=1e-4)
