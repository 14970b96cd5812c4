"""E4: what three losses learn, against the tangent kernel's prediction and against each other."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.reproduce._choices import LOSSES, Choices, finished, made_anew
from eigenstep.reproduce._figure_style import INK, RULE, figure
from eigenstep.reproduce._outcome import Cell, Outcome, OutcomeTable, Row
from eigenstep.reproduce._two_layer import TwoLayerExperiment, is_centered, predicted_modes
from eigenstep.terminal import progress_line
from eigenstep.theory import subspace_overlap

IMAGES = 50
ENDS = {"kernel_initial": "initial kernel", "kernel_final": "final kernel"}
SHADES = LinearSegmentedColormap.from_list("overlap", ["#fdfcfa", "#cfd3ee", "#7d83d8", "#3a35c4", "#211d80"])


def agreement(choices: Choices, folder: Path) -> Outcome:
    """Train a network of one hidden layer under each loss and compare the spaces that are learned."""
    photos = choices.on_photographs
    experiment = TwoLayerExperiment(
        width=2048 if choices.full else 1024,
        subtract_crop_mean=photos,
        seed=choices.seed,
    )
    return compare_losses(experiment, choices, folder)


def compare_losses(experiment: TwoLayerExperiment, choices: Choices, folder: Path) -> Outcome:
    """Run the experiment for each loss, but for those that are done, and compare."""
    images = agreement_images(choices)
    learned: dict[str, dict[str, NDArray[np.float64]]] = {}
    for loss, name in LOSSES.items():
        run = folder / loss
        if not finished(run):
            _train(dataclasses.replace(experiment, loss=loss), images, run, name)
        with np.load(run / "embeddings.npz") as arrays:
            learned[loss] = dict(arrays)
    return judge_agreement(learned, experiment, choices, folder)


def agreement_images(choices: Choices) -> Tensor:
    """The images of E4; raises what reading them raises."""
    return choices.images(IMAGES, 32)


def _train(experiment: TwoLayerExperiment, images: Tensor, run: Path, name: str) -> None:
    with progress_line(f"e4: {name}") as line:
        experiment.run(
            images,
            made_anew(run),
            lambda step, steps, loss: line.update(step, steps, f"loss {loss:.2f}"),
        )


def judge_agreement(
    learned: dict[str, dict[str, NDArray[np.float64]]],
    experiment: TwoLayerExperiment,
    choices: Choices,
    folder: Path,
) -> Outcome:
    """Overlaps of the d-dimensional spaces, and how far each kernel moved."""
    dim, count = experiment.dim, 2 * IMAGES
    rows = [
        Row(f"{LOSSES[loss]}: overlap with its {title}'s", None, 1.0, within_overlap(arrays, end, loss, dim))
        for loss, arrays in learned.items()
        for end, title in ENDS.items()
    ]
    rows += [
        Row(f"{LOSSES[loss]}: relative change of the kernel", None, None, kernel_change(arrays))
        for loss, arrays in learned.items()
    ]
    rows.append(Row("overlap of two spaces by chance", None, dim / count, None))
    names, matrix = overlap_matrix(learned, dim)
    agreement_figure(names, matrix, dim / count, folder / "agreement")
    table: list[list[Cell]] = [
        [name, *map(float, line[: len(LOSSES)])] for name, line in zip(names, matrix, strict=True)
    ]
    return Outcome(
        "e4",
        "Embeddings against the tangent kernel's prediction, and against each other",
        f"Two random {experiment.crop}×{experiment.crop} crops of each of {IMAGES} images"
        f" ({choices.data_or('cifar10')}), one hidden layer of {experiment.width}, d = {dim},"
        f" {experiment.steps} full-batch steps, last layer scaled by {experiment.init_scale:g}.",
        rows,
        [OutcomeTable("Overlap with the embeddings, all centred", ("", *LOSSES.values()), table)],
        [
            f"An overlap is ||Q1ᵀ Q2||² / {dim} of the spaces that the {dim} coordinates span over the"
            f" {count} views: 1 if they are the same; the row above has the value by chance. The kernel"
            " predicts the first modes of the loss's own operator; spaces are centred where the loss is.",
            "The relative change of the kernel is ||K_final - K_initial|| / ||K_initial|| in the Frobenius"
            " norm.",
            "The paper shows such tables for CIFAR-10 and other widths; its numbers were not at hand.",
        ],
        ["agreement.png"],
    )


def within_overlap(arrays: dict[str, NDArray[np.float64]], end: str, loss: str, dim: int) -> float:
    """Overlap of a loss's embeddings with what a kernel predicts that it learns.

    Examples
    --------
    >>> views = np.array([[2.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 1.0]])  # of two images, first views first
    >>> arrays = {"kernel_initial": views @ views.T, "embeddings": views[:, ::-1]}
    >>> round(within_overlap(arrays, "kernel_initial", "barlow_twins", dim=2), 3)
    1.0
    """
    spaces = [arrays["embeddings"], predicted_space(arrays[end], loss, dim)]
    if is_centered(loss):
        spaces = [_centered(space) for space in spaces]
    return subspace_overlap(*spaces)


def predicted_space(kernel: NDArray[np.float64], loss: str, dim: int) -> NDArray[np.float64]:
    """Values (N, d) of the first modes on the views: a basis of the space that the kernel predicts."""
    values: NDArray[np.float64] = kernel @ predicted_modes(kernel, loss, dim).dual_coef_
    return values


def kernel_change(arrays: dict[str, NDArray[np.float64]]) -> float:
    """||K_final - K_initial|| / ||K_initial||, Frobenius.

    Examples
    --------
    >>> kernel_change({"kernel_initial": np.eye(2), "kernel_final": 1.5 * np.eye(2)})
    0.5
    """
    initial = arrays["kernel_initial"]
    return float(np.linalg.norm(arrays["kernel_final"] - initial) / np.linalg.norm(initial))


def overlap_matrix(
    learned: dict[str, dict[str, NDArray[np.float64]]], dim: int
) -> tuple[list[str], NDArray[np.float64]]:
    """Overlaps of every space with every other: embeddings, and predictions of both kernels, by loss."""
    spaces = {LOSSES[loss]: arrays["embeddings"] for loss, arrays in learned.items()}
    for end, title in ENDS.items():
        for loss, arrays in learned.items():
            spaces[f"{LOSSES[loss]}, {title}"] = predicted_space(arrays[end], loss, dim)
    centered = [_centered(space) for space in spaces.values()]
    matrix = np.array([[subspace_overlap(one, other) for other in centered] for one in centered])
    return list(spaces), matrix


def _centered(space: NDArray[np.float64]) -> NDArray[np.float64]:
    centered: NDArray[np.float64] = space - space.mean(axis=0)
    return centered


def agreement_figure(names: Sequence[str], matrix: np.ndarray, chance: float, path: Path) -> None:
    """Write `path`.png and `path`.pdf: overlaps (k, k) of the spaces named, in groups of three."""
    count = len(names)
    with figure(path, 4.3, 6.0) as drawn:
        axes = drawn.subplots()
        image = axes.imshow(matrix, vmin=0, vmax=1, cmap=SHADES)
        for row in range(count):
            for column in range(count):
                value = matrix[row, column]
                ink = "white" if value > 0.55 else INK
                text = "1" if row == column else f"{value:.2f}".lstrip("0")
                axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=7)
        for edge in range(3, count, 3):
            axes.axhline(edge - 0.5, color="white", linewidth=2.5)
            axes.axvline(edge - 0.5, color="white", linewidth=2.5)
        short = [name.split(",")[0] for name in names]
        axes.set_xticks(range(count), short, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title("Overlap of the spaces spanned over the views")
        bar = drawn.colorbar(image, shrink=0.75, aspect=24)
        bar.outline.set_visible(False)
        bar.ax.axhline(chance, color=INK, linewidth=0.8)
        bar.ax.set_yticks([0, chance, 0.5, 1], ["0", "chance", "0.5", "1"])
        bar.ax.tick_params(length=0, color=RULE)
