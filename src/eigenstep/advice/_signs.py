"""The numbers of a record in which faults show, under one name each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eigenstep.analysis.verdicts import Verdict, judge
from eigenstep.record import RunRecord, config_leaves

# Measurements behind a value "now", whose median it is.
LATEST = 3
PARTS = ("backbone", "projector", "objective")


@dataclass(frozen=True)
class Signs:
    """What is known of a run: a number that is not known is NaN, an option that is not known None.

    Attributes
    ----------
    numbers : Mapping[str, float]
        By name: `_first` at the start, `_now` the latest, `_most` the largest, else the median so far.
    options : Mapping[str, Any]
        Leaves of the configuration by dotted name; of a foreign loop what its monitor knows of its optimiser.
    verdict : str
        The state of `eigenstep.analysis.judge`.
    """

    numbers: Mapping[str, float]
    options: Mapping[str, Any]
    verdict: str

    def __getitem__(self, name: str) -> float:
        return self.numbers.get(name, math.nan)

    def option(self, name: str) -> Any:
        return self.options.get(name)

    def number(self, name: str) -> float:
        """An option that is a number; NaN for any other."""
        value = self.options.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan

    @property
    def diverged(self) -> bool:
        """Whether the run ended since its loss was no longer finite."""
        return self["diverged"] == 1

    @property
    def foreign(self) -> bool:
        """Whether the loop is not Eigenstep's, so that it has no options to set."""
        return not self.loss

    @property
    def loss(self) -> str:
        return str(self.options.get("loss", ""))


def signs_of(record: RunRecord, verdict: Verdict | None = None) -> Signs:
    """The signs of a run as far as it has come.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter, read_record
    >>> writer = RecordWriter(tempfile.mkdtemp(), 2)
    >>> for step in range(5):
    ...     both = {"cross_correlation": np.ones(2), "covariance": np.array([2.0 ** step, 0.0])}
    ...     writer.append(step, float(step), both, loss=1.0, health={"batch": 8.0})
    >>> signs = signs_of(read_record(writer.path))
    >>> signs["variance_growth"], signs["batch"]
    (8.0, 8.0)
    """
    verdict = verdict or judge(record)
    metrics = record.metrics
    numbers = {
        "measurements": float(len(metrics.get("step", ()))),
        "steps": _at(metrics, "step", -1),
        "diverged": float((record.summary or {}).get("state") == "diverged" or _is_lost(metrics)),
        **_of_loss(metrics),
        **_of_eigenvalues(record),
        **_of_health(metrics),
    }
    numbers["mean_cosine"] = _now(metrics.get("measures/cosine_concentration"))
    return Signs({name: float(value) for name, value in numbers.items()}, _options(record), verdict.state)


