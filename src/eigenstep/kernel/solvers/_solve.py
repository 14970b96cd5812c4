"""Which eigensolver a problem gets."""

from __future__ import annotations

import numpy as np

from eigenstep.kernel.solvers._budget import fits_dense
from eigenstep.kernel.solvers._dense import run_dense
from eigenstep.kernel.solvers._krylov import run_krylov
from eigenstep.kernel.solvers._nystrom import run_nystrom
from eigenstep.kernel.solvers._problem import Problem, Solution, SolverSettings

DENSE_VIEWS = 1000
EXACT_VIEWS = 50_000


def solve(problem: Problem, settings: SolverSettings, generator: np.random.Generator) -> Solution:
    """Run the solver that the settings ask for.

    Raises
    ------
    ValueError
        An indefinite kernel.
    MemoryError
        A budget too small for the solver's own arrays.
    """
    name, why = choose_solver(settings, problem.n_views, problem.kernel is None)
    may_choose = settings.solver == "auto" and settings.n_modes is not None
    if name == "dense" and may_choose and not fits_dense(problem, settings):
        name, why = "krylov", "dense algebra takes more than memory_budget"
    if name == "dense":
        return run_dense(problem, settings, why)
    if name == "krylov":
        return run_krylov(problem, settings, generator, why)
    return run_nystrom(problem, settings, generator, why)


def choose_solver(settings: SolverSettings, n_views: int, precomputed: bool) -> tuple[str, str]:
    """Return a solver's name and why it was chosen, in words.

    "auto": dense up to 1,000 views, or where a good part of all modes is asked for; block Krylov, as exact,
    up to 50,000 views; Nystrom beyond, with a warning, since its slow modes are biased.
    """
    if settings.solver != "auto":
        return settings.solver, "as asked"
    n_modes = settings.n_modes
    if n_modes is None:
        return "dense", "every positive eigenvalue was asked for"
    if n_views <= DENSE_VIEWS:
        return "dense", f"{n_views:,} views are at most {DENSE_VIEWS:,}"
    if 8 * n_modes >= n_views:
        return "dense", f"{n_modes:,} modes are a good part of {n_views:,}"
    if n_views <= EXACT_VIEWS or precomputed:
        return "krylov", f"{n_views:,} views are more than {DENSE_VIEWS:,}"
    return "nystrom", f"{n_views:,} views are more than {EXACT_VIEWS:,}"
