import numpy as np
import pytest

from eigenstep.spectrum import measures
from eigenstep.spectrum.measures import MEASURES, complete_spectrum, measures_from_moments


def all_measures(a, b, covariance, cross):
    """As a monitor calls it: everything from moments."""
    rows = np.concatenate([a, b])
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(norms == 0, 1, norms)
    return measures_from_moments(
        np.linalg.eigvalsh(covariance),
        np.linalg.eigvalsh(cross),
        count=len(a),
        second_moment_eigenvalues=np.linalg.eigvalsh(rows.T @ rows / len(rows)),
        covariance=covariance,
        cross_correlation=cross,
        mean_norm=norms.mean(),
        unit_mean=unit.mean(0),
        unit_mean_square=(unit**2).mean(0),
    )


@pytest.mark.parametrize(("n", "dim"), [(200, 24), (20, 64)])
@pytest.mark.parametrize("scale", [1.0, 1e-7])
def test_every_measure_is_that_of_the_embeddings(n, dim, scale, pair_of_views):
    a, b, covariance, cross = pair_of_views(n, dim, scale=scale)
    rows = np.concatenate([a, b])
    found = all_measures(a, b, covariance, cross)
    assert list(found) == list(MEASURES)
    expected = {
        "rank_me": measures.rank_me(rows),
        "effective_rank": measures.effective_rank(rows),
        "participation_ratio": measures.participation_ratio(rows),
        "stable_rank": measures.stable_rank(rows),
        "alpha_req": measures.alpha_req(rows),
        "lidar": measures.lidar(np.stack([a, b], axis=1)),
        "modes_past_half": measures.modes_past_half(a, b, center=True),
        "mean_norm": measures.mean_norm(rows),
        "normalized_std": measures.normalized_std(rows),
        "cosine_concentration": measures.cosine_concentration(rows),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-12), name
    assert 0 < found["modes_above_noise"] < dim / 2


def test_a_far_mean_changes_no_centred_measure(pair_of_views):
    near, far = (all_measures(*pair_of_views(200, 24, shift=shift)) for shift in (0.0, 1e4))
    for name in ("effective_rank", "participation_ratio", "stable_rank", "alpha_req", "lidar"):
        assert far[name] == pytest.approx(near[name], rel=1e-4), name
    assert far["rank_me"] < 1.1 < near["rank_me"]
    assert far["cosine_concentration"] == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 0.7, 1.0])
def test_noise_has_no_mode_however_much_of_it_the_views_share(shared):
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(20):
        common, *private = rng.normal(size=(3, 300, 48))
        rows = np.concatenate([shared**0.5 * common + (1 - shared) ** 0.5 * part for part in private])
        spectrum = np.linalg.eigvalsh(np.cov(rows.T, bias=True))
        counts.append(measures_from_moments(spectrum, spectrum, count=300)["modes_above_noise"])
    assert sum(count > 0 for count in counts) <= 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.1, 1e-7, 1e5])
def test_a_constant_is_seen_through_the_rounding_of_its_moments(value):
    a = np.tile(value * np.linspace(1, 2, 8), (301, 1))
    rows = np.concatenate([a, a])
    covariance = rows.T @ rows / len(rows) - np.outer(rows.mean(0), rows.mean(0))
    found = all_measures(a, a, covariance, covariance)
    for name in ("effective_rank", "participation_ratio", "stable_rank", "lidar", "modes_above_noise"):
        assert found[name] == 0, name
    assert found["rank_me"] == pytest.approx(1, rel=1e-4)
    assert found["normalized_std"] == pytest.approx(0, abs=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_moments_that_are_not_finite_give_nan_throughout_in_silence(bad):
    spectrum, matrix = np.full(4, bad), np.full((4, 4), bad)
    found = measures_from_moments(
        spectrum,
        spectrum,
        count=10,
        second_moment_eigenvalues=spectrum,
        covariance=matrix,
        cross_correlation=matrix,
        mean_norm=bad,
        unit_mean=spectrum,
        unit_mean_square=spectrum,
    )
    assert np.isnan([value for name, value in found.items() if name != "mean_norm"]).all()


def test_what_is_not_given_is_nan_and_the_rest_is_there():
    found = measures_from_moments(np.ones(32), np.ones(32), count=100, views=1)
    missing = {name for name, value in found.items() if np.isnan(value)}
    assert missing == {"rank_me", "lidar", "mean_norm", "normalized_std", "cosine_concentration"}


def test_a_completed_spectrum_bounds_the_ranks_and_keeps_the_stable_rank():
    spectrum = np.arange(1, 201) ** -1.0
    completed = complete_spectrum(spectrum[:50], trace=spectrum.sum(), size=200)
    for name in ("effective_rank", "participation_ratio"):
        measure = getattr(measures, f"{name}_from_eigenvalues")
        assert measure(spectrum[:50]) < measure(spectrum) < measure(completed) < 1.15 * measure(spectrum)
    exact = measures.stable_rank_from_eigenvalues(spectrum)
    assert measures.stable_rank_from_eigenvalues(completed) == pytest.approx(exact)
    assert len(complete_spectrum(spectrum, trace=1.0, size=200)) == 200
