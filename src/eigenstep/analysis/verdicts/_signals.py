"""The curves that a verdict rests on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.record import RunRecord

# Beside the largest eigenvalue, where float32 has nothing but rounding.
ROUNDING = 1e-12
CURVES = ("times", "eigenvalues", "finite", "variance", "loss", "mean_norm", "spread")


@dataclass(frozen=True)
class Signals:
    """Curves over T measurements; one that is not known is NaN throughout.

    Attributes
    ----------
    times : np.ndarray
        (T,), increasing.
    eigenvalues : np.ndarray
        (T, k), of the embeddings' centred covariance, descending, none negative.
    dim : int
        Dimension d of the embeddings, at least k.
    rows : int | None
        Samples behind one measurement, which bound its rank; None if not known.
    finite : np.ndarray
        (T,), whether all eigenvalues are.
    variance : np.ndarray
        (T,), their sum; of the leading ones where only they are known.
    loss, mean_norm : np.ndarray
        (T,).
    spread : np.ndarray
        (T,), root of 1 - mean cosine of two embeddings: 0 where all point in one direction, 1 where they
        point everywhere.
    """

    times: np.ndarray
    eigenvalues: np.ndarray
    dim: int
    rows: int | None
    finite: np.ndarray
    variance: np.ndarray
    loss: np.ndarray
    mean_norm: np.ndarray
    spread: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    @property
    def size(self) -> np.ndarray:
        """(T,), the squared norm of the embeddings, or their variance where that is not known."""
        return np.fmax(self.variance, self.mean_norm**2)

    @property
    def across(self) -> np.ndarray:
        """(T,), the variance across the embeddings' mean direction."""
        return self.spread**2 * self.size

    @property
    def last_loss(self) -> np.ndarray:
        """(T,), the loss as it was last told: one that is not finite, or not told, is passed over."""
        told = np.flatnonzero(np.isfinite(self.loss))
        if not len(told):
            return self.loss
        return self.loss[told[np.searchsorted(told, np.arange(len(self)), side="right").clip(min=1) - 1]]

    @property
    def rank_limit(self) -> int:
        """How many directions a measurement can have at all."""
        return self.dim if self.rows is None else max(min(self.dim, self.rows - 1), 1)

    def at(self, which: slice | np.ndarray) -> "Signals":
        """Some of the measurements."""
        return replace(self, **{name: getattr(self, name)[which] for name in CURVES})

    def known(self) -> "Signals":
        """Those of finite eigenvalues."""
        return self if self.finite.all() else self.at(self.finite)


def signals_of(
    times: ArrayLike,
    eigenvalues: ArrayLike,
    dim: int | None = None,
    rows: int | None = None,
    loss: ArrayLike | None = None,
    mean_norm: ArrayLike | None = None,
    cosine_concentration: ArrayLike | None = None,
) -> Signals:
    """Signals of arrays; ValueError for shapes that do not fit."""
    t, values = np.asarray(times, float), np.asarray(eigenvalues, float)
    if t.ndim != 1 or values.ndim != 2 or len(t) != len(values) or not values.shape[1]:
        raise ValueError(f"expected times (T,) and eigenvalues (T, k), got {t.shape} and {values.shape}")
    if dim is not None and dim < values.shape[1]:
        raise ValueError(f"expected at most dim = {dim} eigenvalues, got {values.shape[1]}")
    curves = {"loss": loss, "mean_norm": mean_norm, "cosine_concentration": cosine_concentration}
    found = {}
    for name, curve in curves.items():
        found[name] = np.full(len(t), np.nan) if curve is None else np.asarray(curve, float)
        if found[name].shape != t.shape:
            raise ValueError(f"expected {name} of shape {t.shape}, as times, got {found[name].shape}")
    values = np.maximum(values, 0)  # NaN stays
    variance = values.sum(axis=1)
    return Signals(
        times=t,
        eigenvalues=values,
        dim=dim or values.shape[1],
        rows=rows,
        finite=np.isfinite(variance),
        variance=variance,
        loss=found["loss"],
        mean_norm=found["mean_norm"],
        spread=np.sqrt(np.clip(1 - found["cosine_concentration"], 0, 1)),
    )


def signals_of_record(record: RunRecord, side: str = "") -> Signals | None:
    """Signals of a run folder's record; None if it holds no eigenvalues yet.

    Parameters
    ----------
    side : str
        "_a" or "_b" of the record of two encoders.
    """
    table, metrics = record.eigenvalues, record.metrics
    if table is not None:  # a row's metrics follow it: those of the last one may not be there yet
        table = table[np.isin(table["step"], metrics.get("step", []))]
    if table is None or not len(table):
        return None
    return signals_of(
        table["time"],
        table[f"covariance{side}"],
        _dimension(record.config, side),
        _rows(record),
        loss=_at(table["step"], metrics, "loss"),
        mean_norm=_at(table["step"], metrics, f"measures/mean_norm{side}"),
        cosine_concentration=_at(table["step"], metrics, f"measures/cosine_concentration{side}"),
    )


def _dimension(config: dict[str, Any], side: str) -> int | None:
    """Of the embeddings, as a monitor tells it."""
    monitor = config.get("monitor")
    found = monitor.get("dim") if isinstance(monitor, dict) else None
    if side and isinstance(found, list) and len(found) == 2:
        found = found[side == "_b"]
    return found if isinstance(found, int) else None


def _rows(record: RunRecord) -> int | None:
    """Samples behind the smallest measurement, as a monitor tells, or a training's batch.

    Two views of a sample are two embeddings, but may be almost the same one.
    """
    counts = record.metrics.get("count", np.zeros(0))
    counts = counts[counts > 0]
    batch = record.config.get("batch_size")
    return int(counts.min()) if len(counts) else batch if isinstance(batch, int) else None


def _at(steps: np.ndarray, metrics: dict[str, np.ndarray], name: str) -> np.ndarray | None:
    """A metric at some of its steps; None if it was never measured."""
    return metrics[name][np.searchsorted(metrics["step"], steps)] if name in metrics else None
