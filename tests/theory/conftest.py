import numpy as np
import pytest
from scipy.stats import ortho_group


@pytest.fixture
def rng():
    return np.random.default_rng(20230331)


@pytest.fixture
def operator_with(rng):
    """Return a function that makes a symmetric operator with given eigenvalues in a random basis."""

    def make(eigenvalues):
        basis = ortho_group.rvs(len(eigenvalues), random_state=rng)
        return basis @ np.diag(eigenvalues) @ basis.T

    return make


@pytest.fixture
def correlated_pairs(rng):
    """Return a function that draws pairs (n, m) whose shared part has given variances in a random basis."""

    def draw(variances, n=400, noise=0.1):
        m = len(variances)
        basis = ortho_group.rvs(m, random_state=rng)
        shared = rng.normal(size=(n, m)) * np.sqrt(variances)
        x, y = shared + noise * np.sqrt(variances) * rng.normal(size=(2, n, m))
        return x @ basis.T, y @ basis.T

    return draw
