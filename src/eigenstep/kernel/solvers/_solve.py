"""Which eigensolver a problem gets, and its run."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from eigenstep.kernel._memory import free_memory
from eigenstep.kernel._processes import Processes
from eigenstep.kernel._progress import Progress
from eigenstep.kernel._view_rows import ViewRows
from eigenstep.kernel.functions._kernel_functions import Kernel
from eigenstep.kernel.pairs._objectives import Objective
from eigenstep.kernel.pairs._pair_graph_base import PairGraph
from eigenstep.kernel.pairs._pair_operator import PairOperator
from eigenstep.kernel.solvers._dense_modes import dense_modes, indefinite_message, indefinite_share
from eigenstep.kernel.solvers._kernel_matrix import (
    KernelMatrix,
    PanelKernelMatrix,
    StoredKernelMatrix,
    panel_storage,
)
from eigenstep.kernel.solvers._krylov import krylov_modes
from eigenstep.kernel.solvers._modes import Modes
from eigenstep.kernel.solvers._nystrom import mode_values
from eigenstep.kernel.solvers._nystrom_pass import NystromPass

DENSE_VIEWS = 1000
EXACT_VIEWS = 50_000


@dataclass(frozen=True)
class SolverSettings:
    """What of the estimator's parameters concerns the solver."""

    solver: str
    n_modes: int | None
    tolerance: float
    acceptable: float
    max_iter: int
    n_landmarks: int
    polish: int
    memory_budget: float | None


@dataclass(frozen=True, eq=False)
class Problem:
    """Views, their pairs and their kernel.

    graph, objective : positive pairs, and what is made of them
    centred : whether the kernel is centred over the views
    kernel : None means that the rows are the kernel matrix itself
    """

    rows: ViewRows
    graph: PairGraph
    objective: Objective
    centred: bool
    kernel: Kernel | None
    processes: Processes
    progress: Progress

    @property
    def n_views(self) -> int:
        return self.rows.n_views

    @property
    def pairs(self) -> PairOperator:
        """A over all views, as the objective and centring make it of the graph."""
        operator = self.objective.operator(self.graph)
        return operator.centred() if self.centred else operator

    @property
    def eps(self) -> float:
        return torch.finfo(self.rows.dtype).eps


@dataclass(frozen=True, eq=False)
class Solution:
    """Modes as sums over support rows.

    eigenvalues, residuals : (k,)
    mean_squares : (k,) of the modes over the training views, of centred modes their variance
    means : (k,) of a^T k~ over the training views
    coefficients : (m, k) on the support, of signs that do not hang on rounding
    support : prepared rows (m, ...), None for a precomputed kernel
    passes : products with the kernel of all views
    summed : what further batches can be added to
    """

    eigenvalues: NDArray[np.float64]
    residuals: NDArray[np.float64]
    mean_squares: NDArray[np.float64]
    means: NDArray[np.float64]
    coefficients: Tensor
    support: Any
    passes: int
    solver: str
    summed: NystromPass | None = None


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


def solve(problem: Problem, settings: SolverSettings, generator: np.random.Generator) -> Solution:
    """Run the solver that the settings ask for.

    Raises
    ------
    ValueError : an indefinite kernel
    MemoryError : a budget too small for the solver's own arrays
    """
    name, why = choose_solver(settings, problem.n_views, problem.kernel is None)
    if name == "dense":
        return _dense(problem, settings, why)
    if name == "krylov":
        return _krylov(problem, settings, generator, why)
    return _nystrom(problem, settings, generator, why)


def _dense(problem: Problem, settings: SolverSettings, why: str) -> Solution:
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
    later = torch.finfo(_precision(support, problem)).eps
    resolution = max(problem.n_views * eps, 100 * later)
    return _solution(modes, problem, support, f"dense: {why}", resolution)


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


def _precision(support: Any, problem: Problem) -> torch.dtype:
    return support.dtype if isinstance(support, Tensor) else problem.rows.dtype


def _largest(matrix: NDArray[np.float64]) -> float:
    return max(float(matrix.max()), -float(matrix.min()))


