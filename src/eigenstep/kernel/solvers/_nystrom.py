"""The solver "nystrom": landmarks, and one pass over the views, in one go or batch by batch."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel._processes import Processes
from eigenstep.kernel.functions import AnchoredKernel, Kernel, stacked
from eigenstep.kernel.pairs import PairGraph, SmallStartObjective, sample_share, some_samples, weighted_views
from eigenstep.kernel.solvers._budget import rows_in_block
from eigenstep.kernel.solvers._indefinite import eps_once_centered, refuse_indefinite
from eigenstep.kernel.solvers._invariance import by_invariance, ordered, principal_problem
from eigenstep.kernel.solvers._kernel_matrix import center_twice
from eigenstep.kernel.solvers._krylov import block_width, iterate
from eigenstep.kernel.solvers._landmark_modes import NystromAccumulator, NystromModes, mode_values
from eigenstep.kernel.solvers._landmarks import choose_landmarks, to_float64
from eigenstep.kernel.solvers._nystrom_residuals import estimated_residuals
from eigenstep.kernel.solvers._problem import Problem, Solution, SolverSettings
from eigenstep.kernel.solvers._view_rows import SelectedRows, ViewRows

# Candidates for each landmark, and views that residuals are estimated from.
_CANDIDATES = 10
_SAMPLE_VIEWS = 2000
# Candidates whose kernel matrix is searched for negative eigenvalues, and for an anchor amid the others: one
# far from all would cost digits.
_CHECKED = 500


def run_nystrom(
    problem: Problem, settings: SolverSettings, generator: np.random.Generator, why: str
) -> Solution:
    processes = problem.processes
    if settings.n_modes is None and settings.n_principal is None:
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
    return nystrom_solution(summed, settings, why, processes)


def start_pass(problem: Problem, settings: SolverSettings, generator: np.random.Generator) -> NystromPass:
    """Choose landmarks among a problem's views; ValueError for a precomputed kernel.

    MemoryError, with the bytes it takes, for a budget that is too small.

    Examples
    --------
    >>> from eigenstep.kernel._progress import SolverProgress
    >>> from eigenstep.kernel.functions import make_kernel
    >>> from eigenstep.kernel.pairs import make_objective, paired
    >>> from eigenstep.kernel.solvers import nystrom_solution, start_pass
    >>> rows = np.random.default_rng(0).normal(size=(40, 3))
    >>> views = ViewRows([rows, rows + 0.1], torch.device("cpu"), torch.float64)
    >>> kernel, objective = make_kernel("rbf", torch.from_numpy(rows)), make_objective("barlow_twins")
    >>> problem = Problem(views, paired(40), objective, True, kernel, Processes(), SolverProgress(False))
    >>> settings = SolverSettings("nystrom", 2, 2, 1e-6, 1e-3, 100, 20, polish=0, memory_budget=None)
    >>> summed = start_pass(problem, settings, np.random.default_rng(0))
    >>> summed.add(views, problem.graph, problem.processes, lambda done, total: None)
    >>> nystrom_solution(summed, settings, "as asked", problem.processes).eigenvalues.round(2)
    array([0.16, 0.1 ])
    """
    if problem.kernel is None:
        raise ValueError(
            "solver='nystrom' saves computing kernel values, which a precomputed kernel has: use 'krylov' or"
            " 'dense'"
        )
    block_rows = rows_in_block(problem, settings, _CANDIDATES * settings.n_landmarks, _SAMPLE_VIEWS)
    problem.progress.show("choosing landmarks")
    return NystromPass(
        problem.rows,
        problem.graph,
        problem.kernel,
        problem.objective,
        problem.center,
        settings.n_landmarks,
        generator,
        problem.processes,
        block_rows,
        by_invariance=settings.n_principal is not None,
    )


def nystrom_solution(
    summed: NystromPass, settings: SolverSettings, why: str, processes: Processes
) -> Solution:
    """Return the modes of what a pass over the views has summed up so far, in all processes."""
    together = summed.reduced(processes)
    if settings.n_principal is not None:
        return _by_invariance(together, summed, settings, why)
    assert settings.n_modes is not None
    modes = together.modes(settings.n_modes)
    residuals, ratios = together.estimates(modes)
    support, coefficients, means = together.as_sums(modes)
    return Solution(
        eigenvalues=modes.eigenvalues,
        residuals=residuals * modes.eigenvalues,
        mean_squares=modes.eigenvalues / ratios,
        means=means,
        coefficients=coefficients,
        support=support,
        examples=summed.examples,
        passes=1,
        solver=f"Nystrom, {len(modes.coefficients):,} landmarks, one pass: {why}",
        summed=summed,
    )


def _by_invariance(
    together: NystromPass, summed: NystromPass, settings: SolverSettings, why: str
) -> Solution:
    assert settings.n_principal is not None
    accumulator = together.accumulator
    found, modes, principal = accumulator.solve_by_invariance(settings.n_principal, center=together.center)
    support, coefficients, means = together.as_sums(modes)
    n_landmarks = len(modes.coefficients)
    every = Solution(
        eigenvalues=modes.eigenvalues,
        residuals=np.empty(0),
        mean_squares=np.empty(0),
        means=means,
        coefficients=coefficients,
        support=support,
        examples=summed.examples,
        passes=1,
        solver=f"Nystrom, {n_landmarks:,} landmarks, one pass: {why}",
        summed=summed,
    )
    relative, _ = together.estimates(principal)
    assert accumulator.sums is not None
    n_samples = int(accumulator.sums.n_samples)
    return ordered(every, found, relative, n_samples, n_landmarks, settings, accumulator.features.rounding)


class NystromPass:
    """Landmarks, the sums over all views so far, and a sample of the views to estimate errors from.

    Landmarks and sample come from the first batch, so later batches should be like it.

    Parameters
    ----------
    rows, graph
        The first batch's views and pairs.
    kernel, objective, center
        The problem.
    n_landmarks : int
        At most; fewer explain everything of a low-rank kernel.
    generator : np.random.Generator
        Where landmarks and sample are drawn from.
    processes : Processes
        Who shares the work; landmarks are the first one's.
    block_rows : int
        Rows of features in memory at a time.
    by_invariance : bool
        Sum what modes by rho need.
    """

    def __init__(
        self,
        rows: ViewRows,
        graph: PairGraph,
        kernel: Kernel,
        objective: SmallStartObjective,
        center: bool,
        n_landmarks: int,
        generator: np.random.Generator,
        processes: Processes,
        block_rows: int,
        *,
        by_invariance: bool = False,
    ) -> None:
        self.block_rows = block_rows
        self.by_invariance = by_invariance
        self.objective, self.center = objective, center
        self.n_views = 0
        indices, anchor, factor = _shared_landmarks(rows, kernel, n_landmarks, center, generator, processes)
        # Rows may be on disk or change later: what is kept of them is a copy.
        self.landmarks = kernel.prepare(rows.take(indices))
        if center:
            kernel = AnchoredKernel(kernel, kernel.prepare(rows.take(anchor)))
        self.accumulator = NystromAccumulator(
            kernel,
            self.landmarks,
            factor,
            moments=by_invariance or objective.name != "barlow_twins",
            exact=by_invariance,
        )
        self._sample = None
        few = some_samples(graph, _SAMPLE_VIEWS, generator)
        self.examples = rows.take(indices if few is None else few[0])
        if few is not None:
            self._sample = ViewRows([self.examples], rows.device, rows.dtype), few[1]

    def add(
        self,
        rows: ViewRows,
        graph: PairGraph,
        processes: Processes,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Sum up a batch of views; every process takes its share of the samples."""
        if self.by_invariance and not np.array_equal(graph.view_weights(), graph.row_sums()):
            raise ValueError(
                "expected no negative weights in pair_graph for order='invariance' on landmarks; use"
                " solver='dense' or 'krylov'"
            )
        indices, share = sample_share(graph, processes.rank, processes.size)
        views = rows if processes.size == 1 else SelectedRows(rows, indices)
        self.accumulator.add(views, share, block_rows=self.block_rows, progress=progress)
        self.n_views += rows.n_views

    def reduced(self, processes: Processes) -> NystromPass:
        """Return the same with the sums of all processes; this one keeps its own."""
        if processes.size == 1:
            return self
        together = copy.copy(self)
        together.accumulator = copy.copy(self.accumulator)
        together.accumulator.all_reduce(processes)
        return together

    def modes(self, n_modes: int) -> NystromModes:
        """Return the modes of all that was added, those of positive eigenvalues only."""
        modes = self.accumulator.solve(n_modes, objective=self.objective, center=self.center)
        kept = slice(min(n_modes, modes.n_positive))
        return NystromModes(
            modes.eigenvalues[kept], modes.coefficients[:, kept], modes.offsets[kept], modes.n_positive
        )

    def estimates(self, modes: NystromModes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return each mode's residual relative to its eigenvalue and its invariance ratio, (k,) each.

        By invariance the modes are principal directions, and the ratios say nothing.
        """
        if self._sample is None:
            unknown = np.full(len(modes.eigenvalues), np.nan)
            return unknown, unknown.copy()
        rows, graph = self._sample
        counted = weighted_views(graph.view_weights()) if self.by_invariance else graph
        operator = self.objective.operator(counted)
        operator = operator.center() if self.center else operator
        return estimated_residuals(
            self.accumulator, modes, rows, operator, n_views=self.n_views, samples=graph
        )

    def as_sums(self, modes: NystromModes) -> tuple[Any, Tensor, NDArray[np.float64]]:
        """Return the modes as sums of the kernel given: its support, coefficients, and means over all views.

        A mode of the anchored kernel is sum_i c_i (k(m_i, x) - k(z, x)) and a constant: the anchor z is one
        row more of the support, and the weights add up to zero.
        """
        sums = self.accumulator.sums
        assert sums is not None
        features = self.accumulator.features
        upper = features.factor.T @ modes.coefficients
        means = upper.T @ features.whitened(sums.mean)
        if not isinstance(features.kernel, AnchoredKernel):
            return self.landmarks, modes.coefficients, means.cpu().numpy()
        kernel, anchor = features.kernel.kernel, features.kernel.anchor
        support = stacked(self.landmarks, anchor)
        coefficients = torch.cat((modes.coefficients, -modes.coefficients.sum(dim=0, keepdim=True)))
        at_anchor = to_float64(kernel.block(anchor, support)) @ coefficients
        return support, coefficients, (means + at_anchor[0]).cpu().numpy()


def _shared_landmarks(
    rows: ViewRows,
    kernel: Kernel,
    n_landmarks: int,
    center: bool,
    generator: np.random.Generator,
    processes: Processes,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Tensor]:
    """Return the landmarks' views, an anchor's (1,) and the landmarks' factor, the same in every process.

    With `center` the factor is that of the kernel about the anchor.
    """
    n_candidates = min(rows.n_views, _CANDIDATES * n_landmarks)
    candidates = np.sort(generator.choice(rows.n_views, n_candidates, replace=False))
    taken = rows.take(candidates)
    exact = taken if rows.is_sparse or rows.device.type == "mps" else taken.double()
    prepared = kernel.prepare(exact)
    few = np.unique(np.linspace(0, n_candidates - 1, _CHECKED).astype(int))
    values = to_float64(kernel.block(prepared[few], prepared[few])).cpu()
    _check_definite(values, torch.finfo(rows.dtype).eps, center)
    # Of these the one that is nearest to the others, on average, in the kernel's space.
    nearest = few[int((values.diagonal() - 2 * values.mean(dim=0)).argmin())]
    anchor = processes.same(torch.tensor([nearest])).numpy()
    rounded = None
    if center:
        kernel = AnchoredKernel(kernel, prepared[anchor])
        rounded = kernel.rounded(prepared)
    chosen = choose_landmarks(
        kernel,
        prepared,
        n_landmarks,
        generator,
        precision=rows.dtype,
        rounded=rounded,
    )
    count = int(processes.same(torch.tensor(len(chosen.indices))))
    indices = np.zeros(count, dtype=np.int64)
    indices[: len(chosen.indices)] = candidates[chosen.indices][:count]
    factor = chosen.factor.new_zeros(count, count)
    size = min(count, len(chosen.factor))
    factor[:size, :size] = chosen.factor[:size, :size]
    return processes.same(torch.from_numpy(indices)).numpy(), candidates[anchor], processes.same(factor)


def _check_definite(values: Tensor, eps: float, centered: bool) -> None:
    """Refuse a kernel matrix with negative eigenvalues, which landmarks would not show."""
    if not bool(torch.isfinite(values).all()):
        raise ValueError("expected finite kernel values, got NaN or infinity; scale the rows down")
    if centered:
        before, values = values, center_twice(values)
        eps = eps_once_centered(eps, float(before.abs().max()), float(values.abs().max()))
    eigenvalues = torch.linalg.eigvalsh(values)
    size = max(float(eigenvalues.abs().max()), np.finfo(np.float64).tiny)
    refuse_indefinite(-float(eigenvalues[0]) / size, eps, centered=centered)


def _polished(summed: NystromPass, problem: Problem, settings: SolverSettings, why: str) -> Solution:
    together, direct, wanted = summed.reduced(problem.processes), problem, settings
    if settings.n_principal is not None:
        direct, wanted = principal_problem(problem, settings)
    assert wanted.n_modes is not None
    count = wanted.n_modes + block_width(wanted.n_modes)
    if settings.n_principal is None:
        modes = together.modes(count)
    else:
        modes = together.accumulator.solve_by_invariance(count, center=problem.center)[2]
    start = direct.pairs.product(
        mode_values(summed.accumulator.features.kernel, summed.landmarks, modes, problem.rows)
    )
    # One product more measures the residuals.
    few = replace(wanted, max_iter=settings.polish + 1)
    words = f"{why}, polished from {len(modes.coefficients):,} landmarks"
    solution = replace(iterate(direct, few, start, words), summed=summed, examples=summed.examples)
    return solution if settings.n_principal is None else by_invariance(solution, problem, settings)
