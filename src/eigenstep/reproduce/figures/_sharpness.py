"""Figure of E3: losses from growing starts, and the sharpness of their steps against the scale."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from eigenstep.record import RunRecord
from eigenstep.reproduce.figures._style import INK, MUTED, RULE, figure, mode_colours


@dataclass(frozen=True)
class SharpnessCurve:
    """Runs of one model from several scales of initialisation.

    Attributes
    ----------
    title : of its column
    records : (k,) the runs
    scales, sharpness : (k,)
    predicted : scales and sharpness of the closed form, if there is one
    """

    title: str
    records: list[RunRecord]
    scales: np.ndarray
    sharpness: np.ndarray
    predicted: tuple[np.ndarray, np.ndarray] | None


def sharpness_figure(linear: SharpnessCurve, network: SharpnessCurve, path: Path) -> None:
    """Write `path`.png and `path`.pdf, one model a column."""
    with figure(path, 4.2) as drawn:
        panels = drawn.subplots(2, 2)
        for curve, (above, below) in zip((linear, network), panels.T, strict=True):
            _losses(above, curve)
            _sharpness(below, curve)
        panels[0, 0].set_ylabel("loss")
        panels[1, 0].set_ylabel("step sharpness")
        panels[0, 0].set_xscale("log")


def _losses(axes: Axes, curve: SharpnessCurve) -> None:
    for record, colour, scale in zip(
        curve.records, mode_colours(len(curve.records)), curve.scales, strict=True
    ):
        time, loss = record.metrics["time"], record.metrics["loss"]
        axes.plot(time[1:], loss[1:], color=colour, label=f"{scale:g}")
    start = float(curve.records[0].metrics["loss"][0])
    axes.set_ylim(-0.04 * start, 1.08 * start)
    axes.set(title=curve.title, xlabel="t = learning rate × step")
    axes.legend(title="scale of the start", title_fontsize=7, ncols=2, loc="lower left")


def _sharpness(axes: Axes, curve: SharpnessCurve) -> None:
    if curve.predicted:
        axes.plot(*curve.predicted, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), label="closed form")
    axes.plot(curve.scales, curve.sharpness, color=RULE, linewidth=0.6, zorder=1)
    axes.scatter(
        curve.scales, curve.sharpness, color=mode_colours(len(curve.scales)), s=22, zorder=3, label="measured"
    )
    axes.axhline(0.5, color=RULE, linewidth=0.7, zorder=0)
    axes.annotate(
        "steps run together below",
        (0.02, 0.5),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        xytext=(0, -3),
        va="top",
        fontsize=6.5,
        color=MUTED,
    )
    axes.set(xscale="log", xlabel="scale of the initial weights", ylim=(0, None))
    if curve.predicted:
        axes.legend(loc="upper right")
