"""What a solver is given and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel._processes import Processes
from eigenstep.kernel._progress import Progress
from eigenstep.kernel._view_rows import ViewRows
from eigenstep.kernel.functions import Kernel
from eigenstep.kernel.pairs import PairGraph, PairOperator, SmallStartObjective
from eigenstep.kernel.solvers._modes import Modes
from eigenstep.kernel.solvers._nystrom_pass import NystromPass


@dataclass(frozen=True)
class SolverSettings:
    """What of the estimator's parameters concerns the solver.

    n_modes : how many to find, or None for every positive eigenvalue
    n_wanted : how many of them must meet the tolerance; the next one only tells what leaks into these
    tolerance, acceptable : residual over eigenvalue that is aimed at, and that is taken without a warning
    """

    solver: str
    n_modes: int | None
    n_wanted: int | None
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
    objective: SmallStartObjective
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


def exact_solution(modes: Modes, problem: Problem, support: Any, words: str, resolution: float) -> Solution:
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
            problem.rows.device, support_precision(support, problem)
        ),
        support=support,
        passes=modes.passes,
        solver=words,
    )


def support_precision(support: Any, problem: Problem) -> torch.dtype:
    """Return the type in which new rows meet a support."""
    return support.dtype if isinstance(support, Tensor) else problem.rows.dtype
