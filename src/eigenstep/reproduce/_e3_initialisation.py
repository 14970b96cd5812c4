"""E3: the steps blur as the initialisation grows, in the linear model as predicted, and in a network."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.encoders import ProjectorConfig
from eigenstep.images import ImagesConfig
from eigenstep.record import RunRecord
from eigenstep.reproduce._choices import PHOTOS, Choices, check_training_images, finished, made_anew
from eigenstep.reproduce._e2_three_losses import GENTLE_VIEWS, loss_configuration, train_or_go_on
from eigenstep.reproduce._figure_style import INK, MUTED, RULE, figure, mode_colours
from eigenstep.reproduce._linear_model import LinearModelExperiment
from eigenstep.reproduce._outcome import Cell, Outcome, OutcomeTable, Row
from eigenstep.reproduce._sharpness import (
    measured_crossings,
    predicted_crossings,
    separate_share,
    step_sharpness,
)
from eigenstep.terminal import progress_line
from eigenstep.training import CheckpointConfig, OptimizerConfig, RecordConfig, TrainConfig

LINEAR_SCALES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2)
NETWORK_SCALES = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
IMAGES = 200


@dataclass(frozen=True)
class Measured:
    """One run's start and how separate its steps were."""

    scale: float
    record: RunRecord
    crossings: NDArray[np.float64]

    @property
    def modes(self) -> int:
        return int(self.crossings.shape[1])


@dataclass(frozen=True)
class SharpnessCurve:
    """Runs of one model from several scales of initialisation.

    Attributes
    ----------
    title : str
        Of its column.
    records : list[RunRecord]
        (k,) the runs.
    scales, sharpness : np.ndarray
        (k,).
    predicted : tuple[np.ndarray, np.ndarray] | None
        Scales and sharpness of the closed form, if there is one.
    """

    title: str
    records: list[RunRecord]
    scales: np.ndarray
    sharpness: np.ndarray
    predicted: tuple[np.ndarray, np.ndarray] | None


def initialisation(choices: Choices, folder: Path) -> Outcome:
    """Train from growing starts and measure the sharpness of the steps; the linear model's is predicted."""
    linear = [train_linear(scale, choices, folder / f"linear-{scale:g}") for scale in LINEAR_SCALES]
    network = [train_network(scale, choices, folder / f"network-{scale:g}") for scale in NETWORK_SCALES]
    sharpness_figure(linear_curve(linear), network_curve(network), folder / "sharpness")
    return judge_initialisation(linear, network, choices)


def train_linear(scale: float, choices: Choices, run: Path) -> Measured:
    """The linear model on 12-pixel crops, from the same W(0) times another scale."""
    record = finished(run)
    if record is None:
        photos = choices.on_photographs
        experiment = LinearModelExperiment(
            crop=20 if choices.full else 12,
            init_scale=scale,
            subtract_crop_mean=photos,
            margin=1.3,
            records=800,
            seed=choices.seed,
        )
        images = linear_images(choices)
        with progress_line(f"e3: linear model from {scale:g}") as line:
            record = experiment.run(
                images,
                made_anew(run),
                lambda step, steps, loss: line.update(step, steps, f"loss {loss:.2f}"),
            )
    assert record.eigenvalues is not None
    rows = record.eigenvalues
    return Measured(scale, record, measured_crossings(rows["time"], rows["cross_correlation"], plateau=1.0))


def linear_images(choices: Choices) -> Tensor:
    """The linear model's images; raises what reading them raises."""
    photos = choices.on_photographs
    return choices.images(500 if choices.full else IMAGES, 16 if photos and not choices.full else 32)


def check_initialisation(choices: Choices) -> None:
    """Open the images of E3; raises what reading them raises."""
    linear_images(choices)
    check_training_images(network_configuration(NETWORK_SCALES[0], choices))


def train_network(scale: float, choices: Choices, run: Path) -> Measured:
    """A network under Barlow Twins whose last layer starts at `scale` times the usual size."""
    record = train_or_go_on(network_configuration(scale, choices), run, f"e3: network from {scale:g}")
    assert record.eigenvalues is not None
    rows = record.eigenvalues
    return Measured(scale, record, measured_crossings(rows["time"], rows["cross_correlation"]))


def network_configuration(scale: float, choices: Choices) -> TrainConfig:
    """E2's own for the full size, else the small convnet, which takes seconds.

    Examples
    --------
    >>> network_configuration(0.01, Choices()).projector.init_scale
    0.01
    """
    if choices.full:
        full = loss_configuration("barlow_twins", choices)
        return dataclasses.replace(full, projector=dataclasses.replace(full.projector, init_scale=scale))
    return TrainConfig(
        data=choices.data_or(PHOTOS),
        steps=300,
        batch_size=128,
        seed=choices.seed,
        threads=choices.threads,
        device="cpu",
        images=ImagesConfig(limit=4096),
        views=GENTLE_VIEWS,
        projector=ProjectorConfig(init_scale=scale),
        optimizer=OptimizerConfig(lr=0.005),
        record=RecordConfig(every=2, directions=3),
        checkpoint=CheckpointConfig(every=100, keep=1),
    )