def _krylov(problem: Problem, settings: SolverSettings, generator: np.random.Generator, why: str) -> Solution:
    width = min(block_width(settings.n_modes or problem.n_views), problem.n_views)
    random = torch.from_numpy(generator.standard_normal((problem.n_views, width)))
    start = problem.processes.same(random).to(problem.rows.device, problem.rows.dtype)
    solution = _iterate(problem, settings, start, why)
    worst = _worst(solution)
    lacking = len(solution.eigenvalues) < min(settings.n_modes or 0, problem.n_views)
    single = problem.eps > 1e-10 and problem.rows.device.type != "mps"
    if single and (lacking or worst > settings.acceptable):
        # A kernel of which one mode is nearly all has the others below float32's rounding of that one.
        rows = ViewRows(problem.rows.parts, problem.rows.device, torch.float64)
        start = torch.cat((solution.coefficients.double(), random.to(problem.rows.device)), dim=1)
        why += "; in float64, for float32 " + ("lost modes" if lacking else f"left residuals of {worst:.0e}")
        solution = _iterate(replace(problem, rows=rows), settings, start, why)
        worst = _worst(solution)
    if worst > settings.acceptable:
        warnings.warn(
            f"the modes' worst residual is {worst:.1e} of its eigenvalue, above tol={settings.tolerance:.0e}:"
            " raise max_iter or tol, or ask for fewer components",
            ConvergenceWarning,
            stacklevel=4,
        )
    return solution


def _worst(solution: Solution) -> float:
    return float((solution.residuals / solution.eigenvalues).max(initial=0.0))


def _iterate(problem: Problem, settings: SolverSettings, start: Tensor, why: str) -> Solution:
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
        tolerance=settings.tolerance,
        max_passes=settings.max_iter,
        max_columns=columns,
        processes=problem.processes,
        progress=progress,
    )
    if modes.indefiniteness > indefinite_share(problem.eps):
        raise ValueError(indefinite_message(modes.indefiniteness))
    how = f"block Krylov, {modes.passes} kernel products, {words}: {why}"
    return _solution(modes, problem, support, how, 100 * problem.eps)


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
    size = torch.finfo(problem.rows.dtype).bits // 8
    # The basis and its images, and a few blocks of all rows that a product passes around.
    arrays = size * n_views * (2 * basis_columns // processes.size + 256)
    storage = budget - _nbytes(prepared) - arrays
    if storage < 0:
        raise MemoryError(
            f"expected memory_budget above {(budget - storage) / 2**30:.2f} GiB, which the rows and the basis"
            f" of {n_views:,} views take, got {budget / 2**30:.2f} GiB; raise it, ask for fewer components,"
            " or use solver='nystrom'"
        )
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


def _solution(modes: Modes, problem: Problem, support: Any, words: str, resolution: float) -> Solution:
    """Keep the modes whose eigenvalues are positive beyond rounding."""
    gamma = modes.eigenvalues
    values = modes.values.cpu().double()
    # The sign is that of the largest value; coefficients are not unique where the kernel is singular.
    peaks = values.gather(0, values.abs().argmax(dim=0, keepdim=True))[0]
    signs = torch.where(peaks < 0, -1.0, 1.0)
    values *= signs
    means = values.mean(dim=0)
    squares = (values - means * problem.centred).square().mean(dim=0)
    kept = gamma > resolution * max(float(gamma.max(initial=0.0)), 0.0)
    if problem.centred:
        # Of a constant kernel centring leaves rounding, the largest of which is no mode either.
        kept &= squares.sqrt().numpy() > 100 * problem.eps * means.abs().numpy()
    return Solution(
        eigenvalues=gamma[kept],
        residuals=modes.residuals[kept],
        mean_squares=squares.numpy()[kept],
        means=means.numpy()[kept],
        coefficients=(modes.vectors * signs.to(modes.vectors))[:, torch.from_numpy(kept)].to(
            problem.rows.device, _precision(support, problem)
        ),
        support=support,
        passes=modes.passes,
        solver=words,
    )


def _nystrom(
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
    return replace(_iterate(problem, few, start, words), summed=summed)
