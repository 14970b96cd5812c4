"""The gradient descent that is predicted, and how time and steps belong together in it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eigenstep.prediction._config import PredictConfig
from eigenstep.record import read_record
from eigenstep.training import TrainConfig, learning_rates

# Of gradient flow: a step is such that the fastest mode grows by e^{this}.
NOMINAL_GROWTH = 0.1
# Where nothing else says how far a course goes: to so many times the last mode's half-time,
TIME_BEYOND_LAST_MODE = 1.15
# and one that is computed step by step from so many steps to so many.
FEWEST_STEPS, MOST_STEPS = 300, 20_000


@dataclass(frozen=True)
class Descent:
    """Gradient descent as torch's SGD does it.

    Examples
    --------
    >>> Descent(learning_rate=0.1, momentum=0.9)
    Descent(learning_rate=0.1, momentum=0.9, nesterov=False)
    """

    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False


@dataclass(frozen=True)
class CourseClock:
    """Learning rates by step.

    Attributes
    ----------
    rates : Callable[[NDArray[np.float64]], NDArray[np.float64]]
        The learning rates of steps (T,), (T,).
    steps : int | None
        How far the course goes, or None if that is until the last mode is learned.
    descent : Descent | None
        The gradient descent that is predicted; None for gradient flow, whose rates here are nominal.
    """

    rates: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    steps: int | None
    descent: Descent | None

    def steps_in_full(self, time: float, said: list[str]) -> int:
        """The same of a course of which every step is computed: neither few nor many where nothing tells.

        Parameters
        ----------
        time : float
            When the closed form learns the last mode, which a true loss may do later.
        said : list[str]
            Is told where the course ends before that.
        """
        steps = self.steps_until(time)
        if self.steps is None and steps > MOST_STEPS:
            said.append(
                f"the course ends at step {MOST_STEPS:,}, before the closed form learns the last mode;"
                f" --steps {steps} goes as far"
            )
        return steps if self.steps is not None else min(max(steps, FEWEST_STEPS), MOST_STEPS)

    def steps_until(self, time: float) -> int:
        """How many steps the course has: as many as are known, or until a little after the time."""
        if self.steps is not None:
            return self.steps
        return max(1, math.ceil(TIME_BEYOND_LAST_MODE * time / float(self.rates(np.zeros(1))[0])))


def network_clock(config: PredictConfig, training: TrainConfig, run: str | Path | None) -> CourseClock:
    """The clock of a network's own training.

    Raises
    ------
    ValueError
        For a schedule whose length nothing tells.
    """
    optimizer = training.optimizer
    assert optimizer.lr is not None, "the configuration is resolved first"
    is_sgd = optimizer.name == "sgd"
    descent = Descent(optimizer.lr, (optimizer.momentum or 0.0) * is_sgd, bool(optimizer.nesterov) and is_sgd)
    if run is not None:
        metrics = read_record(run).metrics
        if not len(metrics.get("step", ())):
            raise ValueError(f"{run} has no measurement yet: expected one, which tells its learning rate")
        known, used = metrics["step"].astype(float), metrics["learning_rate"]
        steps = config.steps or training.steps or int(known[-1])
        return CourseClock(lambda at: np.interp(at, known, used), steps, descent)
    if config.steps is not None:
        scheduled = learning_rates(optimizer, config.steps)
        return CourseClock(
            lambda at: scheduled[np.minimum(at.astype(int), len(scheduled) - 1)],
            config.steps,
            descent,
        )
    if optimizer.schedule != "constant" or optimizer.warmup_steps or optimizer.warmup_epochs:
        raise ValueError("a learning rate that changes needs the number of steps: expected --steps")
    rate = optimizer.lr
    return CourseClock(lambda at: np.full(len(at), rate), None, descent)


def nominal_clock(config: PredictConfig, fastest: float) -> CourseClock:
    """Steps for gradient flow, whose fastest mode grows as s ~ e^{fastest t}: for plots alone."""
    rate = NOMINAL_GROWTH / fastest
    return CourseClock(lambda at: np.full(len(at), rate), config.steps, None)
