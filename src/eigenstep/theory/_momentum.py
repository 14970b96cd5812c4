"""How fast a small mode grows under gradient descent with momentum."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def momentum_growth(
    rates: ArrayLike, learning_rate: float, momentum: float = 0.0, nesterov: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the exponents that gradient descent makes of a flow's, and the share of a start that grows so.

    A mode that grows as s' = r s under gradient flow follows, step by step from a velocity of 0 (momentum as
    in torch's SGD, learning rate eta, momentum mu),

        u <- mu u + r s,    s <- s + eta u        (Nesterov: s <- s + eta (mu u + r s))

    so it is a_1 z_1^k + a_2 z_2^k times its start after k steps, z the roots of z^2 - T z + D,

        T = 1 + eta r + mu,   D = mu              (Nesterov: T = 1 + eta r (1 + mu) + mu,  D = mu (1 + eta r))

    The larger root wins: s ~ a_1 e^{R t}, R = log(z_1) / eta, t = eta k. For slow modes R = r / (1 - mu) and
    a_1 = 1; for fast ones momentum gains less, R -> sqrt(r / eta). Without momentum R = log(1 + eta r) / eta.

    Parameters
    ----------
    rates : ArrayLike
        (k,) r_j >= 0, in units of learning rate x step.
    learning_rate : float
        Eta.
    momentum : float
        Mu, in [0, 1).

    Returns
    -------
    tuple[NDArray[np.float64], NDArray[np.float64]]
        (k,) exponents R_j in units of learning rate x step, and (k,) shares a_1

    Raises
    ------
    ValueError
        A negative rate, a learning rate that is not positive, or a momentum outside [0, 1).

    Examples
    --------
    >>> exponents, shares = momentum_growth([1.0], 0.01, momentum=0.9)
    >>> exponents.round(2), shares.round(2)
    (array([6.27]), array([0.75]))
    """
    values = np.asarray(rates, dtype=np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(f"expected growth rates that are finite and not negative, got {values}")
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"expected a positive learning_rate, got {learning_rate}")
    if not 0 <= momentum < 1:
        raise ValueError(f"expected momentum in [0, 1), got {momentum}")
    gain = learning_rate * values
    first = 1 + gain * (1 + momentum if nesterov else 1)  # what a step without velocity multiplies s by
    determinant = momentum * (1 + gain) if nesterov else np.full_like(values, momentum)
    trace = first + momentum
    # Real: T^2 - 4 D >= (1 - mu)^2 > 0 for r >= 0.
    gap = np.sqrt(trace**2 - 4 * determinant)
    larger, smaller = (trace + gap) / 2, (trace - gap) / 2
    return np.log(larger) / learning_rate, (first - smaller) / gap
