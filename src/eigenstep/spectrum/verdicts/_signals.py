"""The curves that a verdict rests on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.spectrum._record import RunRecord


@dataclass(frozen=True)
class Signals:
    """Curves over T measurements; one that is not known is NaN throughout.

    Attributes
    ----------
    times : (T,), increasing
    eigenvalues : (T, k), of the embeddings' centred covariance, descending
    dim : dimension d of the embeddings, at least k
    rows : embeddings behind one measurement, which bound its rank; None if not known
    loss, mean_norm, normalized_std : (T,); `normalized_std` is of the embeddings scaled to unit length,
        times the root of d: 1 for directions spread evenly, 0 for a single one
    """

    times: np.ndarray
    eigenvalues: np.ndarray
    dim: int
    rows: int | None
    loss: np.ndarray
    mean_norm: np.ndarray
    normalized_std: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    @property
    def variance(self) -> np.ndarray:
        """(T,), the total variance; of the leading directions where only they are known."""
        return self.eigenvalues.sum(axis=1)

    @property
    def size(self) -> np.ndarray:
        """(T,), the embeddings' squared norm, or their variance where that is not known."""
        return np.fmax(self.variance, self.mean_norm**2)

    @property
    def rank_limit(self) -> int:
        """How many directions a measurement can have at all."""
        return self.dim if self.rows is None else max(min(self.dim, self.rows - 1), 1)

    def before(self, end: int) -> "Signals":
        """The first `end` measurements."""
        curves = ("times", "eigenvalues", "loss", "mean_norm", "normalized_std")
        return replace(self, **{name: getattr(self, name)[:end] for name in curves})

    def finite(self) -> "Signals":
        """The measurements whose eigenvalues are finite."""
        keep = np.isfinite(self.eigenvalues).all(axis=1)
        if keep.all():
            return self
        curves = ("times", "eigenvalues", "loss", "mean_norm", "normalized_std")
        return replace(self, **{name: getattr(self, name)[keep] for name in curves})


def gather_signals(
    times: ArrayLike,
    eigenvalues: ArrayLike,
    dim: int | None,
    rows: int | None,
    loss: ArrayLike | None,
    mean_norm: ArrayLike | None,
    normalized_std: ArrayLike | None,
) -> Signals:
    """Signals of arrays; ValueError for shapes that do not fit."""
    t, curves = np.asarray(times, float), np.asarray(eigenvalues, float)
    if t.ndim != 1 or curves.ndim != 2 or len(t) != len(curves) or not curves.shape[1]:
        raise ValueError(f"expected times (T,) and eigenvalues (T, k), got {t.shape} and {curves.shape}")
    if dim is not None and dim < curves.shape[1]:
        raise ValueError(f"expected no more than dim = {dim} eigenvalues, got {curves.shape[1]}")
    known: dict[str, Any] = {"loss": loss, "mean_norm": mean_norm, "normalized_std": normalized_std}
    for name, values in known.items():
        known[name] = np.full(len(t), np.nan) if values is None else np.asarray(values, float)
        if known[name].shape != t.shape:
            raise ValueError(f"expected {name} of shape {t.shape}, as times, got {known[name].shape}")
    return Signals(t, np.where(curves < 0, 0, curves), dim or curves.shape[1], rows, **known)


def signals_of(record: RunRecord) -> Signals:
    """Signals of a run folder's record; none if it has no eigenvalues yet."""
    table, metrics = record.eigenvalues, record.metrics
    monitor = record.config.get("monitor") or {}
    if table is None or not len(table):
        return gather_signals(np.zeros(0), np.zeros((0, 1)), monitor.get("dim"), None, None, None, None)
    rows = None
    if batch := record.config.get("batch_size"):
        rows = 2 * batch
    names = {
        "loss": "loss",
        "mean_norm": "measures/mean_norm",
        "normalized_std": "measures/normalized_std",
    }
    curves = {key: _at(table["step"], metrics, name) for key, name in names.items()}
    dim = monitor.get("dim") or table["covariance"].shape[1]
    if curves["normalized_std"] is not None:
        curves["normalized_std"] = curves["normalized_std"] * np.sqrt(dim)
    return gather_signals(table["time"], table["covariance"], dim, rows, **curves)


def _at(steps: np.ndarray, metrics: dict[str, np.ndarray], name: str) -> np.ndarray | None:
    """A metric's values at some steps, NaN where it has none; None if it is not there at all."""
    if name not in metrics:
        return None
    places = np.searchsorted(metrics["step"], steps)
    found = places < len(metrics["step"])
    places = np.minimum(places, len(metrics["step"]) - 1)
    found &= metrics["step"][places] == steps
    return np.where(found, metrics[name][places], np.nan)
