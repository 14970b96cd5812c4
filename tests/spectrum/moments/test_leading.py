import numpy as np
import pytest
import torch

from eigenstep.spectrum import spectrum_of
from eigenstep.spectrum.moments import LeadingDirections, Moments, leading_pairs, pair_moments_of_rows


def symmetric(values, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n = len(values)
    basis = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64)).Q
    return (basis * torch.as_tensor(values)) @ basis.T


def guess(n, width):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def embeddings(n, dim, count=2):
    generator = torch.Generator().manual_seed(0)
    common, *noises = torch.randn(count + 1, n, dim, generator=generator, dtype=torch.float64)
    spread = torch.arange(1, dim + 1, dtype=torch.float64) ** -1.0
    mean = 0.5 * torch.randn(dim, generator=generator, dtype=torch.float64)
    return torch.stack([spread * (common + 0.3 * noise) + mean for noise in noises])


def test_leading_pairs_are_lapacks_and_their_residuals_are_true():
    matrix = symmetric(np.r_[np.arange(1, 200) ** -0.8, -0.5])
    found = leading_pairs(matrix.__matmul__, 12, guess(200, 24), tolerance=1e-7)
    np.testing.assert_allclose(found.values, np.linalg.eigvalsh(matrix)[::-1][:12], atol=1e-12)
    residuals = torch.linalg.vector_norm(matrix @ found.vectors - found.vectors * found.values, dim=0)
    torch.testing.assert_close(found.residuals, residuals, atol=1e-14, rtol=1e-6)
    assert found.residuals.max() < 1e-7


def test_a_spectrum_that_does_not_settle_says_so_by_its_residuals():
    matrix = symmetric(1 + 1e-3 * np.linspace(1, 0, 150))
    found = leading_pairs(matrix.__matmul__, 5, guess(150, 8), tolerance=1e-12, iterations=3)
    residuals = torch.linalg.vector_norm(matrix @ found.vectors - found.vectors * found.values, dim=0)
    assert residuals.max() > 1e-6
    torch.testing.assert_close(
        found.residuals * float(found.values[0].abs()), residuals, atol=1e-9, rtol=0.01
    )


def test_a_warm_start_needs_a_fraction_of_the_iterations():
    matrix = symmetric(np.arange(1, 201) ** -1.0)
    calls = []

    def apply(block):
        calls.append(1)
        return moved @ block

    moved = matrix
    basis = leading_pairs(apply, 10, guess(200, 20)).basis
    cold = len(calls)
    moved = matrix + 1e-3 * symmetric(np.linspace(-1, 1, 200), seed=2)
    calls.clear()
    found = leading_pairs(apply, 10, basis)
    assert len(calls) <= cold / 2
    np.testing.assert_allclose(found.values, np.linalg.eigvalsh(moved)[::-1][:10], atol=1e-6)


def products_of_powers(matrix, count, block, tolerance):
    """How many products plain subspace iteration takes until all residuals are below a tolerance."""
    for products in range(1, 500):
        basis = torch.linalg.qr(block).Q
        block = matrix @ basis
        values, rotation = torch.linalg.eigh(basis.T @ block)
        rotated = block @ rotation - basis @ rotation * values
        if torch.linalg.vector_norm(rotated, dim=0)[-count:].max() <= tolerance * values[-1]:
            return products
    raise AssertionError("it has not settled")


def test_a_slow_decay_settles_in_a_fraction_of_the_products_that_powers_take():
    matrix, products = symmetric(np.arange(1, 301) ** -0.5), []
    found = leading_pairs(
        lambda block: products.append(1) or matrix @ block, 20, guess(300, 24), tolerance=1e-6
    )
    np.testing.assert_allclose(found.values, np.arange(1, 21) ** -0.5, atol=1e-10)
    assert len(products) <= products_of_powers(matrix, 20, guess(300, 24), 1e-6) / 3


@pytest.mark.slow
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("streamed", [True, False])
def test_leading_eigenvalues_vectors_and_exact_measures_are_those_of_the_whole_spectrum(
    streamed, count, center
):
    z, kept = embeddings(120, 150, count), 10
    leading = LeadingDirections(kept, center=center, largest_dense=50)
    moments = Moments(150, count)
    for part in z.split(31, dim=1):
        moments.update(*part)
    reduced = leading.of_moments(moments) if streamed else leading.of_rows(z)
    options = {"step": 1, "time": 1.0, "center": center, "kept": kept, "eigenvectors": True}
    found, whole = spectrum_of(reduced, **options), spectrum_of(pair_moments_of_rows(z), **options)
    largest = whole.cross_correlation[0]
    np.testing.assert_allclose(found.cross_correlation, whole.cross_correlation, atol=2e-6 * largest)
    np.testing.assert_allclose(found.covariance, whole.covariance, atol=3e-6)
    a, b = (view - z.mean((0, 1)) * center for view in (z[0], z[-1]))
    product = (a.T @ (b @ found.eigenvectors) + b.T @ (a @ found.eigenvectors)).numpy() / (2 * 120)
    off = np.linalg.norm(product - found.eigenvectors * found.cross_correlation, axis=0)
    assert (off <= found.residuals * largest + 1e-9).all()
    overlap = np.abs((found.eigenvectors * whole.eigenvectors).sum(0))
    assert overlap[:6].min() > 1 - 1e-5
    assert found.residuals.shape == (kept,)
    assert found.residuals.max() < 1e-4
    assert whole.residuals is None
    for name in ("participation_ratio", "stable_rank", "modes_past_half", "mean_norm", "normalized_std"):
        assert found.measures[name] == pytest.approx(whole.measures[name], rel=1e-6), name
    for name in ("rank_me", "effective_rank"):  # bounds: the rest of the trace is spread evenly
        assert whole.measures[name] <= found.measures[name] * (1 + 1e-9), name
    assert np.isnan(found.measures["lidar"])


def test_autocasting_changes_nothing():
    moments = Moments(80, 2, dtype=torch.float32)
    moments.update(*embeddings(60, 80))
    expected = LeadingDirections(4, largest_dense=10).of_moments(moments)
    with torch.autocast("cpu", torch.bfloat16):
        found = LeadingDirections(4, largest_dense=10).of_moments(moments)
    assert torch.equal(found.covariance, expected.covariance)
    assert torch.equal(found.cross_correlation, expected.cross_correlation)


def test_the_guess_is_random_without_touching_the_random_state():
    before = torch.get_rng_state()
    LeadingDirections(4, largest_dense=10).of_rows(embeddings(30, 40))
    assert torch.equal(torch.get_rng_state(), before)


def test_directions_that_were_stored_and_loaded_are_the_same_guess():
    z = embeddings(60, 80)
    stored = LeadingDirections(4, largest_dense=10)
    stored.of_rows(z)
    loaded = LeadingDirections(4, largest_dense=10)
    loaded.load_state_dict(stored.state_dict())
    expected, found = stored.of_rows(1.1 * z), loaded.of_rows(1.1 * z)
    assert torch.equal(found.covariance, expected.covariance)


def test_samples_that_are_not_finite_are_left_out_of_the_leading_directions():
    z = embeddings(60, 80)
    clean = z[:, 1:].clone()
    z[0, 0, 0] = torch.inf
    found = LeadingDirections(4, largest_dense=10).of_rows(z)
    expected = LeadingDirections(4, largest_dense=10).of_rows(clean)
    torch.testing.assert_close(found.covariance, expected.covariance)
    assert (found.nonfinite, found.count) == (1, 59)
