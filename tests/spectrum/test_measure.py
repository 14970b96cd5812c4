import numpy as np
import pytest
import torch

from eigenstep.spectrum import (
    covariance_eigenvalues,
    cross_correlation_eigenvalues,
    principal_projections,
)


def naive_cross_correlation(z_a, z_b, center):
    a, b = z_a.double().numpy(), z_b.double().numpy()
    mean = (a.sum(0) + b.sum(0)) / (2 * len(a)) if center else 0
    pairs = [np.outer(x - mean, y - mean) for x, y in zip(a, b, strict=True)]
    return sum(pair + pair.T for pair in pairs) / (2 * len(a))


def views(n, dim, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, dim, generator=generator, dtype=torch.float64) + 0.3
    return scale * z, scale * (z + torch.randn(n, dim, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(("n", "dim"), [(40, 6), (4, 30), (5, 10), (1, 3)])
def test_eigenvalues_are_those_of_the_matrix_formed_pair_by_pair(n, dim, center):
    z_a, z_b = views(n, dim)
    expected = np.linalg.eigvalsh(naive_cross_correlation(z_a, z_b, center))[::-1]
    found = cross_correlation_eigenvalues(z_a, z_b, center=center)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(("n", "dim"), [(40, 6), (4, 30)])
def test_covariance_eigenvalues_are_numpys(n, dim):
    z_a, z_b = views(n, dim)
    matrix = np.cov(torch.cat([z_a, z_b]).T.numpy(), bias=True)
    np.testing.assert_allclose(
        covariance_eigenvalues(z_a, z_b), np.linalg.eigvalsh(matrix)[::-1].clip(0), atol=1e-12
    )


def test_embeddings_of_size_1e_7_keep_their_eigenvalues_to_float32_accuracy():
    z_a, z_b = views(200, 5, scale=1e-7)
    exact = cross_correlation_eigenvalues(z_a, z_b, center=True)
    np.testing.assert_allclose(
        cross_correlation_eigenvalues(z_a.float(), z_b.float(), center=True), exact, rtol=1e-5
    )


def test_views_that_disagree_give_a_negative_eigenvalue():
    z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert cross_correlation_eigenvalues(z, -z, center=False).tolist() == [0.0, -1.0]


def test_projections_keep_the_distances_of_embeddings_in_few_dimensions():
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    embeddings = points @ torch.linalg.qr(torch.randn(8, 3, generator=generator, dtype=torch.float64)).Q.T + 5
    projected = torch.from_numpy(principal_projections(embeddings, 5)).double()
    torch.testing.assert_close(
        torch.cdist(projected, projected), torch.cdist(points, points), atol=1e-4, rtol=0
    )
    variances = projected.var(0)
    assert (variances.diff() <= 1e-9).all()
    assert variances[3:].max() < 1e-9


def test_projections_beyond_the_embedding_dimension_are_zero():
    projected = principal_projections(torch.randn(6, 2), 4)
    assert projected.shape == (6, 4)
    assert not projected[:, 2:].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_measuring_does_not_write_to_the_embeddings(dtype):
    z_a, z_b = (view.to(dtype) for view in views(20, 3))
    before = z_a.clone(), z_b.clone()
    cross_correlation_eigenvalues(z_a, z_b, center=True)
    covariance_eigenvalues(z_a, z_b)
    principal_projections(z_a, 2)
    assert torch.equal(z_a, before[0])
    assert torch.equal(z_b, before[1])


def test_views_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"two views of shape \(n, d\)"):
        cross_correlation_eigenvalues(torch.zeros(3, 2), torch.zeros(2, 2), center=True)
