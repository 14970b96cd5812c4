"""E2: a ResNet's loss is a staircase under three losses, with one new eigenvalue a step."""

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np

from eigenstep.analysis import Rise, separate_steps
from eigenstep.encoders import ProjectorConfig
from eigenstep.images import ImagesConfig
from eigenstep.record import RunRecord, StepClock
from eigenstep.reproduce._choices import LOSSES, Choices, check_training_images, finished
from eigenstep.reproduce._figure_style import INK, draw_eigenvalues, figure, mark_half_times
from eigenstep.reproduce._outcome import Cell, Outcome, OutcomeTable, Row
from eigenstep.terminal import follow
from eigenstep.training import (
    CheckpointConfig,
    OptimizerConfig,
    RecordConfig,
    TrainConfig,
    load_config,
    train,
)
from eigenstep.training.recipes import load_recipe
from eigenstep.views import ViewsConfig

# Crops, flips, brightness and contrast; colour would cost more than these networks gain.
GENTLE_VIEWS = ViewsConfig(
    crop_scale=(0.2, 1.0),
    jitter_probability=1.0,
    brightness=0.2,
    contrast=0.2,
    saturation=0.0,
    hue=0.0,
    grayscale_probability=0.0,
)
# Learning rates and steps of the small form, by trial: at larger rates modes swing. SimCLR's eigenvalues go
# on growing once they have risen, so in a long run half of the last value is reached long after the step.
RATES = {"barlow_twins": 2.5e-3, "simclr": 1e-2, "vicreg": 8e-4}
STEPS = {"barlow_twins": 1000, "simclr": 260, "vicreg": 1000}
# The medium form: ResNet-50, by SGD and by Muon, at these rates. Barlow Twins' by SGD is by trial: without
# batch norm in the hidden layer the first mode rises within a few steps, overshoots and takes all down.
MEDIUM_RATES = {
    "SGD": {"barlow_twins": 2e-3, "simclr": 1e-2, "vicreg": 4e-4},
    "Muon": {"barlow_twins": 0.004, "simclr": 0.004, "vicreg": 0.004},
}
MEDIUM_PROJECTOR = ProjectorConfig(
    hidden=(512,), dim=64, batch_norm=True, batch_norm_output=False, init_scale=1e-2
)
MEDIUM_STEPS = 1000


def three_losses(choices: Choices, folder: Path) -> Outcome:
    """Train the ResNet under each loss and count the eigenvalues that rise at its steps."""
    records = train_three_losses(choices, folder)
    losses_figure(records, folder / "losses", names_of_runs(choices))
    return judge_three_losses(records, names_of_runs(choices))


def train_three_losses(choices: Choices, folder: Path) -> list[RunRecord]:
    """The runs of E2; those that are in their folders are taken from there, one that was cut off goes on."""
    folders = {loss: loss_configuration(loss, choices) for loss in LOSSES}
    if choices.size == "medium":
        folders |= {f"{loss}-muon": medium_configuration(loss, choices, "Muon") for loss in LOSSES}
    return [
        train_or_go_on(config, folder / place, f"e2: {name}")
        for (place, config), name in zip(folders.items(), names_of_runs(choices), strict=True)
    ]


def names_of_runs(choices: Choices) -> list[str]:
    """What the runs of `train_three_losses` are called, in its order.

    Examples
    --------
    >>> names_of_runs(Choices())
    ['Barlow Twins', 'SimCLR', 'VICReg']
    """
    by_muon = [f"{name}, Muon" for name in LOSSES.values()] if choices.size == "medium" else []
    return [*LOSSES.values(), *by_muon]


def check_three_losses(choices: Choices) -> None:
    """Open the images of E2; raises what reading them raises."""
    check_training_images(loss_configuration("barlow_twins", choices))


