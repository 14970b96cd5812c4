"""The closed-form solution of the linear model, as one object."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.spelling import renamed_keyword
from eigenstep.theory._aligned_start import aligned_start
from eigenstep.theory._cross_correlation import cross_correlation
from eigenstep.theory._eigenmodes import matching_weights, symmetric_operator, top_eigenmodes
from eigenstep.theory._learning_times import critical_times, half_times
from eigenstep.theory._mode_trajectories import loss_curve, mode_eigenvalues, mode_scales
from eigenstep.theory._update_rules import Rule


@dataclass(frozen=True, eq=False)
class LinearSolution:
    """The linear model f(x) = W x from a small start, at any time: W(t) = U diag(s(t)) V^T.

    Made by `solve_linear` from data or by `LinearSolution.from_operator` from Gamma. It solves
    dW/dt = -4 (W Gamma W^T - I) W Gamma exactly from the aligned start that stands for W(0) (see
    `aligned_start`), and approximates the true trajectory the better the smaller W(0) is. Eigenvalues and
    times converge long before the row space of W does: what is learned beyond the top d modes fades only
    as s(0)^(1 - gamma_{d+1} / gamma_d).

    With n_positive < d the loss ends at d - n_positive: modes with negative eigenvalue decay to zero, and
    those with zero eigenvalue stay where they are. Where eigenvalues coincide, compare the space of that
    group of modes, never one mode of it. Source: arXiv:2303.15438, section 4.

    Attributes
    ----------
    eigenvalues : NDArray[np.float64]
        (d,) gamma_1 >= ... >= gamma_d, the operator's top eigenvalues.
    modes : NDArray[np.float64]
        (m, d) their eigenvectors V, as columns.
    rotation : NDArray[np.float64]
        (d, d) the orthogonal U.
    start_scales : NDArray[np.float64]
        (d,) s_j(0).
    learning_rate : float | None
        None for gradient flow, else the rate of gradient descent (see `mode_eigenvalues`).
    rule : Rule
        gradient, preconditioned, orthogonalised, or a `Preconditioner` (see `mode_eigenvalues`). A
        preconditioned flow keeps the path of the plain one from any start, and so its row space: only its
        times differ. Orthogonalised updates keep it from an aligned start alone. From a generic one they move
        all directions at once at first; which modes they come to, and when, is then an approximation that
        does not get better with a smaller start.

    Examples
    --------
    >>> solution = LinearSolution.from_operator(np.diag([2.0, 1.0, 0.5]), 1e-3 * np.eye(2, 3))
    >>> solution.half_times.round(4)
    array([0.8201, 1.7269])
    >>> solution.loss([0.0, 1.2, np.inf]).round(3)
    array([2.   , 0.971, 0.   ])
    >>> solution.weights().round(3)
    array([[0.707, 0.   , 0.   ],
           [0.   , 1.   , 0.   ]])
    """

    eigenvalues: NDArray[np.float64]
    modes: NDArray[np.float64]
    rotation: NDArray[np.float64]
    start_scales: NDArray[np.float64]
    learning_rate: float | None = None
    rule: Rule = "gradient"

    @classmethod
    def from_operator(
        cls,
        operator: ArrayLike,
        weights: ArrayLike,
        learning_rate: float | None = None,
        *,
        rule: Rule = "gradient",
    ) -> "LinearSolution":
        """Solve the model for an operator Gamma (m, m) and initial weights W(0) (d, m), d <= m.

        Raises
        ------
        ValueError
            If Gamma is not symmetric, shapes do not match, the rule is unknown, or the learning rate is not
            below 1 / (4 max|gamma|), where gradient descent is stable (see `mode_eigenvalues` for others).
        """
        matrix = symmetric_operator(operator)
        initial = matching_weights(weights, len(matrix))
        eigenvalues, modes = top_eigenmodes(matrix, len(initial))
        start = aligned_start(initial, modes)
        half_times(eigenvalues, start.scales, learning_rate, rule=rule)  # refuses what cannot be solved
        return cls(eigenvalues, modes, start.rotation, start.scales, learning_rate, rule)

    @property
    def n_positive(self) -> int:
        """How many of the top d eigenvalues are positive: the modes that are learned in the end."""
        return int(np.count_nonzero(self.eigenvalues > 0))

    @property
    def half_times(self) -> NDArray[np.float64]:
        """(d,) when each eigenvalue of C passes one half; inf if never. See `half_times`."""
        return half_times(self.eigenvalues, self.start_scales, self.learning_rate, rule=self.rule)

    @property
    def critical_times(self) -> NDArray[np.float64]:
        """(d,) the small-start approximation of `half_times`. See `critical_times`."""
        return critical_times(self.eigenvalues, self.start_scales, self.learning_rate, rule=self.rule)

    def trajectory(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return lambda_j(t), (T, d), the eigenvalues of C in the order of `eigenvalues`."""
        return mode_eigenvalues(
            self.eigenvalues, self.start_scales, times, self.learning_rate, rule=self.rule
        )

    def loss(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return L(t) = ||C - I||_F^2, (T,)."""
        return loss_curve(self.trajectory(times))

    def weights(self, time: float = math.inf) -> NDArray[np.float64]:
        """Return W(t), (d, m); by default the end point.

        The end point U diag(gamma)^{-1/2} V^T has the least norm of all weights with zero loss (if all d
        eigenvalues are positive). At time 0 it is the aligned start, which differs from W(0) as given in the
        parts that play no role.
        """
        scales = mode_scales(
            self.eigenvalues, self.start_scales, float(time), self.learning_rate, rule=self.rule
        )[0]
        return (self.rotation * scales) @ self.modes.T

    def embed(self, x: ArrayLike, time: float = math.inf) -> NDArray[np.float64]:
        """Return the embeddings W(t) x of samples x (n, m), as (n, d); no mean is subtracted."""
        samples = np.asarray(x, dtype=np.float64)
        if samples.ndim != 2 or samples.shape[1] != len(self.modes):
            raise ValueError(f"expected samples of shape (n, {len(self.modes)}), got {samples.shape}")
        return samples @ self.weights(time).T


@renamed_keyword(centred="center")
def solve_linear(
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    weights: ArrayLike,
    learning_rate: float | None = None,
    center: bool = False,
    rule: Rule = "gradient",
) -> LinearSolution:
    """Solve the linear model for positive pairs, or for several views, from small initial weights.

    Parameters
    ----------
    x, y, center
        The data, as `cross_correlation` takes them: (n, m) pairs, or (v, n, m) views.
    weights : ArrayLike
        (d, m) W(0), d <= m.
    learning_rate : float | None
        None for gradient flow, a number for gradient descent.
    rule : Rule
        gradient, preconditioned, orthogonalised, or a `Preconditioner` of other power and damping.

    Raises
    ------
    ValueError
        As `cross_correlation` and `LinearSolution.from_operator`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(500, 4)) * [2.0, 1.0, 0.5, 0.1]
    >>> y = x + 0.1 * rng.normal(size=x.shape)
    >>> solution = solve_linear(x, y, weights=1e-5 * rng.normal(size=(2, 4)))
    >>> z, z_partner = solution.embed(x), solution.embed(y)
    >>> np.allclose(cross_correlation(z, z_partner), np.eye(2))
    True
    """
    operator = cross_correlation(x, y, center=center)
    return LinearSolution.from_operator(operator, weights, learning_rate, rule=rule)
