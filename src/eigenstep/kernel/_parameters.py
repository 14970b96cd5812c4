"""The estimator's parameters: their ranges, and what the solvers make of them."""

from __future__ import annotations

import numbers
import zlib
from typing import TYPE_CHECKING

import numpy as np
import torch

from eigenstep.kernel.solvers import SolverSettings

if TYPE_CHECKING:
    from eigenstep.kernel._estimator import ContrastiveKernelPCA


def check_parameters(estimator: ContrastiveKernelPCA) -> None:
    """Raise ValueError that names the first parameter out of range."""
    for name, least, none in (
        ("n_components", 1, True),
        ("n_views", 2, False),
        ("n_landmarks", 1, False),
        ("polish", 0, False),
        ("max_iter", 2, False),
        ("n_principal", 1, False),
    ):
        value = getattr(estimator, name)
        if value is None and none:
            continue
        if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"expected {name} as an integer >= {least}{' or None' * none}, got {value!r}")
    if estimator.solver not in ("auto", "dense", "krylov", "nystrom"):
        raise ValueError(f"expected solver among auto, dense, krylov, nystrom, got {estimator.solver!r}")
    _check_order(estimator)
    for name in ("tol", "memory_budget"):
        value = getattr(estimator, name)
        if value is not None and not (isinstance(value, numbers.Real) and float(value) > 0):
            raise ValueError(f"expected {name} as a positive number or None, got {value!r}")
    if not isinstance(estimator.alpha, numbers.Real) or not 0 <= float(estimator.alpha) < np.inf:
        raise ValueError(f"expected alpha as a number >= 0, got {estimator.alpha!r}")
    if estimator.fit_inverse_transform and estimator.kernel == "precomputed":
        raise ValueError(
            "Cannot fit_inverse_transform with a precomputed kernel, which knows no rows; pass rows and"
            " name the kernel"
        )
    if estimator.y_is not in (None, "view", "target"):
        raise ValueError(f"expected y_is as 'view', 'target' or None, got {estimator.y_is!r}")
    if estimator.augment is not None and not callable(estimator.augment):
        raise ValueError(f"expected augment as a callable (X, generator) -> views, got {estimator.augment!r}")


def _check_order(estimator: ContrastiveKernelPCA) -> None:
    if estimator.order not in ("gamma", "invariance"):
        raise ValueError(f"expected order as 'gamma' or 'invariance', got {estimator.order!r}")
    if estimator.order == "gamma":
        return
    if estimator.objective != "barlow_twins":
        raise ValueError(
            "expected objective='barlow_twins' for order='invariance', which is of the pairs alone whatever"
            f" the loss, got {estimator.objective!r}; center=True takes the mean off, as simclr does"
        )
    if estimator.n_components is not None and estimator.n_components > estimator.n_principal:
        raise ValueError(
            f"expected n_principal of at least n_components={estimator.n_components}, got"
            f" {estimator.n_principal}"
        )


def solver_settings(estimator: ContrastiveKernelPCA, dtype: torch.dtype) -> SolverSettings:
    """Return what of the parameters concerns the solver, for rows of a dtype."""
    # Float32 seldom gets far below its goal, and an eigenvalue's error is of the residual's square.
    goal, acceptable = (5e-4, 1e-2) if dtype == torch.float32 else (1e-6, 1e-5)
    return SolverSettings(
        solver=estimator.solver,
        # One mode more than asked for: the next eigenvalue tells how much of it leaks into the others.
        n_modes=None if estimator.n_components is None else estimator.n_components + 1,
        n_wanted=estimator.n_components,
        tolerance=goal if estimator.tol is None else estimator.tol,
        acceptable=acceptable if estimator.tol is None else 3 * estimator.tol,
        max_iter=estimator.max_iter,
        n_landmarks=estimator.n_landmarks,
        polish=estimator.polish,
        memory_budget=estimator.memory_budget,
        n_principal=estimator.n_principal if estimator.order == "invariance" else None,
    )


def parameters_code(estimator: ContrastiveKernelPCA) -> int:
    """Return a number that tells parameters apart on which the course of a fit depends."""
    names = (
        "n_components",
        "kernel",
        "objective",
        "objective_params",
        "center",
        "solver",
        "n_landmarks",
        "polish",
        "tol",
        "gamma",
        "degree",
        "coef0",
        "depth",
        "n_views",
        "max_iter",
        "order",
        "n_principal",
    )
    values = [getattr(estimator, name) for name in names]
    return zlib.crc32(repr([value for value in values if not callable(value)]).encode())
