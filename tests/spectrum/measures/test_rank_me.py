from types import SimpleNamespace

import numpy as np
import pytest
import torch

from eigenstep.spectrum.measures import rank_me, rank_me_from_eigenvalues


def test_the_papers_equation_is_met_to_the_eps(embeddings_with):
    z = embeddings_with(0.5 ** np.arange(30), n=200) + 0.2
    singular = np.linalg.svd(z, compute_uv=False)
    p = singular / np.abs(singular).sum() + 1e-3
    assert rank_me(z, eps=1e-3) == pytest.approx(np.exp(-np.sum(p * np.log(p))), rel=1e-12)


def test_with_fewer_rows_than_dimensions_only_n_terms_carry_the_eps(embeddings_with):
    z = embeddings_with(np.ones(5), n=8, dim=64)
    eigenvalues = np.linalg.eigvalsh(z.T @ z / 8)
    assert rank_me_from_eigenvalues(eigenvalues, count=8) == pytest.approx(rank_me(z), rel=1e-9)
    assert rank_me_from_eigenvalues(eigenvalues, count=64) > rank_me(z) * (1 + 5e-5)


def test_it_equals_stable_pretrainings_callback_with_its_eps(embeddings_with):
    module = pytest.importorskip("stable_pretraining.callbacks.rankme", reason="stable-pretraining not here")
    z = embeddings_with(np.r_[np.ones(16), np.full(112, 0.0025)], n=300) + 0.1
    logged = {}
    callback = module.RankMe("rankme", "embedding", 300, 128, verbose=False)
    callback._target_queue = SimpleNamespace(data=torch.from_numpy(z))
    host = SimpleNamespace(log=logged.__setitem__)
    callback.on_validation_batch_end(SimpleNamespace(global_rank=0), host, {}, {}, 0)
    assert rank_me(z, center=False, eps=1e-5) == pytest.approx(logged["rankme"], rel=1e-9)
