import numpy as np
import pytest


@pytest.fixture
def embeddings_with():
    """Embeddings (n, d) of mean zero whose covariance has exactly these eigenvalues, in a random basis."""

    def build(eigenvalues, n, dim=None, seed=0):
        rng = np.random.default_rng(seed)
        rank = len(eigenvalues)
        rows = rng.normal(size=(n, rank))
        left = np.linalg.qr(rows - rows.mean(0))[0]
        right = np.linalg.qr(rng.normal(size=(dim or rank, rank)))[0]
        return np.sqrt(n) * (left * np.sqrt(eigenvalues)) @ right.T

    return build


@pytest.fixture
def pair_of_views():
    """Two views (n, d) with shared and private parts and a mean, and their moments formed pair by pair."""

    def build(n, dim, seed=0, shift=0.5, scale=1.0):
        rng = np.random.default_rng(seed)
        image = rng.normal(size=(n, dim)) * np.linspace(1.5, 0.2, dim) + shift
        a, b = (scale * (image + 0.4 * rng.normal(size=(n, dim))) for _ in range(2))
        mean = (a.sum(0) + b.sum(0)) / (2 * n)
        pairs = [(x - mean, y - mean) for x, y in zip(a, b, strict=True)]
        covariance = sum(np.outer(x, x) + np.outer(y, y) for x, y in pairs) / (2 * n)
        cross = sum(np.outer(x, y) + np.outer(y, x) for x, y in pairs) / (2 * n)
        return a, b, covariance, cross

    return build
