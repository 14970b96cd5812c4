"""E5: the embeddings are a point, then a line, a plane and a space: one direction more at each step."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from mpl_toolkits.mplot3d import Axes3D
from numpy.typing import NDArray

from eigenstep.record import RunRecord
from eigenstep.report import align_frames
from eigenstep.report.facts import loss_name
from eigenstep.reproduce._choices import LOSSES, Choices
from eigenstep.reproduce._e2_three_losses import run_rises, train_three_losses
from eigenstep.reproduce._figure_style import FAINT, INK, MODES, MUTED, figure
from eigenstep.reproduce._outcome import Cell, Outcome, OutcomeTable, Row

SHAPES = ("point", "line", "plane", "space")


def directions(choices: Choices, folder: Path) -> Outcome:
    """Look at E2's probe batch between the steps; E2's runs are trained if they are not there."""
    records = train_three_losses(choices, folder.parent / "e2")
    moments = {record.config["loss"]: plateau_frames(record) for record in records}
    directions_figure(records, moments, folder / "directions")
    rows: list[Row] = []
    shares: list[list[Cell]] = []
    for record, name in zip(records, LOSSES.values(), strict=True):
        for learned, frame in enumerate(moments[record.config["loss"]]):
            variances = direction_variances(record, frame)
            if learned:
                rows.append(
                    Row(f"{name}: directions after {learned}", None, float(learned), participation(variances))
                )
            spread = np.sqrt(variances.sum())
            share = variances[:4] / variances.sum()
            shares.append(
                [name, SHAPES[learned], int(record.metrics["step"][frame]), float(spread), *map(float, share)]
            )
    return Outcome(
        "e5",
        "Principal directions of the embeddings over time",
        "The runs are those of E2, with the embeddings of the probe batch at the plateaus, half-way between"
        " two modes' half-times. Directions are counted by the participation ratio (Σ v)² / Σ v² of the"
        " variances v along the probe batch's principal directions, which is k if k of them are equal and the"
        " others zero.",
        rows,
        [
            OutcomeTable(
                "Spread of the embeddings and its share along each principal direction",
                ("run", "shape", "step", "spread", "1st", "2nd", "3rd", "4th"),
                shares,
            )
        ],
        [
            "The paper shows the picture and gives no number. Modes that rise together leave no plateau"
            " between them: half-way, the later one is already partly there.",
        ],
        ["directions.png"],
    )


def plateau_frames(record: RunRecord) -> list[int]:
    """Frames of the record before the first mode, and after the first, second and third as far as learned.

    After a mode means half-way to the next one, or to the end of the record after the last.
    """
    assert record.projections is not None
    times = record.projections["time"]
    halves = sorted(rise.half_time for rise in run_rises(record))[: len(SHAPES)]
    bounds = [0.0, *halves, float(times[-1])][: len(SHAPES) + 1]
    middles = [
        times[0],
        *((before + after) / 2 for before, after in pairwise(bounds[1:])),
    ]
    return [int(np.abs(times - moment).argmin()) for moment in middles]


def direction_variances(record: RunRecord, frame: int) -> NDArray[np.float64]:
    """Variances of the probe batch along its principal directions, descending."""
    assert record.projections is not None
    variances: NDArray[np.float64] = np.var(record.projections["points"][frame].astype(float), axis=0)
    return variances


def participation(variances: NDArray[np.float64]) -> float:
    """(Σ v)² / Σ v²: how many directions are alike.

    Examples
    --------
    >>> participation(np.array([2.0, 2.0, 0.0]))
    2.0
    """
    return float(variances.sum() ** 2 / (variances**2).sum())


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
