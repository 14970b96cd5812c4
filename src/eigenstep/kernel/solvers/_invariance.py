"""Modes by what two views share of them: Gamma v = rho Sigma v in the views' leading principal directions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from eigenstep.kernel.pairs import weighted_views
from eigenstep.kernel.solvers._problem import Problem, Solution, SolverSettings

# Correlations up to so many roundings are none, and so are differences between them.
_ROUNDINGS = 100


@dataclass(frozen=True, eq=False)
class InvariantModes:
    """Functions in the order of rho, as coordinates over m functions orthonormal in the kernel's space.

    Attributes
    ----------
    rho : NDArray[np.float64]
        (r,) u^T Gamma u / u^T Sigma u: the correlation of a mode's values on two views, descending.
    gamma : NDArray[np.float64]
        (r,) u^T Gamma u, in no order.
    coordinates : NDArray[np.float64]
        (m, r) u, of unit norm.
    sigma, principal : NDArray[np.float64]
        (r,) and (m, r): the principal directions, and the mean square of each.
    """

    rho: NDArray[np.float64]
    gamma: NDArray[np.float64]
    coordinates: NDArray[np.float64]
    sigma: NDArray[np.float64]
    principal: NDArray[np.float64]


def invariant_modes(
    gamma: NDArray[np.float64],
    sigma: NDArray[np.float64],
    n_principal: int | None = None,
    *,
    floor: float = 0.0,
    resolution: float = 1e-12,
) -> InvariantModes:
    """Solve Gamma v = rho Sigma v in the leading eigenvectors of Sigma, r of them.

    Modes of equal rho, of which every mixture is one too, are told apart by their gamma, the largest first:
    where views agree, and rho is 1, these are the principal directions.

    Parameters
    ----------
    gamma, sigma : NDArray[np.float64]
        (m, m) symmetric, sigma positive semi-definite.
    n_principal : int | None
        r at most; all by default.
    floor : float
        Eigenvalues of Sigma up to this are rounding.
    resolution : float
        So are differences of rho.

    Examples
    --------
    >>> found = invariant_modes(np.diag([2.0, 1.5, 0.1]), np.diag([4.0, 2.0, 0.1]), 2)
    >>> found.rho, found.gamma
    (array([0.75, 0.5 ]), array([1.5, 2. ]))
    """
    sizes, directions = np.linalg.eigh((sigma + sigma.T) / 2)
    sizes, directions = sizes[::-1][:n_principal], directions[:, ::-1][:, :n_principal]
    kept = sizes > max(floor, 0.0)
    sizes, directions = sizes[kept], directions[:, kept]
    whitened = directions / np.sqrt(sizes)
    cross = whitened.T @ gamma @ whitened
    rho, vectors = np.linalg.eigh((cross + cross.T) / 2)
    rho, vectors = rho[::-1], vectors[:, ::-1].copy()
    starts = np.flatnonzero(np.diff(rho, prepend=np.inf) < -resolution)
    for start, stop in pairwise([*starts, len(rho)]):
        run = vectors[:, start:stop]
        if stop - start > 1:
            # The least norm for the same mean square is the largest gamma.
            vectors[:, start:stop] = run @ np.linalg.eigh((run.T / sizes) @ run)[1]
    norms = np.sqrt((vectors**2 / sizes[:, None]).sum(axis=0))
    return InvariantModes(rho, rho / norms**2, (whitened @ vectors) / norms, sizes, directions)


def principal_problem(problem: Problem, settings: SolverSettings) -> tuple[Problem, SolverSettings]:
    """Return the eigenproblem of the principal directions: A is how much each view counts, a diagonal."""
    graph, count = weighted_views(problem.graph.view_weights()), settings.n_principal
    return replace(problem, graph=graph), replace(settings, n_modes=count, n_wanted=count)


def by_invariance(principal: Solution, problem: Problem, settings: SolverSettings) -> Solution:
    """Return a problem's modes by invariance from its principal directions and their values on all views."""
    assert principal.values is not None, "exact solvers keep them"
    values = principal.values - torch.from_numpy(principal.means) * problem.center
    weights = principal_problem(problem, settings)[0].pairs
    # Not the eigenvalues that were found, but what the values have: their rounding can't pass for rho then.
    cross, second = (
        problem.processes.same(values.T @ operator.product(values)).numpy()
        for operator in (problem.pairs, weights)
    )
    found = invariant_modes(cross, second, resolution=_ROUNDINGS * problem.eps)
    turned = values @ torch.from_numpy(found.coordinates)
    peaks = turned.gather(0, turned.abs().argmax(dim=0, keepdim=True))[0]
    turn = found.coordinates * np.where(peaks.numpy() < 0, -1.0, 1.0)
    on_support = principal.coefficients.cpu().double() @ torch.from_numpy(turn)
    modes = replace(
        principal,
        means=principal.means @ turn,
        coefficients=on_support.to(principal.coefficients),
        values=None,
    )
    relative = principal.residuals / principal.eigenvalues
    return ordered(modes, found, relative, problem.graph.n_samples, problem.n_views, settings, problem.eps)


def ordered(
    modes: Solution,
    found: InvariantModes,
    relative: NDArray[np.float64],
    n_samples: int,
    n_directions: int,
    settings: SolverSettings,
    eps: float,
) -> Solution:
    """Return the modes of a positive rho, with what there is to say of them.

    Parameters
    ----------
    modes : Solution
        Means and coefficients of all modes that were found; of the rest what stays as it is.
    relative : NDArray[np.float64]
        (r,) the principal directions' residuals over their eigenvalues: a mode's is that of its mixture.
    n_samples, n_directions : int
        Samples, and how many principal directions there may be.
    """
    used = len(found.sigma)
    shares = (found.principal.T @ found.coordinates) ** 2
    kept = found.rho > _ROUNDINGS * eps
    rho, gamma = found.rho[kept], found.gamma[kept]
    if used >= n_samples and used and found.rho[-1] < 1 - 1e-6:
        warnings.warn(
            f"{used} principal directions can tell all {n_samples} samples apart, so that rho says nothing of"
            " other data: set a smaller n_principal, or fit more samples",
            UserWarning,
            stacklevel=5,
        )
    leading = f"the leading {used} of {n_directions:,} principal directions"
    if settings.n_principal is not None and used < settings.n_principal:
        leading = f"all {used} principal directions beyond rounding"
    return replace(
        modes,
        eigenvalues=gamma,
        residuals=np.sqrt(relative**2 @ shares)[kept] * gamma,
        mean_squares=gamma / rho,
        means=modes.means[kept],
        coefficients=modes.coefficients[:, torch.from_numpy(kept)],
        solver=f"{modes.solver}; by rho in {leading}",
        rho=rho,
    )
