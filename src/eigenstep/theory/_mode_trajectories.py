"""How far each mode is learned at a time: logistic curves under the gradient, others under other rules."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._growth_rates import (
    checked_modes,
    checked_times,
    growth_rates,
    preconditioned_modes,
)
from eigenstep.theory._update_rules import Preconditioner, Rule, checked_rule


def mode_eigenvalues(
    gamma: ArrayLike,
    start_scales: ArrayLike,
    times: ArrayLike,
    learning_rate: float | None = None,
    *,
    rule: Rule = "gradient",
) -> NDArray[np.float64]:
    """Return lambda_j(t), the eigenvalues of the embeddings' cross-correlation C, mode by mode.

        lambda_j(t) = gamma_j s_j(t)^2,     lambda' = 8 gamma_j lambda (1 - lambda)

    A mode with gamma > 0 rises from gamma s(0)^2 to 1. One with gamma < 0 has a negative eigenvalue that
    decays to 0. One with gamma = 0 is frozen at eigenvalue 0. Source: arXiv:2303.15438, section 4.

    Other rules of updating go the same way at other times:

        preconditioned   lambda' = 8 gamma_j lambda (1 - lambda) (|lambda| + damping)^-power
        orthogonalised   s_j(t) = s_j(0) + t, until lambda = gamma_j s_j^2 is 1

    `Preconditioner` says what P is made of. Orthogonalised updates, as Muon takes them, are the polar factor
    of the gradient: every mode that moves at all moves by the learning rate a step, whatever its gamma.

    Parameters
    ----------
    gamma : ArrayLike
        (d,) eigenvalues of the data's cross-correlation.
    start_scales : ArrayLike
        (d,) or one number for all modes: s_j(0) >= 0, see `start_scales`.
    times : ArrayLike
        (T,) or one number: t = learning rate x step >= 0; infinity gives the end point.
    learning_rate : float | None
        None for gradient flow; a number eta for gradient descent, which replaces gamma_j in the exponents by
        log(1 + 4 eta gamma_j) / (4 eta), and gamma_j P likewise. Orthogonalised updates are the same for any
        rate, but that in steps a mode swings about its end by up to eta.
    rule : Rule
        gradient, preconditioned, orthogonalised, or a `Preconditioner` of other power and damping.

    Returns
    -------
    NDArray[np.float64]
        (T, d) float64, columns in the order of `gamma`: not sorted by lambda

    Raises
    ------
    ValueError
        Shapes that do not match, negative scales or times, an unknown rule, or a learning rate outside
        0 < eta < 1 / (4 max|gamma|), where gradient descent is stable. With P it is stable below
        (1 + damping)^power / (4 gamma) for gamma > 0, and below damping^power / (4 |gamma|) for gamma < 0.

    Examples
    --------
    >>> mode_eigenvalues([1.0, 0.5, -0.1], 1e-3, [0.0, 2.0, 4.0, np.inf]).round(3)
    array([[ 0.   ,  0.   , -0.   ],
           [ 0.899,  0.001, -0.   ],
           [ 1.   ,  0.816, -0.   ],
           [ 1.   ,  1.   , -0.   ]])
    >>> mode_eigenvalues([1.0, 0.1], 1e-7, [0.2, 0.5, 2.0], rule=Preconditioner(0.5, 1e-4)).round(3)
    array([[0.356, 0.   ],
           [0.912, 0.006],
           [1.   , 0.347]])
    """
    values, scales = checked_modes(gamma, start_scales)
    return values * mode_scales(values, scales, times, learning_rate, rule=rule) ** 2


def mode_scales(
    gamma: ArrayLike,
    start_scales: ArrayLike,
    times: ArrayLike,
    learning_rate: float | None = None,
    *,
    rule: Rule = "gradient",
) -> NDArray[np.float64]:
    """Return s_j(t), the singular values of the weights, mode by mode; W(t) = U diag(s(t)) V^T.

        s_j(t) = s_j(0) e^{4 gamma_j t} / sqrt(1 + s_j(0)^2 gamma_j (e^{8 gamma_j t} - 1))

    The end point is gamma_j^{-1/2}, 0 or s_j(0) for positive, negative or zero gamma_j, under every rule.
    Parameters, shapes and errors are those of `mode_eigenvalues`. Source: arXiv:2303.15438, section 4.

    Examples
    --------
    >>> mode_scales([4.0, 0.0], 0.01, [0.0, np.inf])
    array([[0.01, 0.01],
           [0.5 , 0.01]])
    """
    values, scales = checked_modes(gamma, start_scales)
    moments, update = checked_times(times), checked_rule(rule)
    if isinstance(update, Preconditioner):
        return _preconditioned_scales(values, scales, moments, learning_rate, update)
    if update == "orthogonalised":
        return _orthogonalised_scales(values, scales, moments)
    rates = 4 * np.abs(growth_rates(values, learning_rate))
    exponents = np.zeros((len(moments), len(values)))
    # A frozen mode's exponent stays 0 at infinite time, where 0 x infinity is no number.
    np.multiply(moments[:, None], rates, out=exponents, where=rates > 0)

    # Only decaying exponentials, and all terms positive: no overflow at late times, no lost digits early.
    decay = np.exp(-exponents)
    saturation = np.sqrt(-np.expm1(-2 * exponents) * np.abs(values))
    starts = np.where(scales > 0, scales, 1.0)
    with np.errstate(over="ignore"):
        rising = 1 / np.hypot(decay / starts, saturation)
        falling = decay / np.hypot(1 / starts, saturation)
    return np.where(scales > 0, np.where(values < 0, falling, rising), 0.0)


def _preconditioned_scales(
    gamma: NDArray[np.float64],
    start_scales: NDArray[np.float64],
    times: NDArray[np.float64],
    learning_rate: float | None,
    preconditioner: Preconditioner,
) -> NDArray[np.float64]:
    found = np.tile(start_scales, (len(times), 1))
    for column, mode in enumerate(preconditioned_modes(gamma, preconditioner, learning_rate)):
        if gamma[column] == 0 or start_scales[column] == 0:
            continue
        # In logarithms: the square of a scale could underflow.
        log_gamma = float(np.log(np.abs(gamma[column])))
        log_start = log_gamma + 2 * float(np.log(start_scales[column]))
        course = mode.log_shares if gamma[column] > 0 else mode.log_sizes
        moved = times > 0
        found[moved, column] = np.exp((course(log_start, times[moved]) - log_gamma) / 2)
    return found


def _orthogonalised_scales(
    gamma: NDArray[np.float64], start_scales: NDArray[np.float64], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    moves = (gamma != 0) & (start_scales > 0)
    with np.errstate(divide="ignore"):
        ends = np.where(gamma > 0, 1 / np.sqrt(np.abs(gamma)), 0.0)
    ends = np.where(moves, ends, start_scales)
    distances = ends - start_scales
    return start_scales + np.sign(distances) * np.minimum(times[:, None], np.abs(distances))


def loss_curve(eigenvalues: ArrayLike) -> NDArray[np.float64]:
    """Return the loss L = ||C - I||_F^2 = sum_j (1 - lambda_j)^2 along the last axis.

    From a small start it is a staircase that goes from d down by 1 a mode.

    Parameters
    ----------
    eigenvalues : ArrayLike
        (..., d) all d eigenvalues of C, for instance (T, d) from `mode_eigenvalues`.

    Returns
    -------
    NDArray[np.float64]
        (...) float64

    Examples
    --------
    >>> loss_curve([[0.0, 0.0], [1.0, 0.0], [1.0, 0.5]])
    array([2.  , 1.  , 0.25])
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    if values.ndim == 0:
        raise ValueError("expected eigenvalues of shape (..., d), got a single number")
    return ((1 - values) ** 2).sum(axis=-1)
