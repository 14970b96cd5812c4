"""Landmarks on a problem: one pass over the views, and exact products that refine its modes."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from eigenstep.kernel._processes import Processes
from eigenstep.kernel.solvers._nystrom import mode_values
from eigenstep.kernel.solvers._nystrom_pass import NystromPass
from eigenstep.kernel.solvers._problem import Problem, Solution, SolverSettings
from eigenstep.kernel.solvers._run_krylov import block_width, iterate


def run_nystrom(
    problem: Problem, settings: SolverSettings, generator: np.random.Generator, why: str
) -> Solution:
    processes = problem.processes
    if settings.n_modes is None:
        raise ValueError(
            "expected n_components as a number for solver='nystrom', got None; landmarks limit the modes"
        )
    if why != "as asked":
        warnings.warn(
            f"{why}, so landmarks stand for them: late modes and their learning times are biased, residuals_"
            " tells how much; solver='nystrom' says that this is meant, polish refines it, solver='krylov' is"
            " exact",
            UserWarning,
            stacklevel=4,
        )
    summed = start_pass(problem, settings, generator)
    with processes.together():
        summed.add(
            problem.rows,
            problem.graph,
            processes,
            lambda done, total: problem.progress.show(f"{done * processes.size:,} views", done / total),
        )
    if settings.polish:
        return _polished(summed, problem, settings, why)
    return nystrom_solution(summed, settings.n_modes, why, processes)


def start_pass(problem: Problem, settings: SolverSettings, generator: np.random.Generator) -> NystromPass:
    """Choose landmarks among a problem's views; ValueError for a precomputed kernel."""
    if problem.kernel is None:
        raise ValueError(
            "solver='nystrom' saves computing kernel values, which a precomputed kernel has: use 'krylov' or"
            " 'dense'"
        )
    problem.progress.show("choosing landmarks")
    return NystromPass(
        problem.rows,
        problem.graph,
        problem.kernel,
        problem.objective,
        problem.centred,
        settings.n_landmarks,
        generator,
        problem.processes,
    )


def nystrom_solution(summed: NystromPass, n_modes: int, why: str, processes: Processes) -> Solution:
    """Return the modes of what a pass over the views has summed up so far, in all processes."""
    together = summed.reduced(processes)
    modes = together.modes(n_modes)
    residuals, ratios = together.estimates(modes)
    return Solution(
        eigenvalues=modes.eigenvalues,
        residuals=residuals * modes.eigenvalues,
        mean_squares=modes.eigenvalues / ratios,
        means=together.mean_values(modes),
        coefficients=modes.coefficients,
        support=summed.landmarks,
        passes=1,
        solver=f"Nystrom, {len(modes.coefficients):,} landmarks, one pass: {why}",
        summed=summed,
    )


def _polished(summed: NystromPass, problem: Problem, settings: SolverSettings, why: str) -> Solution:
    assert settings.n_modes is not None
    modes = summed.reduced(problem.processes).modes(settings.n_modes + block_width(settings.n_modes))
    start = problem.pairs.product(
        mode_values(summed.accumulator.features.kernel, summed.landmarks, modes, problem.rows)
    )
    # One product more measures the residuals.
    few = replace(settings, max_iter=settings.polish + 1)
    words = f"{why}, polished from {len(modes.coefficients):,} landmarks"
    return replace(iterate(problem, few, start, words), summed=summed)