def train_or_go_on(config: TrainConfig, run: Path, title: str) -> RunRecord:
    """The run of this configuration, from wherever it stands in its folder to its end.

    One that was cut off goes on with the threads that it began with, so that it ends as if it had not been.

    Raises
    ------
    ValueError
        If the folder holds a run of another configuration.
    """
    if record := finished(run):
        return record
    if (run / "config.yaml").is_file():
        config = dataclasses.replace(config, threads=load_config(run / "config.yaml").threads)
    with follow(title) as progress:
        return train(config, run, resume=True, progress=progress)


def loss_configuration(loss: str, choices: Choices) -> TrainConfig:
    """E2's configuration: of the full size the recipe after the paper, of the small one a narrow ResNet's.

    Examples
    --------
    >>> loss_configuration("simclr", Choices()).backbone
    'test_resnet'
    """
    if choices.size == "medium":
        return medium_configuration(loss, choices, "SGD")
    recipe = load_recipe(f"{loss}/stl10-resnet50-stepwise")
    if choices.full:
        if choices.data:
            images = dataclasses.replace(recipe.images, split="train")
            recipe = dataclasses.replace(recipe, data=choices.data, images=images)
        return dataclasses.replace(recipe, seed=choices.seed)
    return dataclasses.replace(
        TrainConfig(),
        data=choices.data_or("jxie/stl10"),
        loss=loss,
        backbone="test_resnet",
        steps=STEPS[loss],
        batch_size=64,
        seed=choices.seed,
        threads=choices.threads,
        device="cpu",
        images=ImagesConfig(size=72, limit=4096),
        views=GENTLE_VIEWS,
        projector=ProjectorConfig(dim=16, init_scale=2e-2),
        optimizer=OptimizerConfig(lr=RATES[loss]),
        record=RecordConfig(every=2),
        checkpoint=CheckpointConfig(every=40, keep=1),
    )


def medium_configuration(loss: str, choices: Choices, optimiser: Literal["SGD", "Muon"]) -> TrainConfig:
    """ResNet-50 on photographs of 96 px, from a small start, by SGD or by Muon.

    Examples
    --------
    >>> medium_configuration("simclr", Choices(), "Muon").optimizer.name
    'muon'
    """
    rate = MEDIUM_RATES[optimiser][loss]
    sgd = OptimizerConfig(name="sgd", lr=rate, momentum=0.0)
    return TrainConfig(
        data=choices.data_or("jxie/stl10"),
        loss=loss,
        backbone="resnet50",
        steps=MEDIUM_STEPS,
        batch_size=64,
        seed=choices.seed,
        threads=choices.threads,
        precision="auto",
        images=ImagesConfig(size=96, split="train" if choices.data else "unlabeled"),
        views=GENTLE_VIEWS,
        projector=MEDIUM_PROJECTOR,
        optimizer=sgd if optimiser == "SGD" else OptimizerConfig(name="muon", lr=rate),
        record=RecordConfig(every=5),
        checkpoint=CheckpointConfig(every=50, keep=1),
    )


def judge_three_losses(records: list[RunRecord], names: list[str]) -> Outcome:
    """Steps, eigenvalues a step, plateaus and losses of the runs."""
    rows: list[Row] = []
    for record, name in zip(records, names, strict=True):
        rises = run_rises(record)
        rows += _rows(record, name, rises)
    first = records[0].config
    dim = first["projector"]["dim"]
    steps = ", ".join(str(record.config["steps"]) for record in records)
    return Outcome(
        "e2",
        "A network's staircase under three losses",
        f"{first['backbone']}, {first['images']['size']}-pixel images ({first['data']}), d = {dim},"
        f" {steps} steps of batch {first['batch_size']}, last layer scaled by"
        f" {first['projector']['init_scale']:g}. The paper has ResNet-50, STL-10 and d = 512.",
        rows,
        [when_modes_rose(records, names)],
        [
            "The paper's column is its Barlow Twins run. The theory predicts one eigenvalue a step. Steps are"
            " separate where half-times are more than half a width apart, so modes that rise together count"
            " as one step with several eigenvalues.",
        ],
        ["losses.png"],
    )


def run_rises(record: RunRecord) -> list[Rise]:
    """The modes that a finished run counted as learned."""
    return [Rise(**rise) for rise in (record.summary or {})["rises"]]


