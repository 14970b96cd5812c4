import numpy as np
import pytest
import torch
from lightly.utils.debug import std_of_l2_normalized

from eigenstep.spectrum.measures import (
    cosine_concentration,
    cosine_concentration_from_moments,
    mean_norm,
    normalized_std,
    normalized_std_from_moments,
)


@pytest.fixture
def z():
    return np.random.default_rng(0).normal(size=(40, 7)) + np.linspace(0, 2, 7)


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e4])
def test_normalized_std_is_lightlys(z, scale):
    peer = float(std_of_l2_normalized(torch.from_numpy(scale * z)))
    assert normalized_std(scale * z, scaled=False) == pytest.approx(peer, rel=1e-12)
    assert normalized_std(scale * z, scaled=True) == pytest.approx(7**0.5 * peer, rel=1e-12)


def test_gaussian_directions_read_1_when_scaled():
    z = np.random.default_rng(1).normal(size=(20_000, 64))
    assert normalized_std(z) == pytest.approx(1, abs=0.01)
    assert cosine_concentration(z) == pytest.approx(0, abs=0.001)


def test_concentration_is_the_mean_over_all_pairs_formed_one_by_one(z):
    cosines = [x @ y / np.sqrt(x @ x * (y @ y)) for i, x in enumerate(z) for y in z[:i]]
    assert cosine_concentration(1e-7 * z) == pytest.approx(np.mean(cosines), rel=1e-12)


def test_norm_is_numpys(z):
    assert mean_norm(z) == pytest.approx(np.linalg.norm(z, axis=1).mean(), rel=1e-12)


def test_running_sums_over_batches_give_the_same(z):
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    batches = np.split(unit, [7, 30])
    mean = sum(batch.sum(0) for batch in batches) / 40
    square = sum((batch**2).sum(0) for batch in batches) / 40
    assert normalized_std_from_moments(mean, square, count=40) == pytest.approx(normalized_std(z), rel=1e-12)
    expected = cosine_concentration(z)
    assert cosine_concentration_from_moments(mean, square, count=40) == pytest.approx(expected, rel=1e-12)


def test_embeddings_on_one_ray_are_collapsed_whatever_their_norms(z):
    ray = np.outer(np.linspace(1e-7, 3, 20), z[0])
    assert normalized_std(ray) == pytest.approx(0, abs=1e-7)
    assert cosine_concentration(ray) == pytest.approx(1)


@pytest.mark.filterwarnings("error")
def test_zero_embeddings_have_no_direction():
    z = np.zeros((5, 3))
    assert (mean_norm(z), normalized_std(z), cosine_concentration(z)) == (0, 0, 0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_or_a_single_row_gives_nan(z, bad):
    assert np.isnan(normalized_std(z[:1]))
    assert np.isnan(cosine_concentration(z[:1]))
    z[2, 2] = bad
    assert np.isnan(normalized_std(z))
    assert np.isnan(cosine_concentration(z))
    assert not np.isfinite(mean_norm(z))
    assert np.isnan(normalized_std_from_moments([bad, 0.0], [bad, 1.0], count=9))
    assert np.isnan(cosine_concentration_from_moments([bad, 0.0], [bad, 1.0], count=9))
