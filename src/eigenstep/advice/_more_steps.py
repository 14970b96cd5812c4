"""What more steps would bring: accuracy where labels were probed, and the modes to come."""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from eigenstep.analysis import RunClock, follow_modes
from eigenstep.record import RunRecord

# The line is drawn through probes of the last factor of so many in steps, so many of them at least.
LAST_FACTOR, FEWEST = 8.0, 4
# Share of cases in which the truth lies within an interval.
COVER = 0.9
# What a probe's accuracy varies by beside the line where few probes tell: a point of a few thousand images.
LEAST_SPREAD = 0.005
# Of earlier runs of the same kind, so many make a mean.
FEWEST_RUNS = 2
KIND = ("data", "loss", "backbone", "batch_size")


@dataclass(frozen=True)
class Gain:
    """What an accuracy would gain.

    Attributes
    ----------
    probe : str
        Which, such as `knn_features`.
    now : float
        Its value by the line.
    gain, error : float
        By how much it would grow, and half the length of the interval that holds the truth in 90 % of cases.
    by : str
        "a straight line in log step", or "N earlier runs".
    """

    probe: str
    now: float
    gain: float
    error: float
    by: str


@dataclass(frozen=True)
class MoreSteps:
    """What `more_steps` says.

    Attributes
    ----------
    steps : int
        How many more are asked about.
    gains : tuple[Gain, ...]
        Of each probe that was made while training; nothing without labels.
    modes : tuple[float, ...]
        Steps at which modes are to be expected within them, by the forecast.
    forecast : str
        When the next mode will come, in words.
    """

    steps: int
    gains: tuple[Gain, ...]
    modes: tuple[float, ...]
    forecast: str

    @property
    def sentence(self) -> str:
        """All of it in a sentence, such as "500 more steps: about two modes, k-NN +.006 ± .004"."""
        count = len(self.modes)
        parts = [f"about {count} mode{'s' if count > 1 else ''}"] if count else []
        parts += [
            f"{_title(gain.probe)} {100 * gain.gain:+.1f} ± {100 * gain.error:.1f} points ({gain.by})"
            for gain in self.gains
        ]
        if not parts:
            return f"{self.steps:,} more steps: nothing can be said. {self.forecast}"
        if not self.gains:
            parts.append("no labels were probed, so nothing is said of accuracy")
        return f"{self.steps:,} more steps: {', '.join(parts)}."

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return dataclasses.asdict(self) | {"sentence": self.sentence}


def more_steps(record: RunRecord, steps: int | None = None, others: Iterable[RunRecord] = ()) -> MoreSteps:
    """What more steps would bring to a sound run.

    Accuracy follows a straight line in the logarithm of the step, through the probes of the last three
    doublings; the spectrum added nothing to it in trials. Where at least two earlier runs of the same kind
    were probed far enough, their mean gain is told instead.

    Parameters
    ----------
    steps : int | None
        How many more; default: as many as there were.
    others : Iterable[RunRecord]
        Earlier runs, of which those of the same data, loss, backbone and batch count.

    Raises
    ------
    ValueError
        For no steps, and for a run without a measurement.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter, read_record
    >>> writer = RecordWriter(tempfile.mkdtemp(), 2)
    >>> for step in (1, 100, 200, 400, 800):
    ...     both = {"cross_correlation": np.ones(2), "covariance": np.ones(2)}
    ...     writer.append(step, float(step), both, loss=1.0)
    ...     accuracy = 0.3 + 0.02 * np.log2(step / 100)
    ...     writer.append_to("probes", {"step": step, "time": float(step), "knn_features": accuracy})
    >>> round(more_steps(read_record(writer.path)).gains[0].gain, 3)
    0.02
    """
    known = record.metrics.get("step", np.zeros(0))
    if not len(known):
        raise ValueError(f"{record.path} has no measurement yet: nothing can be said about more steps")
    now = int(known[-1])
    steps = max(now, 1) if steps is None else steps
    if steps < 1:
        raise ValueError(f"--steps: expected at least 1, got {steps}")
    same = [each for each in others if _is_same_kind(each, record)]
    gains = [
        gain
        for name, values in record.probes.items()
        if name.endswith("_features")
        and (gain := _gain(name, record.probes["step"], values, now + steps, same)) is not None
    ]
    history, step_at = follow_modes(record), RunClock(record).step_at
    coming = [float(step_at(each.half_time.value)) for each in history.upcoming if each.told]
    modes = sorted(step for step in coming if now < step <= now + steps)
    return MoreSteps(steps, tuple(gains), tuple(modes), history.forecast.sentence)


def line_in_log_step(steps: np.ndarray, values: np.ndarray, at: float) -> tuple[float, float, float]:
    """The least-squares line in log step: its value `at` a later step and now, and the former's error.

    Raises
    ------
    ValueError
        For fewer than three steps above 0.
    """
    kept = (steps > 0) & np.isfinite(values)
    x, y = np.log(steps[kept]), values[kept]
    if len(x) < 3:
        raise ValueError(f"expected at least 3 probes after step 0, got {len(x)}")
    centre = x.mean()
    slope = ((x - centre) @ y) / ((x - centre) @ (x - centre))
    spread = math.sqrt(
        max(((y - y.mean() - slope * (x - centre)) ** 2).sum() / (len(x) - 2), LEAST_SPREAD**2)
    )
    ahead = math.log(at) - centre
    reach = math.sqrt(1 + 1 / len(x) + ahead**2 / ((x - centre) @ (x - centre)))
    error = float(stdtrit(len(x) - 2, (1 + COVER) / 2)) * spread * reach
    return float(y.mean() + slope * ahead), float(y.mean() + slope * (x[-1] - centre)), error


def _gain(name: str, steps: np.ndarray, values: np.ndarray, at: int, others: list[RunRecord]) -> Gain | None:
    recent = steps >= max(steps[-1] / LAST_FACTOR, 1)
    if recent.sum() < FEWEST:
        return None
    then, now, error = line_in_log_step(steps[recent], values[recent], at)
    earlier = [each for other in others if (each := _gain_of(other, name, int(steps[-1]), at)) is not None]
    if len(earlier) >= FEWEST_RUNS:
        spread = max(float(np.std(earlier, ddof=1)), LEAST_SPREAD)
        error = float(stdtrit(len(earlier) - 1, (1 + COVER) / 2)) * spread * math.sqrt(1 + 1 / len(earlier))
        return Gain(name, now, float(np.mean(earlier)), error, f"{len(earlier)} earlier runs")
    return Gain(name, now, then - now, error, "a straight line in log step")


def _gain_of(other: RunRecord, name: str, now: int, at: int) -> float | None:
    """What a probe gained between two steps in another run, None where it was not probed that far."""
    steps, values = other.probes.get("step", np.zeros(0)), other.probes.get(name, np.zeros(0))
    if not len(values) or steps[-1] < at or steps[0] > now:
        return None
    return float(np.interp(at, steps, values) - np.interp(now, steps, values))


def _is_same_kind(other: RunRecord, record: RunRecord) -> bool:
    return other.path.resolve() != record.path.resolve() and all(
        other.config.get(name) == record.config.get(name) for name in KIND
    )


def _title(probe: str) -> str:
    kind = probe.partition("_")[0]
    return {"knn": "k-NN"}.get(kind, kind)
