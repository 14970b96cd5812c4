"""What RankMe, effective rank, participation ratio and stable rank have in common."""

from functools import partial

import mpmath
import numpy as np
import pytest
import torch

from eigenstep.spectrum.measures import (
    effective_rank,
    effective_rank_from_eigenvalues,
    participation_ratio,
    participation_ratio_from_eigenvalues,
    rank_me,
    rank_me_from_eigenvalues,
    stable_rank,
    stable_rank_from_eigenvalues,
)

FROM_EMBEDDINGS = {
    "rank_me": partial(rank_me, eps=0.0),
    "effective_rank": effective_rank,
    "participation_ratio": participation_ratio,
    "stable_rank": stable_rank,
}
FROM_EIGENVALUES = {
    "rank_me": partial(rank_me_from_eigenvalues, eps=0.0),
    "effective_rank": lambda values, count: effective_rank_from_eigenvalues(values),
    "participation_ratio": lambda values, count: participation_ratio_from_eigenvalues(values),
    "stable_rank": lambda values, count: stable_rank_from_eigenvalues(values),
}
NAMES = list(FROM_EMBEDDINGS)


def by_definition(name, eigenvalues):
    """In 40 digits."""
    values = [mpmath.mpf(value) for value in eigenvalues]
    if name == "stable_rank":
        return float(mpmath.fsum(values) / max(values))
    if name == "participation_ratio":
        return float(mpmath.fsum(values) ** 2 / mpmath.fsum(value**2 for value in values))
    values = [mpmath.sqrt(value) for value in values] if name == "rank_me" else values
    shares = [value / mpmath.fsum(values) for value in values]
    return float(mpmath.exp(-mpmath.fsum(p * mpmath.log(p) for p in shares)))


@pytest.fixture(autouse=True)
def forty_digits():
    with mpmath.workdps(40):
        yield


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "dim"), [(200, 32), (20, 64)])
def test_k_equal_directions_have_rank_k(name, n, dim, embeddings_with):
    z = embeddings_with(np.full(7, 0.3), n, dim)
    assert FROM_EMBEDDINGS[name](z, center=True) == pytest.approx(7, rel=1e-10)
    assert FROM_EIGENVALUES[name]([0.3] * 7 + [0.0] * 25, count=n) == pytest.approx(7, rel=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "spectrum",
    [0.7 ** np.arange(40), np.arange(1, 65) ** -1.0, np.r_[np.ones(16), np.full(496, 0.0025)]],
    ids=["geometric", "power law", "modes and noise"],
)
def test_the_value_is_that_of_the_definition(name, spectrum, embeddings_with):
    expected = by_definition(name, spectrum)
    assert FROM_EIGENVALUES[name](spectrum, count=10_000) == pytest.approx(expected, rel=1e-12)
    z = embeddings_with(spectrum, n=600)
    assert FROM_EMBEDDINGS[name](z, center=True) == pytest.approx(expected, rel=1e-9)


def test_a_geometric_spectrum_has_the_closed_form():
    ratio = 0.8
    spectrum = ratio ** np.arange(200)
    entropy = -np.log(1 - ratio) - ratio / (1 - ratio) * np.log(ratio)
    assert effective_rank_from_eigenvalues(spectrum) == pytest.approx(np.exp(entropy))
    assert participation_ratio_from_eigenvalues(spectrum) == pytest.approx((1 + ratio) / (1 - ratio))
    assert stable_rank_from_eigenvalues(spectrum) == pytest.approx(1 / (1 - ratio))


def test_sixteen_modes_and_five_per_cent_noise_read_252_by_singular_values_and_26_by_eigenvalues():
    spectrum = np.r_[np.full(16, 1.0025), np.full(496, 0.0025)]
    assert rank_me_from_eigenvalues(spectrum, count=10_000) == pytest.approx(252, abs=0.5)
    assert effective_rank_from_eigenvalues(spectrum) == pytest.approx(26.5, abs=0.1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-7, 1e7])
def test_scale_changes_nothing(name, scale, embeddings_with):
    z = embeddings_with(0.7 ** np.arange(20), n=50)
    measure = partial(FROM_EMBEDDINGS[name], center=True)
    assert measure(scale * z) == pytest.approx(measure(z), rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_mean_shift_counts_only_where_the_mean_is_kept(name, embeddings_with):
    z = embeddings_with(0.7 ** np.arange(20), n=50)
    measure = FROM_EMBEDDINGS[name]
    assert measure(z + 100.0, center=True) == pytest.approx(measure(z, center=True), rel=1e-9)
    assert measure(z + 1e4, center=False) < 1.01


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.1, 1e-7, -3e5])
def test_constant_embeddings_have_rank_0_centred_and_1_with_their_mean(name, value):
    z = np.full((1001, 6), value)
    assert FROM_EMBEDDINGS[name](z, center=True) == 0
    assert FROM_EMBEDDINGS[name](z, center=False) == pytest.approx(1, rel=1e-9)
    assert FROM_EMBEDDINGS[name](0 * z, center=False) == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_gives_nan_in_silence(name, bad, embeddings_with):
    z = embeddings_with(np.ones(4), n=9)
    z[3, 2] = bad
    assert np.isnan(FROM_EMBEDDINGS[name](z, center=True))
    assert np.isnan(FROM_EIGENVALUES[name]([1.0, bad, 0.5], count=9))


@pytest.mark.parametrize("name", NAMES)
def test_rounding_below_a_spectrum_of_low_rank_is_no_rank(name):
    rounding = 1e-17 * np.random.default_rng(0).normal(size=500)
    found = FROM_EIGENVALUES[name](np.r_[rounding, np.ones(5)], count=10_000)
    assert found == pytest.approx(5, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_tensors_of_any_kind_are_taken(name, embeddings_with):
    z = embeddings_with(np.ones(4), n=30)
    tensor = torch.tensor(z, dtype=torch.bfloat16, requires_grad=True)
    assert FROM_EMBEDDINGS[name](tensor) == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0, 4)])
def test_another_shape_is_refused(name, shape):
    with pytest.raises(ValueError, match=r"expected embeddings of shape \(n, d\)"):
        FROM_EMBEDDINGS[name](np.ones(shape))
