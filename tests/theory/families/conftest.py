import numpy as np
import pytest
from scipy.stats import ortho_group

from eigenstep.theory import (
    CLIP,
    Autoencoder,
    BarlowTwins,
    CrossViewAutoencoder,
    SpectralContrastive,
    TwoLayerSupervised,
    WordEmbeddings,
)

NAMES = ("barlow twins", "spectral", "autoencoder", "cross-view", "supervised", "clip", "words")
TWO_SIDED = ("supervised", "clip")


@pytest.fixture
def family_with(rng):
    """Return a function that makes a family of given drives and correlations, in a random basis."""

    def make(name, drives, correlations):
        m = len(drives)
        basis = ortho_group.rvs(m, random_state=rng)
        variances = np.where(drives == 0, 0.5, np.abs(drives) / correlations)
        cross, moment = ((basis * values) @ basis.T for values in (drives, variances))
        if name in TWO_SIDED:
            other = ortho_group.rvs(m, random_state=rng)
            if name == "supervised":
                return TwoLayerSupervised((other * drives) @ basis.T, moment)
            # The product of both sides' variances is the square of `variances`.
            return CLIP((basis * drives) @ other.T, moment / 2, (other * (2 * variances)) @ other.T)
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
        if name not in TWO_SIDED:
            return first
        return first, scale * rng.normal(size=(m, d) if name == "supervised" else (d, m))

    return draw