def when_modes_rose(records: list[RunRecord], names: list[str]) -> OutcomeTable:
    """Loss, learned modes and the steps at which they rose, run by run."""
    rows: list[list[Cell]] = []
    for record, name in zip(records, names, strict=True):
        rises, loss = run_rises(record), record.metrics["loss"]
        step_at = StepClock.of(record)
        steps = " ".join(f"{step_at(rise.half_time):.0f}" for rise in rises)
        rows.append([name, f"{loss[0]:.2f} → {loss[-1]:.2f}", len(rises), len(separate_steps(rises)), steps])
    return OutcomeTable(
        "What was learned", ("run", "loss", "modes", "separate steps", "steps at which they rose"), rows
    )


def _rows(record: RunRecord, name: str, rises: list[Rise]) -> list[Row]:
    loss = record.metrics["loss"]
    barlow = record.config["loss"] == "barlow_twins"
    steps = len(separate_steps(rises))
    low, high = (f(rise.plateau for rise in rises) if rises else float("nan") for f in (min, max))
    rows = [
        Row(f"{name}: loss at the start", 512.0 if barlow else None, _start(record), float(loss[0])),
        Row(f"{name}: modes learned", 10 if barlow else None, None, len(rises)),
        Row(f"{name}: eigenvalues a step", None, 1.0, len(rises) / steps if steps else None),
    ]
    if barlow and rises:
        rows += [
            Row(f"{name}: fall of the loss a mode", 1.0, 1.0, float(loss[0] - loss[-1]) / len(rises)),
            Row(f"{name}: plateaus", "0.4 to 1.3", "1", f"{low:.2f} to {high:.2f}"),
        ]
    return rows


def _start(record: RunRecord) -> float:
    """The loss of embeddings that are all zero."""
    config, batch = record.config, record.config["batch_size"]
    if config["loss"] == "barlow_twins":
        return float(config["projector"]["dim"])
    if config["loss"] == "simclr":
        return float(np.log(2 * batch - 1))
    return float(config["vicreg"]["mu_param"] * (1 - np.sqrt(config["vicreg"]["eps"])))


def losses_figure(records: list[RunRecord], path: Path, names: list[str]) -> None:
    """Write `path`.png and `path`.pdf of runs side by side, each under its name.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.images import ImagesConfig
    >>> from eigenstep.record import read_record
    >>> from eigenstep.training import TrainConfig, train
    >>> folder = Path(tempfile.mkdtemp())
    >>> for loss in ("barlow_twins", "vicreg"):
    ...     config = TrainConfig(
    ...         loss=loss, steps=2, batch_size=8, threads=1, images=ImagesConfig(size=8, patches=8)
    ...     )
    ...     _ = train(config, folder / loss)
    >>> records = [read_record(folder / loss) for loss in ("barlow_twins", "vicreg")]
    >>> losses_figure(records, folder / "losses", ["Barlow Twins", "VICReg"])
    >>> sorted(path.name for path in folder.glob("losses.*"))
    ['losses.pdf', 'losses.png']
    """
    with figure(path, 3.4) as drawn:
        panels = drawn.subplots(2, len(records), sharex="col", squeeze=False)
        for record, name, (above, below) in zip(records, names, panels.T, strict=True):
            assert record.eigenvalues is not None
            rises = (record.summary or {}).get("rises", [])
            mark_half_times((above, below), [rise["half_time"] for rise in rises])
            above.plot(record.metrics["time"], record.metrics["loss"], color=INK)
            above.set_title(name)
            draw_eigenvalues(
                below,
                record.eigenvalues["time"],
                record.eigenvalues["cross_correlation"],
                [rise["mode"] for rise in rises],
            )
            below.set(xlabel="t = learning rate × step", xlim=(0, record.metrics["time"][-1]))
            below.set_ylim(bottom=min(0.0, below.get_ylim()[0]))
        panels[0, 0].set_ylabel("loss")
        panels[1, 0].set_ylabel("eigenvalues of C")
