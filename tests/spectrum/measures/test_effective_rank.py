import numpy as np
import pytest
import torch

from eigenstep.spectrum.measures import effective_rank


def test_it_is_what_reptrix_calls_rankme(embeddings_with):
    reptrix = pytest.importorskip("reptrix.rankme", reason="reptrix not here")
    z = embeddings_with(np.r_[np.ones(16), np.full(112, 0.0025)], n=300) + 3.0
    assert effective_rank(z) == pytest.approx(reptrix.get_rankme(torch.from_numpy(z)), rel=1e-3)
