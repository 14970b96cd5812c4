"""When each mode is learned if it moves alone: from any start, with or without momentum, preconditioner."""

import math
from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from eigenstep.prediction._clock import Descent
from eigenstep.theory import PreconditionedMode, Preconditioner, momentum_growth

# A moment is between two modes if the eigenvalues of all that are learned are at least so many times those of
# all that are not.
LEARNED_OVER_NEXT = 2.0


@dataclass(frozen=True, eq=False)
class Course:
    """The eigenvalue of C that each mode has, over time: lambda_j(t) = p_j / (1 + e^{-2 r_j (t - t_j)}).

    Of a preconditioned gradient it is `theory.PreconditionedMode`, with x = lambda_j / p_j.

    Attributes
    ----------
    gamma : NDArray[np.float64]
        (k,) eigenvalues of the operator, descending.
    start_scales : NDArray[np.float64]
        (k,) s_j(0).
    growth_rates : NDArray[np.float64]
        (k,) r_j, exponents of s_j per unit of learning rate x step, momentum included. Of a preconditioned
        gradient those of the logistic curve that takes as long from 10 to 90 %.
    plateaus : NDArray[np.float64]
        (k,) p_j.
    half_times : NDArray[np.float64]
        (k,) t_j, in units of learning rate x step; negative where a mode starts beyond its half, and -inf
        where it starts at its end.
    log_starts : NDArray[np.float64] | None
        (k,) log(lambda_j(0) / p_j), less what momentum takes off, of a preconditioned gradient.
    modes : tuple[PreconditionedMode, ...]
        Of a preconditioned gradient the k modes; else none.
    """

    gamma: NDArray[np.float64]
    start_scales: NDArray[np.float64]
    growth_rates: NDArray[np.float64]
    plateaus: NDArray[np.float64]
    half_times: NDArray[np.float64]
    log_starts: NDArray[np.float64] | None = None
    modes: tuple[PreconditionedMode, ...] = ()

    def eigenvalues(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """lambda_j(t), (T, k)."""
        if self.log_starts is not None:
            moments = np.asarray(times, dtype=np.float64)
            logs = [
                mode.log_shares(start, moments)
                for mode, start in zip(self.modes, self.log_starts.tolist(), strict=True)
            ]
            shares: NDArray[np.float64] = self.plateaus * np.exp(np.array(logs).T)
            return shares
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
            time = self._time_between(now, later)
            values = self.eigenvalues(np.array([time]))[0]
            if time > 0 and values[order[:count]].min() >= LEARNED_OVER_NEXT * values[order[count:]].max():
                moments.append((count, time))
        return moments

    def _time_between(self, now: int, later: int) -> float:
        both = [now, later]
        if self.log_starts is None:
            rates = self.growth_rates[both]
            return float(rates @ self.half_times[both] / rates.sum())

        def excess(time: float) -> float:
            return float((self.eigenvalues(np.array([time])) / self.plateaus)[0, both].sum() - 1)

        first, last = (max(float(time), 0.0) for time in self.half_times[both])
        # What starts beyond its half has no earlier moment.
        return (
            float(scipy.optimize.brentq(excess, first, last)) if excess(first) < 0 < excess(last) else first
        )


def closed_course(
    gamma: NDArray[np.float64],
    start_scales: NDArray[np.float64],
    flow_rates: NDArray[np.float64],
    plateaus: NDArray[np.float64],
    descent: Descent | None = None,
    preconditioner: Preconditioner | None = None,
) -> Course:
    """The course of modes that grow at `flow_rates` under gradient flow, and each end at its plateau.

    t_j = log(p_j / lambda_j(0) - 1) / (2 r_j), lambda_j(0) = gamma_j s_j(0)^2: `theory.half_times`, where the
    plateau is 1 and the rate 4 gamma_j. With a descent the exponents are those of gradient descent with
    momentum while the mode is small (`theory.momentum_growth`), and the start what of it grows so.

    A preconditioned gradient grows each at its rate times P, whatever P is at the moment: P is that of the
    mode's own variance, without the lag of a running mean, and momentum is taken to follow at once.

    Examples
    --------
    >>> course = closed_course(*(np.array([value]) for value in (2.0, 1e-3, 8.0, 1.0)))
    >>> course.half_times.round(4), course.eigenvalues(np.array([course.half_times[0], np.inf]))
    (array([0.8201]), array([[0.5],
           [1. ]]))
    """
    if preconditioner is not None and preconditioner.power > 0:
        return _preconditioned_course(gamma, start_scales, flow_rates, plateaus, descent, preconditioner)
    rates, shares = flow_rates, np.ones_like(flow_rates)
    if descent is not None:
        rates, shares = momentum_growth(flow_rates, *astuple(descent))
    starts = gamma * (shares * start_scales) ** 2 / plateaus
    with np.errstate(divide="ignore"):
        logits = np.log(starts) - np.log1p(-np.minimum(starts, 1.0))
    return Course(gamma, start_scales, rates, plateaus, -logits / (2 * rates))


def _preconditioned_course(
    gamma: NDArray[np.float64],
    start_scales: NDArray[np.float64],
    flow_rates: NDArray[np.float64],
    plateaus: NDArray[np.float64],
    descent: Descent | None,
    preconditioner: Preconditioner,
) -> Course:
    def mode_of(rate: float, variance: float) -> PreconditionedMode:
        if descent is None:
            return PreconditionedMode(preconditioner, lambda gain: 2 * rate * gain, variance)
        given = astuple(descent)
        return PreconditionedMode(
            preconditioner,
            lambda gain: 2 * momentum_growth(rate * gain, *given)[0],
            variance,
            descent.learning_rate,
        )

    variances = plateaus * preconditioner.variances(gamma)
    modes = tuple(map(mode_of, flow_rates.tolist(), variances.tolist()))
    shares = np.ones_like(gamma)
    starts = gamma * start_scales**2 / plateaus
    if descent is not None:
        gains = (variances * starts + preconditioner.damping) ** -preconditioner.power
        _, shares = momentum_growth(flow_rates * gains, *astuple(descent))
    with np.errstate(divide="ignore"):
        log_starts = np.log(starts) + 2 * np.log(shares)
    halves = [mode.time_to_half(start) for mode, start in zip(modes, log_starts.tolist(), strict=True)]
    widths = np.array([mode.time_between(-math.log(9), math.log(9)) for mode in modes])
    rates = math.log(81) / (2 * widths)
    return Course(gamma, start_scales, rates, plateaus, np.array(halves), log_starts, modes)
