"""Which eigensolver a problem gets."""

from __future__ import annotations

import numpy as np

from eigenstep.kernel.solvers._budget import fits_dense
from eigenstep.kernel.solvers._dense import run_dense
from eigenstep.kernel.solvers._invariance import by_invariance, principal_problem
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
    direct, wanted = problem, settings
    if settings.n_principal is not None:
        direct, wanted = principal_problem(problem, settings)
    name, why = choose_solver(wanted, problem.n_views, problem.kernel is None)
    may_choose = wanted.solver == "auto" and wanted.n_modes is not None
    if name == "dense" and may_choose and not fits_dense(problem, wanted):
        name, why = "krylov", "dense algebra takes more than memory_budget"
    if name == "nystrom":
        return run_nystrom(problem, settings, generator, why)
    dense = name == "dense"
    found = run_dense(direct, wanted, why) if dense else run_krylov(direct, wanted, generator, why)
    return found if settings.n_principal is None else by_invariance(found, problem, settings)


def choose_solver(settings: SolverSettings, n_views: int, precomputed: bool) -> tuple[str, str]:
    """Return a solver's name and why it was chosen, in words.

    "auto": dense up to 1,000 views, or where a good part of all modes is asked for; block Krylov, as exact,
    up to 50,000 views; Nystrom beyond, with a warning, since its slow modes are biased.

    Examples
    --------
    >>> settings = SolverSettings("auto", 10, 10, 1e-6, 1e-3, 100, 2000, polish=0, memory_budget=None)
    >>> choose_solver(settings, 4000, precomputed=False)
    ('krylov', '4,000 views are more than 1,000')
    >>> choose_solver(settings, 1_000_000, precomputed=False)
    ('nystrom', '1,000,000 views are more than 50,000')
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
