"""E6, beyond the paper: what a network's modes mean in the order in which they are learned, and are worth."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eigenstep.images import ImagesConfig
from eigenstep.modes import Explanation, explain_modes, write_modes
from eigenstep.reproduce._choices import LOSSES, Choices, check_training_images
from eigenstep.reproduce._e2_three_losses import train_or_go_on
from eigenstep.reproduce._figure_style import figure
from eigenstep.reproduce._outcome import Cell, Outcome, OutcomeTable, Row
from eigenstep.training import CheckpointConfig, OptimizerConfig, RecordConfig, TrainConfig

SEEDS = 2
# Rates of Muon, by which these networks learn more than two or three modes (benchmarks/faster_late_modes.py).
RATES = {"barlow_twins": 0.01, "simclr": 0.03, "vicreg": 0.03}
# Statistics that a person would name in one word.
FAMILIES = {
    "brightness": ("brightness",),
    "contrast": ("contrast", "dark share", "bright share"),
    "colour": ("red-cyan", "blue-yellow", "green-magenta", "chroma", "colour spread"),
    "layout": ("top-bottom brightness", "left-right brightness", "centre-border brightness"),
    "edges": ("edge strength", "vertical lines", "horizontal lines", "rising diagonals", "falling diagonals"),
    "fine structure": ("fine structure", "spectral slope", "JPEG size"),
}
# First and last modes, of the 16 that these networks have.
BLOCKS = ((1, 2), (3, 4), (5, 8), (9, 16))


def meanings(choices: Choices, folder: Path) -> Outcome:
    """Train each loss with two seeds, and say when each statistic of the images became readable."""
    found: dict[str, list[Explanation]] = {}
    for loss in LOSSES:
        for seed in range(choices.seed, choices.seed + SEEDS):
            run = folder / f"{loss}-{seed}"
            config = meanings_configuration(loss, seed, choices)
            train_or_go_on(config, run, f"e6: {LOSSES[loss]}, seed {seed}")
            explained = explain_modes(run)
            write_modes(explained, run)
            found.setdefault(loss, []).append(explained)
    meanings_figure(found, folder / "meanings")
    first = found["barlow_twins"][0]
    worth, notes = _worth(found)
    return Outcome(
        "e6",
        "What modes mean in the order of learning",
        f"Networks from a small start on {choices.data_or('cifar10')}, with {SEEDS} seeds of each loss, the"
        " full set of augmentations and Muon. A statistic of an image counts as known from the first snapshot"
        f" at which its R² from the modes learned by then is .5 or more, on half of {first.images} images"
        " that neither the regression nor the modes have seen. Steps are medians over seeds.",
        _rows(found),
        [_order(found, choices.seed), *worth],
        notes,
        ["meanings.png"],
    )


def meanings_configuration(loss: str, seed: int, choices: Choices) -> TrainConfig:
    """A training of E6: the demo's network, with every moment kept at which it is looked at.

    Examples
    --------
    >>> meanings_configuration("simclr", 0, Choices()).loss
    'simclr'
    """
    config = TrainConfig(
        data=choices.data_or("cifar10"),
        loss=loss,
        seed=seed,
        threads=choices.threads,
        optimizer=OptimizerConfig(name="muon", lr=RATES[loss]),
        record=RecordConfig(every=5),
        steps=160,
        checkpoint=CheckpointConfig(every=5, keep=100, best=False),
    )
    if choices.full:
        return dataclasses.replace(config, backbone="resnet18", steps=2000)
    return dataclasses.replace(config, images=ImagesConfig(limit=8192))


def check_meanings(choices: Choices) -> None:
    """Open the images of E6; raises what reading them raises."""
    check_training_images(meanings_configuration("barlow_twins", choices.seed, choices))


def known_step(explained: Explanation, statistics: Sequence[str]) -> int | None:
    """The first step at which one of the statistics could be read off.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> explained = SimpleNamespace(known={"chroma": 400, "red-cyan": 200})
    >>> known_step(explained, ["chroma", "red-cyan", "blue-yellow"])
    200
    """
    steps = [step for name in statistics if (step := explained.known.get(name)) is not None]
    return min(steps, default=None)


def _rows(found: Mapping[str, list[Explanation]]) -> list[Row]:
    rows = []
    for loss, explained in found.items():
        for family, statistics in FAMILIES.items():
            steps = [known_step(each, statistics) for each in explained]
            known = [step for step in steps if step is not None]
            # Of a family that one seed never knows there is no median.
            median = float(np.median(known)) if len(known) == len(steps) else None
            rows.append(Row(f"{LOSSES[loss]}: {family} known from step", None, None, median))
    return rows


def _order(found: Mapping[str, list[Explanation]], first_seed: int) -> OutcomeTable:
    rows: list[list[Cell]] = []
    for loss, explained in found.items():
        for seed, each in enumerate(explained, start=first_seed):
            steps = {family: known_step(each, names) for family, names in FAMILIES.items()}
            known = sorted((step, family) for family, step in steps.items() if step is not None)
            told = ", ".join(f"{family} {step}" for step, family in known)
            never = ", ".join(family for family, step in steps.items() if step is None)
            rows.append([f"{LOSSES[loss]}, seed {seed}", told or "none", never or "none"])
    return OutcomeTable("In which order", ("run", "known, with its step", "never"), rows)


def _worth(found: Mapping[str, list[Explanation]]) -> tuple[list[OutcomeTable], list[str]]:
    """Alignment with labels by blocks of modes in the order of their variance, where there are labels."""
    rows: list[list[Cell]] = []
    for loss, explained in found.items():
        aligned = [each.worth.alignments for each in explained if each.worth is not None]
        if aligned:
            rows.append([LOSSES[loss], *(_percent(aligned, *ends) for ends in BLOCKS)])
    if not rows:
        return [], [
            "These images have no labels; give labelled ones with --data to see what modes are worth."
        ]
    header = ("run", *(f"modes {first}-{last}" for first, last in BLOCKS))
    return [OutcomeTable("Share of the labels' variance along a mode, in per cent", header, rows)], []


def _percent(alignments: list[list[float]], first: int, last: int) -> float | None:
    parts = [each[first - 1 : last] for each in alignments]
    return float(100 * np.mean(np.concatenate(parts))) if any(parts) else None


def meanings_figure(found: Mapping[str, list[Explanation]], path: Path) -> None:
    """Write `path`.png and `path`.pdf: how well each statistic is read off at each step, a panel a loss."""
    names = next(iter(found.values()))[0].statistics
    names = [name for name in names if not name.startswith("label: ")]
    with figure(path, 0.14 * len(names) + 0.7) as drawn:
        panels = drawn.subplots(1, len(found), sharey=True, squeeze=False)[0]
        for axes, (loss, explained) in zip(panels, found.items(), strict=True):
            # Seeds may have learned their first mode at different snapshots: before it nothing is known.
            places = sorted({step for each in explained for step in each.places})
            mean = np.mean([_curves(each, names, places) for each in explained], axis=0)
            image = axes.imshow(mean, aspect="auto", vmin=0, vmax=1, cmap="Purples", interpolation="nearest")
            ticks = np.linspace(0, len(places) - 1, 4).round().astype(int)
            axes.set_xticks(ticks, [str(places[tick]) for tick in ticks])
            axes.set(title=LOSSES[loss], xlabel="step")
        panels[0].set_yticks(range(len(names)), names, fontsize=6)
        drawn.colorbar(image, ax=panels[-1], label="R², held out, mean over seeds", shrink=0.6)


def _curves(explained: Explanation, names: Sequence[str], steps: Sequence[int]) -> NDArray[np.float64]:
    """(names, steps) R², 0 where a statistic or a snapshot is not there."""
    curves = np.zeros((len(names), len(steps)))
    columns = [steps.index(step) for step in explained.places]
    for row, name in enumerate(names):
        if name in explained.statistics:
            curves[row, columns] = explained.readable[explained.statistics.index(name)]
    return np.clip(curves, 0, 1)
