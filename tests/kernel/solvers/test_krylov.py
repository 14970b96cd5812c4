"""Block Krylov iteration against dense eigenproblems in float64."""

import numpy as np
import pytest
import scipy.linalg
import torch

from eigenstep.kernel.solvers import krylov_modes


class Matrix:
    def __init__(self, matrix):
        self.matrix = torch.as_tensor(matrix)
        self.products = 0

    def product(self, block):
        self.products += 1
        return self.matrix.to(block) @ block


def problem(size=300, rank=300, decay=1.5, seed=0):
    """A positive semi-definite K of some rank, and a symmetric indefinite A."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(size, rank)) * np.arange(1, rank + 1) ** -decay
    pairs = rng.normal(size=(size, size))
    return factor @ factor.T, (pairs + pairs.T) / size, factor


def solve(
    kernel, pairs, n_modes, *, width=8, tolerance=1e-9, max_passes=200, max_columns=10**6, dtype=torch.float64
):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(len(kernel), width, dtype=dtype, generator=generator)
    return krylov_modes(
        Matrix(kernel),
        Matrix(pairs),
        start,
        n_modes,
        tolerance=tolerance,
        max_passes=max_passes,
        max_columns=min(max_columns, len(kernel)),
    )


@pytest.mark.parametrize("rank", [300, 40, 5])
def test_modes_are_those_of_the_dense_problem_whatever_the_kernels_rank(rank):
    kernel, pairs, factor = problem(rank=rank)
    modes = solve(kernel, pairs, 5)
    expected = scipy.linalg.eigvalsh(factor.T @ pairs @ factor)[::-1][:5]
    positive = expected > 1e-12 * expected[0]
    np.testing.assert_allclose(modes.eigenvalues[positive], expected[positive], rtol=1e-9)
    a = modes.vectors.numpy()[:, positive]
    np.testing.assert_allclose(a.T @ kernel @ a, np.eye(positive.sum()), atol=1e-8)
    np.testing.assert_allclose(modes.values.numpy()[:, positive], kernel @ a, atol=1e-9)


def test_reported_residuals_are_measured_ones():
    kernel, pairs, _ = problem()
    modes = solve(kernel, pairs, 6, tolerance=1e-2)
    a = modes.vectors.numpy()
    gap = pairs @ kernel @ a - a * modes.eigenvalues
    expected = np.sqrt(np.einsum("ij,ij->j", gap, kernel @ gap))
    np.testing.assert_allclose(modes.residuals, expected, rtol=1e-6, atol=1e-13)
    assert (expected > 0).all()
    assert (expected <= 1e-2 * modes.eigenvalues).all()


def test_a_short_basis_restarts_and_reaches_the_same_modes():
    kernel, pairs, _ = problem(decay=0.8)
    free = solve(kernel, pairs, 4)
    short = solve(kernel, pairs, 4, max_columns=40)
    assert short.passes > free.passes
    np.testing.assert_allclose(short.eigenvalues, free.eigenvalues, rtol=1e-10)
    assert (short.residuals <= 1e-8 * short.eigenvalues).all()


def test_float32_reaches_its_own_precision():
    kernel, _, factor = problem(decay=0.8)
    swap = np.roll(np.eye(300), 150, axis=0) / 300
    modes = solve(kernel.astype(np.float32), swap, 5, tolerance=1e-3, dtype=torch.float32)
    expected = scipy.linalg.eigvalsh(factor.T @ swap @ factor)[::-1][:5]
    np.testing.assert_allclose(modes.eigenvalues, expected, rtol=1e-5)


def test_passes_are_counted_and_limited():
    kernel, pairs, _ = problem(decay=0.1)
    matrix = Matrix(kernel)
    start = torch.randn(300, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    seen = []
    modes = krylov_modes(
        matrix,
        Matrix(pairs),
        start,
        3,
        tolerance=1e-12,
        max_passes=7,
        max_columns=300,
        progress=lambda passes, worst: seen.append(passes),
    )
    assert matrix.products == modes.passes == 7
    assert seen == [1, 2, 3, 4, 5]
    assert (modes.residuals > 1e-6 * modes.eigenvalues[0]).any()


def test_a_good_start_takes_fewer_products():
    kernel, pairs, _ = problem()
    cold = solve(kernel, pairs, 4)
    start = torch.cat((cold.vectors, torch.randn(300, 4, dtype=torch.float64)), dim=1)
    options = {"tolerance": 1e-9, "max_passes": 200, "max_columns": 300}
    warm = krylov_modes(Matrix(kernel), Matrix(pairs), start, 4, **options)
    assert warm.passes < cold.passes


@pytest.mark.parametrize(
    ("size", "rel"),
    # The basis holds all of 40 views before it restarts; of 300, both extremes in part.
    [(40, 1e-9), (300, 0.1)],
)
def test_an_indefinite_kernel_is_seen(size, rel):
    kernel, pairs, _ = problem(size=size, rank=50)
    values, vectors = np.linalg.eigh(kernel)
    # One whose eigenvector is no choice of LAPACK's, as those of the null space are.
    values[-5] = -0.1 * values[-1]
    assert solve(kernel, pairs, 3).indefiniteness < 1e-9
    assert solve((vectors * values) @ vectors.T, pairs, 3).indefiniteness == pytest.approx(0.1, rel=rel)
