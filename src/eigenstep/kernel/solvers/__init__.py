"""From a kernel and its pairs to modes: dense, block Krylov, and Nystrom on landmarks.

`solve` runs the solver that `choose_solver` names on a `Problem`. Each solver is also a function of its own:
`dense_modes`, `krylov_modes`, and `choose_landmarks` with a `NystromAccumulator`.
"""

from eigenstep.kernel._processes import ALONE, Processes
from eigenstep.kernel.solvers._dense import dense_modes
from eigenstep.kernel.solvers._invariance import InvariantModes, invariant_modes
from eigenstep.kernel.solvers._kernel_matrix import (
    CenteredKernelMatrix,
    KernelMatrix,
    PanelKernelMatrix,
    StoredKernelMatrix,
    panel_height,
    panel_storage,
)
from eigenstep.kernel.solvers._krylov import krylov_modes
from eigenstep.kernel.solvers._krylov_basis import KrylovBasis, RitzPairs
from eigenstep.kernel.solvers._landmark_modes import NystromAccumulator, NystromModes, mode_values
from eigenstep.kernel.solvers._landmarks import Landmarks, choose_landmarks
from eigenstep.kernel.solvers._nystrom import NystromPass, nystrom_solution, start_pass
from eigenstep.kernel.solvers._nystrom_residuals import estimated_residuals, sampled_pairs_factor
from eigenstep.kernel.solvers._problem import Modes, Problem, Solution, SolverSettings
from eigenstep.kernel.solvers._solve import choose_solver, solve
from eigenstep.kernel.solvers._view_rows import SelectedRows, ViewRows, forget_pages, memory_map

__all__ = [
    "ALONE",
    "CenteredKernelMatrix",
    "InvariantModes",
    "KernelMatrix",
    "KrylovBasis",
    "Landmarks",
    "Modes",
    "NystromAccumulator",
    "NystromModes",
    "NystromPass",
    "PanelKernelMatrix",
    "Problem",
    "Processes",
    "RitzPairs",
    "SelectedRows",
    "Solution",
    "SolverSettings",
    "StoredKernelMatrix",
    "ViewRows",
    "choose_landmarks",
    "choose_solver",
    "dense_modes",
    "estimated_residuals",
    "forget_pages",
    "invariant_modes",
    "krylov_modes",
    "memory_map",
    "mode_values",
    "nystrom_solution",
    "panel_height",
    "panel_storage",
    "sampled_pairs_factor",
    "solve",
    "start_pass",
]
