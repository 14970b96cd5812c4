"""E5: the embeddings are a point, then a line, a plane and a space: one direction more at each step."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eigenstep.record import RunRecord
from eigenstep.reproduce._choices import LOSSES, Choices
from eigenstep.reproduce._e2_three_losses import run_rises, train_three_losses
from eigenstep.reproduce._outcome import Cell, Outcome, OutcomeTable, Row
from eigenstep.reproduce.figures import directions_figure

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
        "The runs of E2. Embeddings of the probe batch at the plateaus, half-way between two modes'"
        " half-times. Directions: the participation ratio (Σ v)² / Σ v² of the variances v along the probe"
        " batch's principal directions, which is k where k are alike and the others nothing.",
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
            " between them: half-way, the later one is partly there already.",
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
    return np.var(record.projections["points"][frame].astype(float), axis=0)


def participation(variances: NDArray[np.float64]) -> float:
    """(Σ v)² / Σ v²: how many directions are alike.

    >>> participation(np.array([2.0, 2.0, 0.0]))
    2.0
    """
    return float(variances.sum() ** 2 / (variances**2).sum())