def judge_initialisation(linear: list[Measured], network: list[Measured], choices: Choices) -> Outcome:
    """Sharpness against scale."""
    rows = [
        Row(f"linear model from {one.scale:g}", None, predicted_sharpness(one), step_sharpness(one.crossings))
        for one in linear
    ]
    rows += [Row(f"network from {one.scale:g}", None, None, step_sharpness(one.crossings)) for one in network]
    table: list[list[Cell]] = [
        [
            f"{kind} from {one.scale:g}",
            one.modes,
            separate_share(one.crossings),
            float(one.record.metrics["loss"][0]),
            float(one.record.metrics["loss"][-1]),
        ]
        for kind, runs in (("linear model", linear), ("network", network))
        for one in runs
    ]
    first, config = linear[0].record.config, network[0].record.config
    return Outcome(
        "e3",
        "Steps blur as the initialisation grows",
        f"The linear model on {first['data']} ({choices.data_or('cifar10')}), W(0) ~ N(0, scale²), and"
        f" {config['backbone']} under Barlow Twins, {config['steps']} steps of batch {config['batch_size']},"
        " its last layer's usual weights times the scale. Step sharpness is the time between the half-times"
        " of neighbouring modes, divided by their mean width from 10 to 90 %, as a median over modes.",
        rows,
        [
            OutcomeTable(
                "Modes, and how many neighbours are more than half a width apart",
                ("run", "modes", "share apart", "loss at the start", "loss at the end"),
                table,
            )
        ],
        [
            "For modes that start at the same eigenvalue λ the closed form is"
            " (2 / log 81) log(1/λ - 1) (γ_j - γ_j+1) / (γ_j + γ_j+1): each decade of the scale takes the"
            " same amount off.",
            "The paper shows the blur and gives no number. For the network no closed form is known. Its"
            " median is over the modes learned by the end, of which a larger start has more, so it need not"
            " fall at every scale.",
            "The prediction assumes an aligned start, which holds for small scales; at the largest scales the"
            " departure is part of the result.",
        ],
        ["sharpness.png"],
    )


def predicted_sharpness(one: Measured, factor: float = 1.0) -> float:
    """The closed form's sharpness of a linear run, or of one from `factor` times its start."""
    prediction = one.record.prediction
    assert prediction is not None
    scales = factor * np.array(prediction["start_scales"])
    return step_sharpness(predicted_crossings(prediction["gamma"], scales, prediction["learning_rate"]))


def linear_curve(runs: list[Measured]) -> SharpnessCurve:
    """Measured points, and the closed form between them."""
    grid = np.geomspace(runs[0].scale, runs[-1].scale, 120)
    predicted = [predicted_sharpness(runs[0], scale / runs[0].scale) for scale in grid]
    return SharpnessCurve(
        "linear model", [one.record for one in runs], *_points(runs), (grid, np.array(predicted))
    )


def network_curve(runs: list[Measured]) -> SharpnessCurve:
    """Measured points alone."""
    return SharpnessCurve("network", [one.record for one in runs], *_points(runs), None)


def _points(runs: list[Measured]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (
        np.array([one.scale for one in runs]),
        np.array([step_sharpness(one.crossings) for one in runs]),
    )


def sharpness_figure(linear: SharpnessCurve, network: SharpnessCurve, path: Path) -> None:
    """Write `path`.png and `path`.pdf, one model a column."""
    with figure(path, 4.2) as drawn:
        panels = drawn.subplots(2, 2)
        for curve, (above, below) in zip((linear, network), panels.T, strict=True):
            _draw_losses(above, curve)
            _draw_sharpness(below, curve)
        panels[0, 0].set_ylabel("loss")
        panels[1, 0].set_ylabel("step sharpness")
        panels[0, 0].set_xscale("log")


def _draw_losses(axes: Axes, curve: SharpnessCurve) -> None:
    for record, colour, scale in zip(
        curve.records, mode_colours(len(curve.records)), curve.scales, strict=True
    ):
        time, loss = record.metrics["time"], record.metrics["loss"]
        axes.plot(time[1:], loss[1:], color=colour, label=f"{scale:g}")
    start = float(curve.records[0].metrics["loss"][0])
    axes.set_ylim(-0.04 * start, 1.08 * start)
    axes.set(title=curve.title, xlabel="t = learning rate × step")
    axes.legend(title="scale of the start", title_fontsize=7, ncols=2, loc="lower left")


def _draw_sharpness(axes: Axes, curve: SharpnessCurve) -> None:
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
