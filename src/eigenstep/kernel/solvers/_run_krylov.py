"""Block Krylov iteration on a problem, within a memory budget, and in float64 where float32 fails."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from eigenstep.kernel._memory import free_memory
from eigenstep.kernel._view_rows import ViewRows
from eigenstep.kernel.solvers._dense_modes import indefinite_message, indefinite_share
from eigenstep.kernel.solvers._kernel_matrix import (
    KernelMatrix,
    PanelKernelMatrix,
    StoredKernelMatrix,
    panel_storage,
)
from eigenstep.kernel.solvers._krylov import krylov_modes
from eigenstep.kernel.solvers._problem import Problem, Solution, SolverSettings, exact_solution
from eigenstep.machine import size_in_words


def run_krylov(
    problem: Problem, settings: SolverSettings, generator: np.random.Generator, why: str
) -> Solution:
    width = min(block_width(settings.n_modes or problem.n_views), problem.n_views)
    random = torch.from_numpy(generator.standard_normal((problem.n_views, width)))
    start = problem.processes.same(random).to(problem.rows.device, problem.rows.dtype)
    solution = iterate(problem, settings, start, why)
    worst = _worst(solution, settings)
    lacking = len(solution.eigenvalues) < min(settings.n_modes or 0, problem.n_views)
    single = problem.eps > 1e-10 and problem.rows.device.type != "mps"
    if single and (lacking or worst > settings.acceptable):
        # A kernel of which one mode is nearly all has the others below float32's rounding of that one.
        rows = ViewRows(problem.rows.parts, problem.rows.device, torch.float64)
        start = torch.cat((solution.coefficients.double(), random.to(problem.rows.device)), dim=1)
        why += "; in float64, for float32 " + ("lost modes" if lacking else f"left residuals of {worst:.0e}")
        solution = iterate(replace(problem, rows=rows), settings, start, why)
        worst = _worst(solution, settings)
    if worst > settings.acceptable:
        warnings.warn(
            f"the modes' worst residual is {worst:.1e} of its eigenvalue, above tol={settings.tolerance:.0e}:"
            " raise max_iter or tol, or ask for fewer components",
            ConvergenceWarning,
            stacklevel=4,
        )
    return solution


def _worst(solution: Solution, settings: SolverSettings) -> float:
    return float((solution.residuals / solution.eigenvalues)[: settings.n_wanted].max(initial=0.0))


def iterate(problem: Problem, settings: SolverSettings, start: Tensor, why: str) -> Solution:
    """Run block Krylov iteration from a first block (N, b)."""
    n_modes = min(settings.n_modes or problem.n_views, problem.n_views)
    columns = _basis_columns(problem.n_views, n_modes, start.shape[1])
    with problem.processes.together():
        matrix, support, words = _kernel_matrix(problem, settings, columns)

    def progress(passes: int, worst: float) -> None:
        reached = f", worst residual {worst:.1e}" if np.isfinite(worst) else ""
        problem.progress.show(f"block Krylov, {passes} kernel products{reached}")

    modes = krylov_modes(
        matrix,
        problem.pairs,
        start,
        n_modes,
        n_wanted=settings.n_wanted,
        tolerance=settings.tolerance,
        max_passes=settings.max_iter,
        max_columns=columns,
        processes=problem.processes,
        progress=progress,
    )
    if modes.indefiniteness > indefinite_share(problem.eps):
        raise ValueError(indefinite_message(modes.indefiniteness))
    how = f"block Krylov, {modes.passes} kernel products, {words}: {why}"
    return exact_solution(modes, problem, support, how, 100 * problem.eps)


def _kernel_matrix(
    problem: Problem, settings: SolverSettings, basis_columns: int
) -> tuple[KernelMatrix, Any, str]:
    """Return K~ as an operator within the memory budget, the prepared rows, and how it is kept, in words."""
    n_views, processes = problem.n_views, problem.processes
    if problem.kernel is None:
        return StoredKernelMatrix(problem.rows.all(), processes), None, "kernel given"
    prepared = problem.kernel.prepare(problem.rows.all())
    budget = settings.memory_budget
    if budget is None:
        # Processes on one machine share its memory; each has a GPU of its own.
        sharing = processes.size if problem.rows.device.type == "cpu" else 1
        budget = 0.7 * free_memory(problem.rows.device) / sharing + _nbytes(prepared)
    size = problem.rows.dtype.itemsize
    # The basis and its images, and a few blocks of all rows that a product passes around.
    arrays = size * n_views * (2 * basis_columns // processes.size + 256)
    storage = budget - _nbytes(prepared) - arrays
    if storage < 0:
        raise MemoryError(
            f"expected memory_budget above {size_in_words(budget - storage)}, which the rows and the basis"
            f" of {n_views:,} views take, got {size_in_words(budget)}; raise it, ask for fewer components,"
            " or use solver='nystrom'"
        )
    own = problem.kernel.kernel_matrix(prepared, storage, processes)
    if own is not None:
        words = "kernel stored" if isinstance(own, StoredKernelMatrix) else "kernel never stored"
        return own, prepared, words
    share = min(1.0, storage / panel_storage(n_views, processes.size, size))
    words = "kernel stored" if share == 1 else f"{share:.0%} of the kernel stored and the rest recomputed"
    matrix = PanelKernelMatrix(
        problem.kernel,
        prepared,
        storage=storage,
        processes=processes,
        progress=lambda done: problem.progress.show("kernel matrix", done),
    )
    return matrix, prepared, words


def _nbytes(prepared: Any) -> int:
    return prepared.nbytes if isinstance(prepared, Tensor) else prepared.data.nbytes


def block_width(n_modes: int) -> int:
    """Return how many columns a kernel product multiplies: whole registers, narrow for a deep basis."""
    return 16 if n_modes <= 20 else 32 if n_modes <= 80 else 48


def _basis_columns(n_views: int, n_modes: int, width: int) -> int:
    """Return how long the Krylov basis may grow before it restarts, which loses digits and time."""
    generous = 30 if n_views <= 20_000 else 12
    return min(max(generous * n_modes, 10 * width), n_modes + 1500, max(n_views, 3 * width + n_modes))
