"""A run as one row of the table."""

from typing import Any

import numpy as np

from eigenstep.analysis import update_rule
from eigenstep.live._analysis import PageAnalysis
from eigenstep.live._state import state_of
from eigenstep.record import FollowedRun, padded
from eigenstep.report import facts
from eigenstep.spelling import PYTHON

SPARK_MOMENTS = 64
# A sparkline is drawn anew when the record is longer by this share, which moves it by less than a pixel.
REDRAWN_WHEN_LONGER = 1 / 96


# What is said of a run of which nothing is known.
BLANK: dict[str, Any] = {
    "problem": "",
    "notes": [],
    "about": "",
    "planned": None,
    "records": 0,
    "step": None,
    "time": None,
    "loss": None,
    "dimension": None,
    "modified": 0,
    "started": 0,
    "learned": None,
    "verdict": None,
    "forecast": None,
    "standing": "",
    "spark": [],
    "ticks": [],
}
# Lines that are said of a run, and characters of one.
NOTES_SAID, CHARACTERS_SAID = 10, 300


class Card:
    """What the table says of a run. Numbers are written out by the page.

    `content["spark"]` is the loss at 64 moments evenly spread over the steps, 0 for the lowest and 100 for
    the highest, None where it is not finite; `content["ticks"]` are pairs of a mode and the moment at which
    it was learned, as a share of the steps.
    """

    def __init__(self) -> None:
        self.content: dict[str, Any] = {}
        self._key: Any = None
        self._about: tuple[str, dict[str, Any]] = ("", {})
        self._drawn: tuple[int, int, Any] = (0, 0, None)

    def update(self, run: FollowedRun, analysis: PageAnalysis, now: float) -> bool:
        """Say what is so now; whether that is something else than before."""
        state = state_of(run, now)
        key = (run.fingerprint, analysis.basis, state)
        if key == self._key:
            return False
        self._key = key
        if self._about[0] != run.facts_version:
            self._about = (run.facts_version, _about(run))
        content = {
            "name": run.name,
            "state": state,
            "problem": _short(next(iter(run.problems), analysis.problem)),
            "notes": [_short(note) for note in [*run.problems[1:], *run.damage, *_gaps(run)][:NOTES_SAID]],
            **self._about[1],
            **_latest(run),
            "learned": analysis.learned if analysis.verdict else None,
            "verdict": analysis.verdict and {k: analysis.verdict[k] for k in ("state", "sentence", "alarm")},
            "forecast": analysis.forecast,
            "standing": _short(analysis.standing),
            **self._shape(run, analysis),
        }
        changed = content != self.content
        self.content = content
        return changed

    def fail(self, run: FollowedRun, error: Exception) -> bool:
        """Say that nothing can be said of a run, and why; whether that is something else than before."""
        problem = _short(" ".join(str(error).split()) or type(error).__name__)
        content = BLANK | {"name": run.name, "state": "unreadable", "problem": problem}
        changed = content != self.content
        self.content, self._key, self._drawn = content, None, (0, 0, None)
        return changed

    def _shape(self, run: FollowedRun, analysis: PageAnalysis) -> dict[str, Any]:
        drawn_for, *drawn_of = self._drawn
        count = run.kept["metrics"].count
        as_long = drawn_for <= count < drawn_for * (1 + REDRAWN_WHEN_LONGER)
        if as_long and drawn_of == [run.generation, analysis.basis]:
            return {name: self.content[name] for name in ("spark", "ticks")}
        self._drawn = (count, run.generation, analysis.basis)
        table = padded([row[:3] for row in run.kept["metrics"].rows()], 3)
        steps, _, loss = table[np.isfinite(table[:, 0])].T
        if len(steps) < 2:
            return {"spark": [], "ticks": []}
        learned = [(mode["mode"], mode["half_time"]["step"][0]) for mode in analysis.modes if mode["learned"]]
        span = max(steps[-1] - steps[0], 1)
        ticks = [[mode, round((step - steps[0]) / span, 3)] for mode, step in learned if step is not None]
        return {"spark": _spark(steps, loss), "ticks": ticks}


def unread_card(name: str) -> dict[str, Any]:
    """The row of a run of which no more than its name is known as yet."""
    return {"name": name, "state": "unread", **BLANK}


def _spark(steps: np.ndarray, loss: np.ndarray) -> list[int | None]:
    finite = np.isfinite(loss)
    if not finite.any():
        return []
    low, high = loss[finite].min(), loss[finite].max()
    moments = np.linspace(steps[0], steps[-1], SPARK_MOMENTS)
    with np.errstate(over="ignore", invalid="ignore"):
        heights = 100 * (np.interp(moments, steps, loss) - low) / ((high - low) or 1.0)
    return [round(float(height)) if np.isfinite(height) else None for height in heights]


def _latest(run: FollowedRun) -> dict[str, Any]:
    """The last row of the metrics and how far the run has come."""
    last = run.latest("metrics")
    step, time, loss = (np.nan, np.nan, np.nan) if last is None else last[:3]
    layout = run.eigenvalues.dtype if run.kept["eigenvalues"].count else None
    kept = int(np.prod(layout["cross_correlation"].shape)) if layout else None
    return {
        "records": run.count("metrics"),
        "step": int(step) if np.isfinite(step) else None,
        "time": _rounded(time),
        "loss": _rounded(loss),
        "dimension": _whole(_monitor(run).get("dim")) or kept,
        "modified": round(run.modified, 1),
        "started": round(run.started),
    }


def _about(run: FollowedRun) -> dict[str, Any]:
    """What the run's configuration says it is."""
    record = run.record()
    monitor = _monitor(run)
    named = None if record.is_prediction else run.config.get("backbone")
    backbone = named or facts.backbone_name(record)
    words = [facts.loss_name(record), str(backbone).removeprefix(PYTHON), facts.data_name(record)]
    rule = update_rule(record)
    if rule is not None and not rule.is_plain:
        words.insert(1, rule.name)
    if monitor.get("layer"):
        words.append(f"layer {monitor['layer']}")
    return {
        "about": _short(" · ".join(word for word in words if word != facts.UNKNOWN)),
        "planned": _whole(monitor.get("planned_steps")) or _whole(run.config.get("steps")),
    }


def _gaps(run: FollowedRun) -> list[str]:
    """What lines of the metrics say of measurements that are missing before them."""
    if "missing" not in run.columns["metrics"]:
        return []
    metrics = run.record().metrics
    told = [
        f"{missing:,.0f} measurements before step {step:,} are missing"
        for step, missing in zip(metrics["step"], metrics["missing"], strict=True)
        if missing > 0
    ]
    return told[:NOTES_SAID]


def _short(text: str) -> str:
    return text if len(text) <= CHARACTERS_SAID else text[: CHARACTERS_SAID - 1] + "…"


def _monitor(run: FollowedRun) -> dict[str, Any]:
    """The settings of the monitor that wrote the run, where one did."""
    settings = run.config.get("monitor")
    return settings if isinstance(settings, dict) else {}


def _whole(value: Any) -> int | None:
    """A number of steps or dimensions that a page can count, too."""
    return value if isinstance(value, int) and 0 < value < 2**53 else None


def _rounded(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None
