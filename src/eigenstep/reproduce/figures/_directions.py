"""Figure of E5: the probe batch on three principal directions at the plateaus, a run a row."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mpl_toolkits.mplot3d import Axes3D

from eigenstep.record import RunRecord
from eigenstep.report._alignment import align_frames
from eigenstep.report._facts import loss_name
from eigenstep.reproduce.figures._style import FAINT, INK, MODES, MUTED, figure

SHAPES = ("point", "line", "plane", "space")


def directions_figure(records: Sequence[RunRecord], frames: Mapping[str, list[int]], path: Path) -> None:
    """Write `path`.png and `path`.pdf; `frames` are those to show of the run of each loss.

    A row has one scale, and its directions are those of its last frame, followed backwards. Points keep
    their colour: the place along the first direction there.
    """
    with figure(path, 1.55 * len(records)) as drawn:
        for row, record in enumerate(records):
            assert record.projections is not None
            shown = frames[record.config["loss"]]
            points = align_frames(record.projections["points"], shown[-1])
            last = points[shown[-1]]
            colours = MODES(_ranks(last[:, 0]))
            reach = float(np.abs(points[shown]).max()) or 1.0
            for column, (shape, frame) in enumerate(zip(SHAPES, shown, strict=False)):
                axes = drawn.add_subplot(
                    len(records), len(SHAPES), row * len(SHAPES) + column + 1, projection="3d"
                )
                step = int(record.metrics["step"][frame])
                _cloud(axes, points[frame], colours, reach)
                title = f"{shape}, step {step}" if column else f"{loss_name(record)}: {shape}, step {step}"
                axes.set_title(title, y=0.94, loc="left", color=MUTED if column else INK)


def _cloud(axes: Axes3D, points: np.ndarray, colours: np.ndarray, reach: float) -> None:
    axes.set_proj_type("persp", focal_length=0.6)
    axes.view_init(elev=22, azim=-58)
    ends = np.array([-reach, reach])
    for direction in np.eye(3):
        axes.plot(*np.outer(direction, ends), color=FAINT, linewidth=0.7)
    axes.scatter(*points.T, c=colours, s=7, linewidths=0, depthshade=False)
    axes.set(xlim=ends, ylim=ends, zlim=ends)
    axes.set_box_aspect((1, 1, 1), zoom=1.6)
    axes.set_axis_off()


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values)) / max(1, len(values) - 1)
