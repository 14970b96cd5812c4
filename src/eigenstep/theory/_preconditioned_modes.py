"""One mode under the preconditioned gradient: its course and its times, for any power and damping."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eigenstep.theory._update_rules import Preconditioner

Numbers = NDArray[np.float64]

# 1 + e^-40 is 1 in float64: beyond so many e-folds a term is gone, and a mode moves at a constant pace.
VANISHED = 40.0
# The largest |log| of a scale's square that float64 can hold, and a little.
SMALLEST = 1500.0
# Gauss and Legendre's nodes on pieces of this length: the pace, as a function of the mode's log odds, has no
# singularity within pi of the real axis, so that a piece is exact to rounding.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
PIECE = 4.0
# Differences over so many e-folds of P give its growth's derivative.
SHIFT = 1e-3


@dataclass(frozen=True, eq=False)
class PreconditionedMode:
    """A mode's share x of where it ends, 0 at first and 1 in the end.

        x' = g(P) x (1 - x),     P = (v |x| + delta)^-p,     g(P) = 8 gamma P for a flow

    In the variable y = log(x / (1 - x)) this is dt = dy / g(P(y)), a smooth integral of one variable. With
    x = lambda, v = 1, it is F(lambda_t) - F(lambda_0) = 8 gamma t, u = lambda + delta,

        F = u^p/p 2F1(1, -p; 1-p; delta/u) + u^(1+p) / ((1+p)(1+delta)) 2F1(1, 1+p; 2+p; u/(1+delta))

    (p no whole number), without damping lambda^p/p 2F1(1, p; 1+p; lambda), and for p = 1
    delta log lambda - (1 + delta) log(1 - lambda). The integral is taken numerically, to rounding, since the
    series lose all digits where lambda is far below delta, which is where training starts.

    Attributes
    ----------
    preconditioner : Preconditioner
        Its power and damping; `variance` stands for its correlations.
    growth : Callable[[Numbers], Numbers]
        g, by the factor P that the gradient is multiplied by, elementwise; increasing, and all negative for
        a mode that decays.
    variance : float
        v, the eigenvalue that P sees when x is 1.
    step : float
        The time of a step of gradient descent; 0 for a flow. P stays the same within a step, while the mode
        grows: to first order that multiplies g by 1 + step/2 (dg / d log P) (p v x / (v x + delta)) (1 - x).

    Examples
    --------
    >>> mode = PreconditionedMode(Preconditioner(1.0, 0.0), lambda gain: 8 * gain)
    >>> round(8 * mode.time_to_half(math.log(1e-6)), 6), round(math.log((1 - 1e-6) / 0.5), 6)
    (0.693146, 0.693146)
    """

    preconditioner: Preconditioner
    growth: Callable[[Numbers], Numbers]
    variance: float = 1.0
    step: float = 0.0

    def log_shares(self, log_start: float, times: Numbers) -> Numbers:
        """Return log x(t), (T,), of a mode that is learned: it rises to 1, or comes down to it from above."""
        if log_start == 0:
            return np.zeros_like(times)
        if log_start < 0:
            odds = self._advance(self._rising, _log_odds(log_start), VANISHED, times)
            return -np.logaddexp(0.0, -odds)
        # Above 1: u = -log(x - 1) increases.
        excess = self._advance(self._settling, -_log_expm1(log_start), VANISHED, times)
        return np.logaddexp(0.0, -excess)

    def log_sizes(self, log_start: float, times: Numbers) -> Numbers:
        """Return log |x(t)|, (T,), of a negative x: it decays, without damping in finite time."""
        damping = self.preconditioner.damping / self.variance
        lowest = max(-math.log(damping), 0.0) + VANISHED if damping > 0 else SMALLEST
        if self.preconditioner.power == 0:
            lowest = VANISHED
        return -self._advance(self._decaying, -log_start, lowest, times)

    def time_to_half(self, log_start: float) -> float:
        """Return when x passes one half: negative from above it, and -inf from 1 or more."""
        if log_start >= 0:
            return -math.inf
        return self.time_between(_log_odds(log_start), 0.0)

    def time_between(self, first: float, last: float) -> float:
        """Return the time from log odds y to others, negative if these are smaller."""
        lower, upper = min(first, last), max(first, last)
        passed = float(self._integrals(self._rising, *self._pieces(lower, upper)).sum())
        return math.copysign(passed, last - first) if passed else 0.0

    def small_start_time(self, log_start: float) -> float:
        """Return what `time_to_half` tends to from small starts, at any start.

        It is linear in log x(0), as long as the damping says so; without damping x gets away from 0 in finite
        time, and it does not depend on the start.
        """
        power, damping = self.preconditioner.power, self.preconditioner.damping / self.variance
        lowest = -VANISHED + (min(math.log(damping), 0.0) if power > 0 and damping > 0 else 0.0)
        pace = float(self._rising(np.array(lowest)))
        # Below that the pace is e^(power y) without damping, and constant with it.
        rest = pace / power if power > 0 and damping == 0 else pace * (lowest - log_start)
        return self.time_between(lowest, 0.0) + rest

    def _slowness(self, log_sizes: Numbers) -> Numbers:
        return self._slowness_at_gain(log_sizes, 0.0)

    def _slowness_at_gain(self, log_sizes: Numbers, shift: float) -> Numbers:
        """1 / |g| where |x| is the exponential of this, and P that many e-folds more."""
        power, damping = self.preconditioner.power, self.preconditioner.damping
        log_damping = math.log(damping) if damping > 0 else -math.inf
        seen = np.logaddexp(math.log(self.variance) + log_sizes, log_damping)
        with np.errstate(over="ignore"):
            slowness: Numbers = 1 / np.abs(self.growth(np.exp(shift - power * seen)))
        return slowness

    def _rising(self, odds: Numbers) -> Numbers:
        log_shares = -np.logaddexp(0.0, -odds)
        slowness = self._slowness(log_shares)
        if self.step == 0:
            return slowness
        nearby = [self._slowness_at_gain(log_shares, shift) for shift in (-SHIFT, SHIFT)]
        with np.errstate(over="ignore"):
            elasticity = (1 / nearby[1] - 1 / nearby[0]) / (2 * SHIFT)
        power, damping = self.preconditioner.power, self.preconditioner.damping
        seen = self.variance * np.exp(log_shares)
        falls = power * seen / (seen + damping) if damping > 0 else power
        ahead = self.step / 2 * elasticity * falls * np.exp(-np.logaddexp(0.0, odds))
        return slowness / (1 + ahead)

    def _settling(self, excess: Numbers) -> Numbers:
        log_shares = np.logaddexp(0.0, -excess)
        return self._slowness(log_shares) * np.exp(-log_shares)

    def _decaying(self, smallness: Numbers) -> Numbers:
        return self._slowness(-smallness) * np.exp(-np.logaddexp(0.0, -smallness))

    def _pieces(self, start: float, end: float) -> tuple[Numbers, Numbers]:
        length = PIECE / max(1.0, self.preconditioner.power)
        knots = np.linspace(start, end, max(1, math.ceil((end - start) / length)) + 1)
        return knots[:-1], knots[1:]

    @staticmethod
    def _integrals(slowness: Callable[[Numbers], Numbers], lower: Numbers, upper: Numbers) -> Numbers:
        """The time from each place to another less than a piece away."""
        half = (upper - lower) / 2
        places = lower[..., None] + half[..., None] * (1 + _NODES)
        times: Numbers = half * (slowness(places) @ _WEIGHTS)
        return times

    def _advance(
        self, slowness: Callable[[Numbers], Numbers], start: float, settled: float, times: Numbers
    ) -> Numbers:
        """Return where a variable is at these times, whose pace is constant beyond `settled`."""
        lower, upper = self._pieces(start, max(start, settled))
        pieces = self._integrals(slowness, lower, upper)
        passed = np.concatenate(([0.0], np.cumsum(pieces)))
        found = np.full(times.shape, start)
        beyond = times >= passed[-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            found[beyond] = upper[-1] + (times[beyond] - passed[-1]) / slowness(upper[-1:])
        within = (times > 0) & ~beyond
        piece = np.searchsorted(passed, times[within], side="right") - 1
        rest = times[within] - passed[piece]
        found[within] = self._inverted(slowness, lower[piece], upper[piece], rest)
        return found

    def _inverted(
        self, slowness: Callable[[Numbers], Numbers], start: Numbers, end: Numbers, times: Numbers
    ) -> Numbers:
        """Newton's method, kept between bounds that close in on the place reached at each time."""
        low, high = start, end
        place = (low + high) / 2
        for _ in range(100):
            excess = self._integrals(slowness, start, place) - times
            low, high = np.where(excess <= 0, place, low), np.where(excess > 0, place, high)
            with np.errstate(divide="ignore", invalid="ignore"):
                step = place - excess / slowness(place)
            better = np.where((step >= low) & (step <= high), step, (low + high) / 2)
            moved, place = np.abs(better - place), better
            if (moved <= 4 * np.finfo(np.float64).eps * np.maximum(1.0, np.abs(place))).all():
                break
        return place


def _log_odds(log_share: float) -> float:
    """log(x / (1 - x)) of x < 1."""
    return log_share - _log1mexp(log_share)


def _log1mexp(value: float) -> float:
    return math.log(-math.expm1(value))


def _log_expm1(value: float) -> float:
    """log(e^value - 1), also where e^value overflows."""
    return value + math.log(-math.expm1(-value))
