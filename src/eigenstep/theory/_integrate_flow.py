"""Integration of a gradient flow in time, with the tolerances that comparisons with closed forms need."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._growth_rates import checked_times


def integrate_flow(
    velocity: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    start: NDArray[np.float64],
    times: ArrayLike,
    largest_gamma: float,
    rtol: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Integrate dW/dt = velocity(W) by Dormand and Prince's order 8.

    Parameters
    ----------
    velocity : Callable[[NDArray[np.float64]], NDArray[np.float64]]
        (d, m) -> (d, m).
    start : NDArray[np.float64]
        (d, m) W(0).
    times : ArrayLike
        (T,) increasing and finite, t >= 0.
    largest_gamma : float
        The operator's largest eigenvalue in size, which limits the steps.
    rtol : float
        Relative tolerance of a step; the absolute one is rtol times the start's largest entry.

    Returns
    -------
    tuple[NDArray[np.float64], NDArray[np.float64]]
        times (T,) and W at each of them (T, d, m)

    Raises
    ------
    ValueError
        Times that do not increase.
    FloatingPointError
        The integration failed; names the time.

    Examples
    --------
    >>> integrate_flow(lambda w: -w, np.ones((1, 1)), [0.0, 1.0], 1.0, 1e-10)[1].ravel().round(4)
    array([1.    , 0.3679])
    """
    moments = checked_times(times)
    if not (moments.size and np.isfinite(moments).all() and (np.diff(moments) > 0).all()):
        raise ValueError(f"expected finite times that increase, got {moments.size} that do not")
    if moments[-1] == 0:
        return moments, start[None].copy()
    from scipy.integrate import solve_ivp

    tiny = np.finfo(np.float64).tiny
    outcome = solve_ivp(
        lambda _, state: velocity(state.reshape(start.shape)).ravel(),
        (0.0, moments[-1]),
        start.ravel(),
        method="DOP853",
        t_eval=moments,
        rtol=rtol,
        atol=rtol * max(float(np.abs(start).max()), tiny),
        # Longer steps sit at the limit of stability, where values interpolated within a step lose digits.
        max_step=0.5 / max(largest_gamma, tiny),
    )
    if not outcome.success:
        raise FloatingPointError(f"gradient flow stopped at time {outcome.t[-1]:.6g}: {outcome.message}")
    return moments, outcome.y.T.reshape(-1, *start.shape)
