"""The dense solver on a problem: K~ in float64, centred where that is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eigenstep.kernel.solvers._dense_modes import dense_modes
from eigenstep.kernel.solvers._problem import (
    Problem,
    Solution,
    SolverSettings,
    exact_solution,
    support_precision,
)


def run_dense(problem: Problem, settings: SolverSettings, why: str) -> Solution:
    matrix, support = _dense_matrix(problem)
    problem.progress.show(f"dense solver, {problem.n_views:,} views")
    eps = problem.eps if problem.kernel is None else np.finfo(np.float64).eps
    positive = matrix
    if problem.centred:
        positive = _double_centred(matrix)
        # What centring takes off leaves its rounding.
        eps = eps * max(1.0, _largest(matrix) / (_largest(positive) or 1.0))
    modes = dense_modes(positive, problem.pairs, settings.n_modes, eps)
    if problem.centred:
        modes = replace(modes, values=torch.from_numpy(matrix) @ modes.vectors)
    # New rows meet the modes in the support's precision, in which the slowest of float32 would be noise.
    later = torch.finfo(support_precision(support, problem)).eps
    resolution = max(problem.n_views * eps, 100 * later)
    return exact_solution(modes, problem, support, f"dense: {why}", resolution)


def _double_centred(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return H K~ H, which is positive for kernels that are so only on vectors of sum zero."""
    means = matrix.mean(axis=0)
    return matrix - means - means[:, None] + means.mean()


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
