"""Loss and eigenvalues as the page plots them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from eigenstep.analysis import ClosedForm
from eigenstep.record import RunRecord
from eigenstep.report._numbers import plain, thin

POINTS, EIGENVALUES = 800, 32


def loss_curve(record: RunRecord) -> dict[str, Any]:
    """Columns `step`, `time`, `value`."""
    keep = thin(len(record.metrics["step"]), POINTS)
    step, time, loss = (record.metrics[name][keep] for name in ("step", "time", "loss"))
    return {"step": plain(step), "time": plain(time), "value": plain(loss)}


def eigenvalue_curves(record: RunRecord) -> dict[str, Any] | None:
    """Columns `step`, `time`, and one list of values for each of the largest eigenvalues of C."""
    rows = record.eigenvalues
    if rows is None or not len(rows):
        return None
    rows = rows[thin(len(rows), POINTS)]
    values = rows["cross_correlation"][:, :EIGENVALUES].T
    return {"step": plain(rows["step"]), "time": plain(rows["time"]), "values": plain(values)}


def predicted_curves(
    closed_form: ClosedForm, end: float, step_at: Callable[[float], float]
) -> dict[str, Any]:
    """Columns `step`, `time`, `loss`, and one list of values for each eigenvalue, on a grid of its own.

    Examples
    --------
    >>> entries = {"gamma": [2.0, 1.0], "start_scales": [1e-3, 1e-3], "half_times": [0.8, 1.7]}
    >>> curves = predicted_curves(ClosedForm(entries), 3.0, lambda time: 10 * time)
    >>> curves["step"][-1], [round(values[-1], 2) for values in curves["values"]]
    (30, [1, 1.0])
    """
    times = closed_form.grid(end)
    return {
        "step": plain([step_at(time) for time in times]),
        "time": plain(times),
        "loss": plain(closed_form.loss(times)),
        "values": plain(closed_form.eigenvalues(times)[:, :EIGENVALUES].T),
    }


def sparkline(steps: np.ndarray, values: np.ndarray, width: float = 100, height: float = 26) -> str:
    """The points of an SVG polyline that draws the finite values over the steps as small as this.

    Examples
    --------
    >>> sparkline(np.array([0, 10, 40]), np.array([2.0, 1.0, 0.0]))
    '0.0,1.0 25.0,13.0 100.0,25.0'
    """
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    if len(values) < 2:
        return ""
    keep = thin(len(values), 200)
    x = width * (steps[keep] - steps[0]) / max(steps[-1] - steps[0], 1)
    y = 1 + (height - 2) * (values.max() - values[keep]) / (float(np.ptp(values)) or 1.0)
    return " ".join(f"{left:.1f},{top:.1f}" for left, top in zip(x, y, strict=True))
