"""When each mode is learned if it moves alone: logistic curves, from any start, with momentum or without."""

from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from eigenstep.prediction._clock import Descent
from eigenstep.theory import momentum_growth

# A moment is between two modes if the eigenvalues of all that are learned are at least so many times those of
# all that are not.
LEARNED_OVER_NEXT = 2.0


@dataclass(frozen=True, eq=False)
class Course:
    """The eigenvalue of C that each mode has, over time: lambda_j(t) = p_j / (1 + e^{-2 r_j (t - t_j)}).

    Attributes
    ----------
    gamma : NDArray[np.float64]
        (k,) eigenvalues of the operator, descending.
    start_scales : NDArray[np.float64]
        (k,) s_j(0).
    growth_rates : NDArray[np.float64]
        (k,) r_j, exponents of s_j per unit of learning rate x step, momentum included.
    plateaus : NDArray[np.float64]
        (k,) p_j.
    half_times : NDArray[np.float64]
        (k,) t_j, in units of learning rate x step; negative where a mode starts beyond its half, and -inf
        where it starts at its end.
    """

    gamma: NDArray[np.float64]
    start_scales: NDArray[np.float64]
    growth_rates: NDArray[np.float64]
    plateaus: NDArray[np.float64]
    half_times: NDArray[np.float64]

    def eigenvalues(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """lambda_j(t), (T, k)."""
        exponents = 2 * self.growth_rates * (np.asarray(times, dtype=np.float64)[:, None] - self.half_times)
        with np.errstate(over="ignore"):
            values: NDArray[np.float64] = self.plateaus / (1 + np.exp(-exponents))
        return values

    def scales(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """s_j(t) = sqrt(lambda_j / gamma_j), (T, k): what multiplies the unit-norm mode in the embedding."""
        return np.sqrt(self.eigenvalues(times) / self.gamma)

    def moments_between(self) -> list[tuple[int, float]]:
        """Moments at which just the first modes have been learned: how many, and when.

        Between two half times the one mode's share of its plateau plus the other's is 1 at the moment
        returned. Where eigenvalues do not differ by `LEARNED_OVER_NEXT` there, the two are learned as one
        step and no moment is between them.
        """
        order = np.argsort(self.half_times, kind="stable")
        moments = []
        for count, (now, later) in enumerate(pairwise(order), start=1):
            if not np.isfinite(self.half_times[[now, later]]).all():
                continue
            rates = self.growth_rates[[now, later]]
            time = float(rates @ self.half_times[[now, later]] / rates.sum())
            values = self.eigenvalues(np.array([time]))[0]
            if time > 0 and values[order[:count]].min() >= LEARNED_OVER_NEXT * values[order[count:]].max():
                moments.append((count, time))
        return moments


def closed_course(
    gamma: NDArray[np.float64],
    start_scales: NDArray[np.float64],
    flow_rates: NDArray[np.float64],
    plateaus: NDArray[np.float64],
    descent: Descent | None = None,
) -> Course:
    """The course of modes that grow at `flow_rates` under gradient flow, and each end at its plateau.

    t_j = log(p_j / lambda_j(0) - 1) / (2 r_j), lambda_j(0) = gamma_j s_j(0)^2: `theory.half_times`, where the
    plateau is 1 and the rate 4 gamma_j. With a descent the exponents are those of gradient descent with
    momentum while the mode is small (`theory.momentum_growth`), and the start what of it grows so.

    Examples
    --------
    >>> course = closed_course(*(np.array([value]) for value in (2.0, 1e-3, 8.0, 1.0)))
    >>> course.half_times.round(4), course.eigenvalues(np.array([course.half_times[0], np.inf]))
    (array([0.8201]), array([[0.5],
           [1. ]]))
    """
    rates, shares = flow_rates, np.ones_like(flow_rates)
    if descent is not None:
        rates, shares = momentum_growth(flow_rates, *astuple(descent))
    starts = gamma * (shares * start_scales) ** 2 / plateaus
    with np.errstate(divide="ignore"):
        logits = np.log(starts) - np.log1p(-np.minimum(starts, 1.0))
    return Course(gamma, start_scales, rates, plateaus, -logits / (2 * rates))
