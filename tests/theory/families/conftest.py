import numpy as np
import pytest
from scipy.stats import ortho_group

from eigenstep.theory import (
    Autoencoder,
    BarlowTwins,
    CrossViewAutoencoder,
    SpectralContrastive,
    TwoLayerSupervised,
    WordEmbeddings,
)

NAMES = ("barlow twins", "spectral", "autoencoder", "cross-view", "supervised", "words")


@pytest.fixture
def family_with(rng):
    """Return a function that makes a family of given drives and correlations, in a random basis."""

    def make(name, drives, correlations):
        m = len(drives)
        basis = ortho_group.rvs(m, random_state=rng)
        variances = np.where(drives == 0, 0.5, np.abs(drives) / correlations)
        cross, moment = ((basis * values) @ basis.T for values in (drives, variances))
        if name == "supervised":
            return TwoLayerSupervised(
                ortho_group.rvs(m, random_state=rng)[:, :m] @ (basis * drives).T, moment
            )
        return {
            "barlow twins": lambda: BarlowTwins(cross),
            "spectral": lambda: SpectralContrastive(cross, moment),
            "autoencoder": lambda: Autoencoder(cross),
            "cross-view": lambda: CrossViewAutoencoder(cross, moment),
            "words": lambda: WordEmbeddings(cross),
        }[name]()

    return make


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def start_of(rng):
    """Return a function that draws a generic start of a family, of a given scale."""

    def draw(name, scale, d, m):
        first = scale * rng.normal(size=(d, m))
        return (first, scale * rng.normal(size=(m, d))) if name == "supervised" else first

    return draw
