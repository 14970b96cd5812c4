import numpy as np
import pytest
import torch

from eigenstep.spectrum.measures import alpha_req, alpha_req_from_eigenvalues


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.5])
def test_a_power_law_gives_its_exponent_at_any_scale(alpha, embeddings_with):
    spectrum = np.arange(1, 129) ** -alpha
    assert alpha_req_from_eigenvalues(1e-14 * spectrum) == pytest.approx(alpha, abs=1e-10)
    assert alpha_req(1e-7 * embeddings_with(spectrum, n=200) + 1e-5) == pytest.approx(alpha, abs=1e-6)


def test_any_spectrum_gives_numpys_weighted_fit():
    spectrum = np.sort(np.random.default_rng(0).exponential(size=300))[::-1]
    ranks = np.arange(11, 101)
    # polyfit weights residuals before they are squared
    slope = np.polyfit(np.log(ranks), np.log(spectrum[10:100]), 1, w=ranks**-0.5)[0]
    assert alpha_req_from_eigenvalues(spectrum) == pytest.approx(-slope, rel=1e-9)


def test_only_the_ranks_asked_for_count():
    spectrum = np.arange(1, 201) ** -1.0
    spectrum[[0, 150]] = 50.0, 1e-9
    assert alpha_req_from_eigenvalues(np.sort(spectrum)[::-1], first=2, last=100) == pytest.approx(1.0)


def test_the_range_is_cut_to_the_rank(embeddings_with):
    spectrum = np.arange(1, 31) ** -1.0
    assert alpha_req(embeddings_with(spectrum, n=40, dim=200)) == pytest.approx(1.0, abs=1e-6)
    assert alpha_req(embeddings_with(spectrum, n=31, dim=200)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.filterwarnings("error")
def test_too_few_eigenvalues_or_a_nan_give_nan():
    assert np.isnan(alpha_req_from_eigenvalues(np.ones(11)))
    assert np.isnan(alpha_req_from_eigenvalues(np.zeros(64)))
    assert np.isnan(alpha_req_from_eigenvalues(np.r_[np.ones(64), np.nan]))


def test_it_equals_reptrix(embeddings_with):
    reptrix = pytest.importorskip("reptrix.alpha", reason="reptrix not here")
    spectrum = np.sort(np.random.default_rng(1).exponential(size=256))[::-1] * np.arange(1, 257) ** -0.7
    z = embeddings_with(np.sort(spectrum)[::-1], n=400) + 2.0
    assert alpha_req(z) == pytest.approx(reptrix.get_alpha(torch.from_numpy(z))[0], rel=1e-6)
