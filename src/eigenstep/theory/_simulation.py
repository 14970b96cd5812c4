"""Step-by-step simulation of the linear model: the ground truth that the closed form is held against.

Both simulators rotate the features into the operator's full eigenbasis first. This is an exact change of
variables, A = W V, under which Gamma is diagonal; a step then costs O(d^2 m) in place of O(d m^2), and no
mode is left out.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._eigenmodes import matching_weights, symmetric_operator
from eigenstep.theory._integrate_flow import integrate_flow
from eigenstep.theory._mode_trajectories import loss_curve
from eigenstep.theory._simulated_updates import checked_second_moment, gradient_direction, polar_factor
from eigenstep.theory._update_rules import Rule, checked_rule


@dataclass(frozen=True, eq=False)
class Simulation:
    """What a simulated run recorded.

    Attributes
    ----------
    times : NDArray[np.float64]
        (T,) learning rate x step.
    eigenvalues : NDArray[np.float64]
        (T, d) of C = W Gamma W^T, descending at each time.
    loss : NDArray[np.float64]
        (T,) ||C - I||_F^2.
    final_weights : NDArray[np.float64]
        (d, m) W at the last time.
    weights : NDArray[np.float64] | None
        (T, d, m), or None if they were not asked for.
    """

    times: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    loss: NDArray[np.float64]
    final_weights: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None

    @property
    def half_times(self) -> NDArray[np.float64]:
        """(d,) when each eigenvalue first reached one half, linear between records.

        It is inf if that did not happen, and -inf if the first record is there already.
        """
        reached = self.eigenvalues >= 0.5
        times = np.full(self.eigenvalues.shape[1], np.inf)
        for mode in np.flatnonzero(reached.any(axis=0)):
            after = int(reached[:, mode].argmax())
            if after == 0:
                times[mode] = -np.inf
                continue
            around = slice(after - 1, after + 1)
            times[mode] = np.interp(0.5, self.eigenvalues[around, mode], self.times[around])
        return times


# A run that diverges ends in an error with a clear message, not in warnings.
@np.errstate(over="ignore", invalid="ignore")
def gradient_descent(
    operator: ArrayLike,
    weights: ArrayLike,
    learning_rate: float,
    steps: int,
    *,
    rule: Rule = "gradient",
    second_moment: ArrayLike | None = None,
    momentum: float = 0.0,
    nesterov: bool = False,
    record_every: int = 1,
    record_weights: bool = False,
    callback: Callable[[int, float], None] | None = None,
) -> Simulation:
    """Run full-batch gradient descent on L = ||W Gamma W^T - I||_F^2.

        gradient         G = 4 (W Gamma W^T - I) W Gamma
        preconditioned   G = 4 (|C| + damping)^-power (W Gamma W^T - I) W Gamma
        momentum mu      V <- mu V + G,    step = V    (Nesterov: step = G + mu V)
        orthogonalised   step = the polar factor of the step, U V^T of its singular value decomposition
        W <- W - learning_rate step

    Momentum is that of torch's SGD; of an orthogonalised step only its direction counts, which is Muon's.

    Parameters
    ----------
    operator : ArrayLike
        (m, m) Gamma, symmetric.
    weights : ArrayLike
        (d, m) W(0).
    learning_rate : float
        Positive; stable below 1 / (4 gamma_1).
    steps : int
        How many updates.
    rule : Rule
        gradient, preconditioned, orthogonalised, or a `Preconditioner` of other power and damping.
    second_moment : ArrayLike | None
        (m, m) of the views, Sigma: P is made of the embeddings' covariance W Sigma W^T in place of C.
    momentum : float
        Mu, in [0, 1).
    nesterov : bool
        Nesterov's form of it.
    record_every : int
        Record each so many steps, and the last.
    record_weights : bool
        Keep the weights at every record, d x m x 8 bytes each.
    callback : Callable[[int, float], None] | None
        Called with the step and the loss at every record, for a progress bar.

    Raises
    ------
    ValueError
        Shapes that do not match, numbers that are not positive, a momentum outside [0, 1), an unknown rule.
    FloatingPointError
        The run diverged; names the step and, of the plain gradient, the stable learning rate.

    Examples
    --------
    >>> run = gradient_descent(np.diag([2.0, 1.0, 0.5]), 1e-3 * np.eye(2, 3), 0.01, 400)
    >>> run.loss[[0, 110, 400]].round(2)
    array([2.  , 0.99, 0.  ])
    >>> run.half_times.round(2)
    array([0.85, 1.76])
    """
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"expected a positive learning_rate, got {learning_rate}")
    if steps < 1 or record_every < 1:
        raise ValueError(f"expected steps >= 1 and record_every >= 1, got {steps} and {record_every}")
    if not 0 <= momentum < 1:
        raise ValueError(f"expected momentum in [0, 1), got {momentum}")
    gamma, basis, coordinates = _eigenbasis(operator, weights)
    direction = gradient_direction(rule, checked_second_moment(second_moment, basis))
    orthogonalised = checked_rule(rule) == "orthogonalised"
    velocity = np.zeros_like(coordinates)
    recorded = [*range(0, steps, record_every), steps]
    eigenvalues = np.empty((len(recorded), len(coordinates)))
    losses = np.empty(len(recorded))
    path = np.empty((len(recorded), *coordinates.shape)) if record_weights else None
    identity = np.eye(len(coordinates))
    record = 0
    for step in range(steps + 1):
        scaled = coordinates * gamma
        correlation = scaled @ coordinates.T
        residual = correlation - identity
        loss = float(np.vdot(residual, residual))
        if not math.isfinite(loss):
            raise FloatingPointError(_divergence_message(step, learning_rate, gamma, rule))
        if step == recorded[record]:
            eigenvalues[record] = np.linalg.eigvalsh(correlation)[::-1]
            losses[record] = loss
            if path is not None:
                path[record] = coordinates
            record += 1
            if callback is not None:
                callback(step, loss)
        if step < steps:
            gradient = direction(coordinates, scaled, correlation)
            velocity = momentum * velocity + gradient
            update = gradient + momentum * velocity if nesterov else velocity
            coordinates -= learning_rate * (polar_factor(update) if orthogonalised else update)
    return Simulation(
        times=learning_rate * np.array(recorded),
        eigenvalues=eigenvalues,
        loss=losses,
        final_weights=coordinates @ basis.T,
        weights=None if path is None else path @ basis.T,
    )


def gradient_flow(
    operator: ArrayLike,
    weights: ArrayLike,
    times: ArrayLike,
    *,
    rule: Rule = "gradient",
    second_moment: ArrayLike | None = None,
    rtol: float = 1e-10,
    record_weights: bool = False,
) -> Simulation:
    """Integrate dW/dt = -4 P (W Gamma W^T - I) W Gamma from any start, by Dormand and Prince's order 8.

    P is I, or (|C| + damping)^-power under the preconditioned rule.

    Parameters
    ----------
    operator : ArrayLike
        (m, m) Gamma, symmetric.
    weights : ArrayLike
        (d, m) W(0), of any size; it need not be aligned with the modes.
    times : ArrayLike
        (T,) increasing and finite, t >= 0, at which to record.
    rule : Rule
        gradient, preconditioned, or a `Preconditioner` of other power and damping.
    second_moment : ArrayLike | None
        (m, m) of the views, Sigma: P is made of the embeddings' covariance W Sigma W^T in place of C.
    rtol : float
        Relative tolerance of a step; the absolute one is rtol times the largest initial weight.
    record_weights : bool
        Keep the weights at every time.

    Raises
    ------
    ValueError
        Shapes that do not match, times that do not increase, or orthogonalised updates, whose flow is not
        smooth where a mode ends: `gradient_descent` simulates them, in small steps.
    FloatingPointError
        The integration failed; names the time.

    Examples
    --------
    >>> run = gradient_flow(np.diag([2.0, 1.0, 0.5]), 1e-3 * np.eye(2, 3), [0.0, 1.2, 4.0])
    >>> run.loss.round(3)
    array([2.   , 0.971, 0.   ])
    """
    if checked_rule(rule) == "orthogonalised":
        raise ValueError(
            "the flow of orthogonalised updates is not smooth: expected gradient_descent, in small steps"
        )
    gamma, basis, start = _eigenbasis(operator, weights)
    direction = gradient_direction(rule, checked_second_moment(second_moment, basis))

    def velocity(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled = coordinates * gamma
        return -direction(coordinates, scaled, scaled @ coordinates.T)

    moments, path = integrate_flow(velocity, start, times, float(np.abs(gamma).max()), rtol)
    eigenvalues = np.array([np.linalg.eigvalsh((a * gamma) @ a.T)[::-1] for a in path])
    return Simulation(
        times=moments,
        eigenvalues=eigenvalues,
        loss=loss_curve(eigenvalues),
        final_weights=path[-1] @ basis.T,
        weights=path @ basis.T if record_weights else None,
    )


def _eigenbasis(
    operator: ArrayLike, weights: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return all eigenvalues (m,), eigenvectors V (m, m) and the weights' coordinates W V (d, m)."""
    matrix = symmetric_operator(operator)
    initial = matching_weights(weights, len(matrix))
    gamma, basis = scipy.linalg.eigh(matrix)
    return gamma, basis, initial @ basis


def _divergence_message(step: int, learning_rate: float, gamma: NDArray[np.float64], rule: Rule) -> str:
    told = f"gradient descent diverged at step {step} with learning_rate {learning_rate:.6g}; "
    if checked_rule(rule) != "gradient":
        return told + "lower it, or raise the damping"
    return (
        told + f"from small weights it is stable below 1/(4 max|gamma|) = {1 / (4 * np.abs(gamma).max()):.6g}"
    )