def until(record: RunRecord, step: int) -> RunRecord:
    """The record as it was at a step."""

    def cut(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        kept = columns["step"] <= step if "step" in columns else slice(None)
        return {name: values[kept] for name, values in columns.items()}

    table = record.eigenvalues
    ended = record.summary and record.summary.get("step", math.inf) <= step
    return replace(
        record,
        metrics=cut(record.metrics),
        probes=cut(record.probes),
        timings=cut(record.timings),
        eigenvalues=None if table is None else table[table["step"] <= step],
        summary=record.summary if ended else None,
    )


def _options(record: RunRecord) -> dict[str, Any]:
    """Of a run that a monitor watched the optimiser's are in its settings, named as torch names them."""
    monitor = record.config.get("monitor")
    told = monitor.get("optimizer") if isinstance(monitor, dict) else None
    if not isinstance(told, dict):
        return dict(config_leaves(record.config))
    options = {f"optimizer.{name}": value for name, value in told.items()}
    options["optimizer.name"] = str(told.get("name", "")).lower()
    rates = record.metrics.get("learning_rate", np.zeros(0))
    if isinstance(told.get("lr"), int | float) and np.isfinite(rates).any():  # warmed up by hand, perhaps
        options["optimizer.lr"] = max(told["lr"], float(np.nanmax(rates)))
    return options


def _is_lost(metrics: Mapping[str, np.ndarray]) -> bool:
    """Whether of the embeddings that a monitor saw last none was finite."""
    return _at(metrics, "count", -1) == 0 and _at(metrics, "nonfinite", -1) > 0


def _of_loss(metrics: Mapping[str, np.ndarray]) -> dict[str, float]:
    loss = metrics.get("loss", np.zeros(0))
    rates = metrics.get("learning_rate", np.zeros(0))
    finite = loss[np.isfinite(loss)]
    scale = max(abs(finite[0]), abs(_now(finite))) if len(finite) else 0.0
    return {
        "loss_fall": (finite[0] - _now(finite)) / scale if scale else math.nan,
        "loss_worst": (finite.max() - finite[0]) / scale if scale else math.nan,
        "rate_now": _now(rates),
        "rate_mean": rates.mean() if len(rates) else math.nan,
    }


def _of_eigenvalues(record: RunRecord) -> dict[str, float]:
    table = record.eigenvalues
    if table is None or not len(table):
        return {}
    # Of two encoders the one of fewer directions.
    names = ("covariance_a", "covariance_b") if record.is_rectangular else ("covariance",)
    sides = [side for side in map(_of_covariance, (table[name] for name in names)) if side]
    if not sides:
        return {}
    found = min(sides, key=lambda side: side["rank_now"] / side["dim"])
    if "features" in (table.dtype.names or ()):
        features = np.maximum(table["features"], 0)
        features = features[np.isfinite(features).all(axis=1)]
        if len(features):
            found["features_rank_first"] = _effective_rank(features)[0]
    return found


def _of_covariance(eigenvalues: np.ndarray) -> dict[str, float]:
    """Of eigenvalues (T, d) of the embeddings' covariance; nothing where none are finite."""
    values = np.maximum(eigenvalues, 0)
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        return {}
    variance, rank = values.sum(axis=1), _effective_rank(values)
    return {
        "variance_first": variance[0] / values.shape[1],
        "variance_now": _now(variance) / values.shape[1],
        "variance_growth": _ratio(_now(variance), variance[0]),
        "variance_most": _ratio(variance.max(), variance[0]),
        "rank_first": rank[0],
        "rank_now": _now(rank),
        "dim": values.shape[1],
    }


def _of_health(metrics: Mapping[str, np.ndarray]) -> dict[str, float]:
    health = {name.removeprefix("health/"): curve for name, curve in metrics.items() if "health/" in name}
    found: dict[str, float] = {}
    for name in ("embeddings", "features"):
        same, others = (health.get(f"{name}_agreement{end}") for end in ("", "_of_others"))
        if same is not None and others is not None:
            found |= {
                f"{name}_agreement_first": _start(health, f"{name}_agreement")
                - _start(health, f"{name}_agreement_of_others"),
                f"{name}_agreement": _now(same - others),
            }
    for part in PARTS:
        weight = health.get(f"weight_{part}")
        if weight is not None:
            found[f"weight_{part}"] = _ratio(_now(weight), _start(health, f"weight_{part}"))
        for what in ("gradient", "update"):
            if (curve := health.get(f"{what}_{part}")) is not None:
                found[f"{what}_{part}"] = _median(curve)
                found[f"{what}_{part}_most"] = np.nanmax(curve) if np.isfinite(curve).any() else math.nan
    for name in (
        *("features_at_rest", "views_mean", "views_std", "views_blank", "views_apart"),
        *("views_equal", "views_are_images", "images_distinct", "norms_evaluating", "batch", "loss_scale"),
    ):
        if name in health:
            found[name] = _median(health[name])
    if "labels_agreement" in health:
        found["labels_agreement"] = _now(health["labels_agreement"])
    if "features_silent" in health:
        found["features_silent_now"] = _now(health["features_silent"])
    return found


def _start(health: Mapping[str, np.ndarray], name: str) -> float:
    """A sign at the start, which is that of the first step where that is not measured; NaN for none."""
    known = [*health.get(f"start_{name}", ()), *health[name]]
    return next((float(value) for value in known if np.isfinite(value)), math.nan)


def _effective_rank(eigenvalues: np.ndarray) -> np.ndarray:
    """(T,), exp of the entropy of each row's shares."""
    total = eigenvalues.sum(axis=1, keepdims=True)
    shares = eigenvalues / np.where(total > 0, total, 1)
    logs = np.log(np.where(shares > 0, shares, 1))
    ranks: np.ndarray = np.exp(-(shares * logs).sum(axis=1))
    return ranks


def _now(curve: np.ndarray | None) -> float:
    """The median of the latest values that are finite."""
    if curve is None:
        return math.nan
    finite = curve[np.isfinite(curve)]
    return float(np.median(finite[-LATEST:])) if len(finite) else math.nan


def _median(curve: np.ndarray) -> float:
    finite = curve[np.isfinite(curve)]
    return float(np.median(finite)) if len(finite) else math.nan


def _at(columns: Mapping[str, np.ndarray], name: str, index: int) -> float:
    return float(columns[name][index]) if len(columns.get(name, ())) else math.nan


def _ratio(value: float, base: float) -> float:
    return value / base if base > 0 else math.nan
