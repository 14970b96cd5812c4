"""What a solver is given and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel._processes import Processes
from eigenstep.kernel._progress import SolverProgress
from eigenstep.kernel.functions import Kernel
from eigenstep.kernel.pairs import PairGraph, PairOperator, SmallStartObjective
from eigenstep.kernel.solvers._view_rows import ViewRows

if TYPE_CHECKING:
    from eigenstep.kernel.solvers._nystrom import NystromPass


@dataclass(frozen=True)
class SolverSettings:
    """What of the estimator's parameters concerns the solver.

    Attributes
    ----------
    n_modes : int | None
        How many to find, or None for every positive eigenvalue.
    n_wanted : int | None
        How many of them must meet the tolerance; the next one only tells what leaks into these.
    n_principal : int | None
        Order modes by rho, in so many principal directions; None is the order of gamma.
    tolerance, acceptable : float
        Residual over eigenvalue that is aimed at, and that is taken without a warning.
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
    n_principal: int | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """Views, their pairs and their kernel.

    Attributes
    ----------
    graph, objective
        Positive pairs, and what is made of them.
    center : bool
        Whether the kernel is centred over the views.
    kernel : Kernel | None
        None means that the rows are the kernel matrix itself.
    """

    rows: ViewRows
    graph: PairGraph
    objective: SmallStartObjective
    center: bool
    kernel: Kernel | None
    processes: Processes
    progress: SolverProgress

    @property
    def n_views(self) -> int:
        return self.rows.n_views

    @property
    def pairs(self) -> PairOperator:
        """A over all views, as the objective and centring make it of the graph."""
        operator = self.objective.operator(self.graph)
        return operator.center() if self.center else operator

    @property
    def eps(self) -> float:
        return torch.finfo(self.rows.dtype).eps


class SymmetricOperator(Protocol):
    """A symmetric operator on blocks (N, b) of columns: the kernel matrix, or the pairs."""

    def product(self, block: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Modes:
    """Modes with A K~ a = gamma a and a^T K~ a = 1: unit norm in the kernel's function space.

    Attributes
    ----------
    eigenvalues : NDArray[np.float64]
        (k,) gamma, descending, float64.
    vectors : Tensor
        (N, k) a.
    values : Tensor
        (N, k) K~ a, each mode's value on the training views.
    residuals : NDArray[np.float64]
        (k,) ||A K~ a - gamma a||_K~, measured.
    passes : int
        Products with K~ that it took.
    indefiniteness : float
        The size of K~'s most negative eigenvalue over the largest, as far as it was seen.
    kernel_size : float
        A norm of K~.
    """

    eigenvalues: NDArray[np.float64]
    vectors: Tensor
    values: Tensor
    residuals: NDArray[np.float64]
    passes: int = 1
    indefiniteness: float = 0.0
    kernel_size: float = 0.0

    @classmethod
    def none(cls, n_views: int) -> Modes:
        """Return no mode at all, as of a kernel that vanishes."""
        empty = torch.empty(n_views, 0, dtype=torch.float64)
        return cls(np.empty(0), empty, empty.clone(), np.empty(0))


@dataclass(frozen=True, eq=False)
class Solution:
    """Modes as sums over support rows.

    Attributes
    ----------
    eigenvalues, residuals : NDArray[np.float64]
        (k,).
    mean_squares : NDArray[np.float64]
        (k,) of the modes over the training views, of centred modes their variance.
    means : NDArray[np.float64]
        (k,) of a^T k~ over the training views.
    coefficients : Tensor
        (m, k) on the support, of signs that do not hang on rounding.
    support : Any
        Prepared rows (m, ...), None for a precomputed kernel.
    passes : int
        Products with the kernel of all views.
    summed : NystromPass | None
        What further batches can be added to.
    examples : Any
        Some of the training views (r, ...) to learn pre-images from, or None for all of them.
    values : Tensor | None
        (N, k) the modes' values on the training views, float64 on the CPU, of exact solvers.
    rho : NDArray[np.float64] | None
        (k,) of modes in its order.
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
    examples: Any = None
    values: Tensor | None = None
    rho: NDArray[np.float64] | None = None


# Roundings of the largest eigenvalue that A K~ could have, up to which one that it has may be nothing else.
_ROUNDINGS = 100


def exact_solution(
    modes: Modes, problem: Problem, support: Any, words: str, resolution: float, eps: float
) -> Solution:
    """Keep the modes whose eigenvalues are positive beyond rounding.

    Parameters
    ----------
    resolution : float
        The least eigenvalue over the largest that is told from zero.
    eps : float
        Relative precision of the kernel's values.
    """
    gamma = modes.eigenvalues
    values = modes.values.cpu().double()
    # The sign is that of the largest value; coefficients are not unique where the kernel is singular.
    peaks = values.gather(0, values.abs().argmax(dim=0, keepdim=True))[0]
    signs = torch.where(peaks < 0, -1.0, 1.0)
    values *= signs
    means = values.mean(dim=0)
    squares = (values - means * problem.center).square().mean(dim=0)
    # Where A takes off what K~ has, as weights that are nearly all negative do, the largest is rounding too.
    possible = problem.pairs.norm_bound() * modes.kernel_size
    kept = gamma > max(resolution * float(gamma.max(initial=0.0)), _ROUNDINGS * eps * possible)
    if problem.center:
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
        values=values[:, torch.from_numpy(kept)],
    )


def support_precision(support: Any, problem: Problem) -> torch.dtype:
    """Return the type in which new rows meet a support."""
    return support.dtype if isinstance(support, Tensor) else problem.rows.dtype
