"""E1: the linear model's loss is a staircase, and its times are known beforehand (the paper's figure 1)."""

from pathlib import Path

import numpy as np
from torch import Tensor

from eigenstep.record import RunRecord
from eigenstep.reproduce._choices import Choices, finished, made_anew
from eigenstep.reproduce._figure_style import INK, figure, mark_half_times, mode_colours
from eigenstep.reproduce._linear_model import LinearModelExperiment
from eigenstep.reproduce._outcome import Cell, Outcome, OutcomeTable, Row
from eigenstep.terminal import progress_line
from eigenstep.theory import loss_curve, mode_eigenvalues

# How many images, and how far from the closed form a half-time may be.
IMAGES, TOLERANCE = 500, 0.03
# Read off the paper's figure 1, 500 CIFAR-10 images, d = 10.
PAPER_TIMES = (0.0076, 0.0251, 0.0394, 0.0418, 0.0894, 0.132, 0.157, 0.174, 0.217, 0.251)


def linear_model(choices: Choices, folder: Path) -> Outcome:
    """Train the linear model as the paper does and hold every mode's time against the closed form."""
    record = train_linear_model(choices, folder / "linear")
    staircase_figure(record, folder / "staircase")
    return judge_linear_model(record, choices)


def train_linear_model(choices: Choices, run: Path) -> RunRecord:
    """The run of E1, taken from its folder if it is there."""
    if record := finished(run):
        return record
    # A photograph's mean level is its strongest mode by far: with it the wait is ten times longer.
    photos = choices.on_photographs
    experiment = LinearModelExperiment(subtract_crop_mean=photos, seed=choices.seed)
    images = linear_model_images(choices)
    with progress_line("e1: linear model") as line:
        return experiment.run(
            images,
            made_anew(run),
            lambda step, steps, loss: line.update(step, steps, f"loss {loss:.2f}"),
        )


def linear_model_images(choices: Choices) -> Tensor:
    """The images of E1; raises what reading them raises."""
    return choices.images(IMAGES, 24 if choices.on_photographs else 32)


def judge_linear_model(record: RunRecord, choices: Choices) -> Outcome:
    """Times, ratios of times and loss levels of a finished run."""
    assert record.prediction is not None
    assert record.summary is not None
    predicted = np.array(record.prediction["half_times"])
    dim = len(predicted)
    found = {rise["mode"]: rise["half_time"] for rise in record.summary["rises"]}
    measured = [found.get(mode) for mode in range(dim)]
    paper: list[Cell] = list(PAPER_TIMES) if dim == len(PAPER_TIMES) else [None] * dim
    rows = [
        Row(f"half-time of mode {mode + 1}", paper[mode], float(predicted[mode]), measured[mode])
        for mode in range(dim)
    ]
    loss, times = record.metrics["loss"], record.metrics["time"]
    rows.append(Row("loss at the start", float(dim), float(dim), float(loss[0])))
    rows += [_plateau_row(predicted, times, loss, dim, step) for step in _widest_gaps(predicted)]
    errors = [abs(row.error) for row in rows[:dim] if row.error is not None]
    verdict = (
        f"All {dim} half-times are within {max(errors):.2%} of the closed form (tolerance: {TOLERANCE:.0%})."
        if len(errors) == dim and max(errors) <= TOLERANCE
        else f"NOT within the tolerance of {TOLERANCE:.0%}: {len(errors)} of {dim} modes were learned,"
        f" worst error {max(errors, default=np.nan):.2%}."
    )
    return Outcome(
        "e1",
        "The linear model against its closed form",
        f"The linear model f(x) = W x on {record.config['data']} ({choices.data_or('cifar10')}), d = {dim},"
        f" W(0) ~ N(0, {record.config['experiment']['init_scale']:g}²), full-batch gradient descent on Barlow"
        " Twins without normalisation. Times are learning rate × step.",
        rows,
        [_ratios(paper, predicted, measured)],
        [
            verdict,
            "The paper's pixel scaling is not known, and times scale with it. So only the ratios of its"
            " column can be compared, and these depend on the images.",
        ],
        ["staircase.png"],
    )


def _plateau_row(half_times: np.ndarray, times: np.ndarray, loss: np.ndarray, dim: int, learned: int) -> Row:
    """The loss half-way between two steps, where it should rest at d minus the modes learned."""
    middle = np.sqrt(half_times[learned - 1] * half_times[learned])
    value = float(np.interp(middle, times, loss))
    return Row(f"loss after {learned} mode{'s' * (learned > 1)}", None, float(dim - learned), value)


def _widest_gaps(half_times: np.ndarray, count: int = 2) -> list[int]:
    """After how many modes the loss rests longest, in relation to the time."""
    return sorted((np.argsort(-half_times[1:] / half_times[:-1])[:count] + 1).tolist())


def _ratios(paper: list[Cell], predicted: np.ndarray, measured: list[float | None]) -> OutcomeTable:
    first = measured[0]
    rows: list[list[Cell]] = [
        [
            str(mode + 1),
            None if not isinstance(value := paper[mode], float) else value / PAPER_TIMES[0],
            float(predicted[mode] / predicted[0]),
            time / first if (time := measured[mode]) is not None and first else None,
        ]
        for mode in range(len(predicted))
    ]
    return OutcomeTable("Half-times over the first mode's", ("mode", "paper", "predicted", "measured"), rows)


def staircase_figure(record: RunRecord, path: Path) -> None:
    """Write `path`.png and `path`.pdf of a run that has a prediction."""
    assert record.prediction is not None
    assert record.eigenvalues is not None
    gamma, scales, half_times = (
        np.array(record.prediction[name]) for name in ("gamma", "start_scales", "half_times")
    )
    times, measured = record.eigenvalues["time"], record.eigenvalues["cross_correlation"]
    first = times[times >= half_times.min() / 6][0]
    grid = np.geomspace(first, times[-1], 1500)
    curves = mode_eigenvalues(gamma, scales, grid, record.prediction["learning_rate"])
    shown = times >= first
    with figure(path, 4.0) as drawn:
        above, below = drawn.subplots(2, 1, sharex=True)
        mark_half_times((above, below), half_times.tolist())
        above.plot(times[shown], record.metrics["loss"][shown], color=INK, linewidth=2.2, alpha=0.35)
        above.plot(grid, loss_curve(curves), color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        for mode, colour in enumerate(mode_colours(len(gamma))):
            below.plot(times[shown], measured[shown, mode], color=colour, linewidth=2.2, alpha=0.35)
            below.plot(grid, curves[:, mode], color=colour, linewidth=0.9, linestyle=(0, (4, 2)))
        above.set(xscale="log", ylabel="loss", title="Barlow Twins loss of a linear model")
        above.set_yticks(range(0, len(gamma) + 1, 2))
        above.legend(above.get_lines()[-2:], ["trained", "closed form"], loc="upper right")
        below.set(xlabel="t = learning rate × step", ylabel="eigenvalues of C", xlim=(first, times[-1]))
        below.set_title("one eigenvalue at a time")
