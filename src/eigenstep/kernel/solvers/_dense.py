"""Every mode of a small problem, exactly: pivoted Cholesky of K~ in float64, and one eigenproblem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray

from eigenstep.kernel.solvers._budget import check_dense
from eigenstep.kernel.solvers._indefinite import eps_once_centered, refuse_indefinite
from eigenstep.kernel.solvers._kernel_matrix import center_twice
from eigenstep.kernel.solvers._problem import (
    Modes,
    Problem,
    Solution,
    SolverSettings,
    SymmetricOperator,
    exact_solution,
    support_precision,
)


def run_dense(problem: Problem, settings: SolverSettings, why: str) -> Solution:
    check_dense(problem, settings)
    matrix, support = _dense_matrix(problem)
    problem.progress.show(f"dense solver, {problem.n_views:,} views")
    eps = problem.eps if problem.kernel is None else np.finfo(np.float64).eps
    positive = matrix
    if problem.center:
        positive = center_twice(torch.from_numpy(matrix)).numpy()
        # What centring takes off leaves its rounding.
        eps = eps_once_centered(eps, _largest(matrix), _largest(positive))
    modes = dense_modes(positive, problem.pairs, settings.n_modes, eps, centered=problem.center)
    if problem.center:
        modes = replace(modes, values=torch.from_numpy(matrix) @ modes.vectors)
    # New rows meet the modes in the support's precision, in which the slowest of float32 would be noise.
    later = torch.finfo(support_precision(support, problem)).eps
    resolution = max(problem.n_views * eps, 100 * later)
    return exact_solution(modes, problem, support, f"dense: {why}", resolution, eps)


def dense_modes(
    kernel: NDArray[np.float64],
    pairs: SymmetricOperator,
    n_modes: int | None,
    eps: float,
    *,
    centered: bool = False,
) -> Modes:
    """Find the modes A K~ a = gamma a, a^T K~ a = 1 of a stored kernel.

    With K~ = L L^T the eigenpairs (gamma, c) of the small matrix L^T A L give a = A L c / gamma. L has the
    rank of K~, so duplicate views and low-rank kernels need no regularisation.

    Parameters
    ----------
    kernel : NDArray[np.float64]
        (N, N) K~, symmetric, float64.
    pairs : SymmetricOperator
        A, a symmetric operator on blocks.
    n_modes : int | None
        How many at most, or None for every positive eigenvalue.
    eps : float
        Relative precision of the kernel's entries; what is below it is no part of the rank.
    centered : bool
        Whether K~ has been centred, for the words of an error.

    Raises
    ------
    ValueError
        The kernel has significantly negative eigenvalues.

    Examples
    --------
    >>> from eigenstep.kernel.pairs import unpaired
    >>> dense_modes(np.diag([4.0, 2.0]), unpaired(2), None, 1e-16).eigenvalues
    array([2., 1.])
    """
    factor = _cholesky(kernel, eps, centered)
    lifted = _apply(pairs, factor)
    small = factor.T @ lifted
    size = len(small)
    wanted = size if n_modes is None else min(n_modes, size)
    if wanted == 0:
        return Modes.none(len(kernel))
    # A few eigenvalues of a large matrix by bisection, all of them by divide and conquer.
    few = (size - wanted, size - 1) if 4 * wanted < size else None
    gamma, coordinates = scipy.linalg.eigh((small + small.T) / 2, subset_by_index=few)
    gamma, coordinates = gamma[: -wanted - 1 : -1], coordinates[:, : -wanted - 1 : -1]
    if n_modes is None:
        positive = gamma > len(kernel) * max(eps, np.finfo(np.float64).eps) * max(gamma[0], 0.0)
        gamma, coordinates = gamma[positive], coordinates[:, positive]
    nonzero = np.where(gamma == 0, 1.0, gamma)
    vectors = lifted @ coordinates / nonzero
    values = kernel @ vectors
    remainder = _apply(pairs, values) - vectors * gamma
    residuals = np.sqrt(np.abs(np.einsum("ij,ij->j", remainder, kernel @ remainder)))
    norm = float(np.linalg.norm(kernel))
    return Modes(gamma, torch.from_numpy(vectors), torch.from_numpy(values), residuals, kernel_size=norm)


def _cholesky(kernel: NDArray[np.float64], eps: float, centered: bool) -> NDArray[np.float64]:
    """Return L (N, r) with K~ = L L^T to rounding, by pivoted Cholesky (LAPACK's pstrf)."""
    size = len(kernel)
    largest = float(kernel.diagonal().max(initial=0.0))
    lower, order, rank, _ = scipy.linalg.lapack.dpstrf(kernel, tol=10 * eps * largest, lower=1)
    factor = np.empty((size, rank))
    factor[order - 1] = np.tril(lower[:, :rank])
    # The factor shows an indefinite kernel by what it leaves; a few random signs see that.
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(size, 4))
    left = float(np.linalg.norm(kernel @ signs - factor @ (factor.T @ signs)) / np.linalg.norm(signs))
    scale = max(float(np.abs(kernel).sum(axis=1).max(initial=0.0)), np.finfo(np.float64).tiny)
    refuse_indefinite(left / scale, eps, centered=centered)
    return factor


def _apply(pairs: SymmetricOperator, block: NDArray[np.float64]) -> NDArray[np.float64]:
    return pairs.product(torch.from_numpy(np.ascontiguousarray(block))).numpy()


def _dense_matrix(problem: Problem) -> tuple[NDArray[np.float64], Any]:
    """Return K~ in float64, whatever the rows' type, and the prepared rows, in float64 where that can be."""
    rows = problem.rows.all()
    if problem.kernel is None:
        given = rows.cpu().double()
        return ((given + given.T) / 2).numpy(), None
    sparse = problem.rows.is_sparse
    prepared = problem.kernel.prepare(rows.astype(np.float64) if sparse else rows.cpu().double())
    matrix = problem.kernel.block(prepared, prepared).cpu().double().numpy()
    if not np.isfinite(_largest(matrix)):
        raise ValueError("expected finite kernel values, got NaN or infinity; scale the rows down")
    single = sparse or problem.rows.device.type == "mps"
    return matrix, problem.kernel.prepare(rows) if single else prepared.to(problem.rows.device)


def _largest(matrix: NDArray[np.float64]) -> float:
    return max(float(matrix.max()), -float(matrix.min()))
