import numpy as np
import pytest
from scipy.integrate import quad

from eigenstep.spectrum.measures import modes_above_noise, modes_above_noise_from_eigenvalues, noise_edge

# Quantiles of the law of Tracy and Widom for real noise, as published.
QUANTILES = {0.50: -1.2686, 0.90: 0.4501, 0.95: 0.9793, 0.99: 2.0234}


def johnstone(count, dim):
    """Centre and spread of the largest eigenvalue of white noise, times the rows."""
    rows, columns = np.sqrt(count - 1), np.sqrt(dim)
    return (rows + columns) ** 2, (rows + columns) * (1 / rows + 1 / columns) ** (1 / 3)


def median_of_noise(count, dim):
    """The median of the law that the edge takes white noise of these rows for, by its quantile at 95 %."""
    centre, spread = johnstone(count, dim)
    return (
        (centre + QUANTILES[0.95] * spread) / count / noise_edge(np.ones(dim), count=count, confidence=0.95)
    )


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.1, 0.01])
def test_half_of_the_marchenko_pastur_law_lies_below_its_median(ratio):
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    median = median_of_noise(10**6, round(ratio * 10**6))

    def density(x):
        return np.sqrt(max((high - x) * (x - low), 0)) / (2 * np.pi * ratio * x)

    assert quad(density, low, median)[0] == pytest.approx(0.5, abs=1e-6)


def test_tracy_widoms_quantiles_are_the_published_ones():
    count, dim = 60, 30
    centre, spread = johnstone(count, dim)
    for probability, published in QUANTILES.items():
        edge = noise_edge(np.ones(dim), count=count, confidence=probability)
        quantile = (edge * median_of_noise(count, dim) * count - centre) / spread
        assert quantile == pytest.approx(published, abs=0.012)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "dim"), [(500, 64), (64, 200), (1000, 16)])
def test_white_noise_rarely_has_a_mode_and_the_edge_is_close(n, dim):
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=(n, dim)) for _ in range(40)]
    assert sum(modes_above_noise(z) > 0 for z in noise) <= 3
    assert sum(modes_above_noise(z, confidence=0.05) > 0 for z in noise) >= 25


@pytest.mark.parametrize(("n", "dim"), [(1000, 128), (96, 300)])
def test_planted_modes_are_counted_where_the_sample_can_show_them(n, dim):
    """A mode of strength ell shows above noise 1 if ell exceeds sqrt(d/n) (Baik, Ben Arous and Peche)."""
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.normal(size=(dim, 8)))[0]
    strengths = np.sqrt(dim / n) * np.r_[np.full(5, 6.0), np.full(3, 0.2)]
    signal = rng.normal(size=(n, 8)) * np.sqrt(strengths) @ basis.T
    z = signal + rng.normal(size=(n, dim))
    assert modes_above_noise(z) == 5
    assert modes_above_noise(1e-7 * z + 1e-5) == 5


def test_without_noise_the_count_is_the_rank(embeddings_with):
    assert modes_above_noise(embeddings_with(np.linspace(1, 0.1, 5), n=100, dim=40)) == 5


def test_equal_modes_in_all_directions_look_like_noise():
    assert modes_above_noise_from_eigenvalues(np.ones(16), count=1000) == 0


@pytest.mark.filterwarnings("error")
def test_constants_have_no_mode_and_a_nan_or_a_single_row_gives_nan():
    z = np.full((50, 6), 0.1)
    assert modes_above_noise(z) == 0
    assert np.isnan(modes_above_noise(z[:1]))
    z[0, 0] = np.nan
    assert np.isnan(modes_above_noise(z))
