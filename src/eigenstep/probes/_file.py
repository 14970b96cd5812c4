"""What embeddings in a file are worth, by the labels that stand beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.embeddings import Rows, open_rows
from eigenstep.probes._probe import probe
from eigenstep.probes._task import every_fifth

# As `eigenstep embed` names them.
COLUMNS = ("features", "embedding")


@dataclass(frozen=True)
class FileProbes:
    """What `probe_file` found.

    Attributes
    ----------
    accuracies : dict[str, dict[str, float]]
        Of each column its test accuracy by kind of probe.
    train, test : int
        How many rows were learned from, and how many were judged.
    unlabelled : int
        How many rows have no label, and took no part.
    classes : list[int] | list[str]
        The labels.
    split : str
        In words, where the rows that were judged come from.
    taken : dict[str, str]
        Of each column that the file holds in parts, what it was made of.
    """

    accuracies: dict[str, dict[str, float]]
    train: int
    test: int
    unlabelled: int
    classes: list[int] | list[str]
    split: str
    taken: dict[str, str]


def probe_file(
    path: str | Path,
    test: str | Path | None = None,
    kinds: Sequence[str] = ("knn", "ridge", "logistic"),
    *,
    column: str | None = None,
    label: str = "label",
    neighbours: int = 200,
    device: torch.device | str = "cpu",
) -> FileProbes:
    """Probe embeddings in a file, with the labels in it.

    Parameters
    ----------
    test : str | Path | None
        a file of other rows to be judged by, with the same columns; default: every fifth row of each class,
        which is then not learned from.
    column : str | None
        The embeddings' array or column; default: `features` and `embedding`, as far as the file has them,
        else the only one that fits.
    label : str
        The labels' array or column: integers or words.
    neighbours : int
        How many vote in the k-NN probe.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line: files that cannot be read as embeddings, no labels, or what the probes refuse.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/embeddings.npz"
    >>> np.savez(path, embedding=np.eye(4).repeat(10, 0), label=np.arange(4).repeat(10))
    >>> probe_file(path, kinds=("ridge",)).accuracies
    {'embedding': {'ridge': 1.0}}
    """
    learned = _columns(path, column)
    judged = learned if test is None else [open_rows(test, rows.column) for rows in learned]
    split = _split(learned[0], None if test is None else judged[0], label)
    accuracies = {}
    for rows, others in zip(learned, judged, strict=True):
        values = _floating(rows)
        other_values = values if test is None else _floating(others)
        try:
            accuracies[rows.column or "embedding"] = probe(
                values[split.train].to(device),
                split.train_labels,
                other_values[split.test].to(device),
                split.test_labels,
                kinds,
                neighbours=neighbours,
            )
        except ValueError as error:
            raise ValueError(f"{rows}: {error}") from error
    words = f"every fifth row of each class of {path}" if test is None else str(test)
    counts = len(split.train), len(split.test), split.unlabelled
    taken = {rows.column or "embedding": rows.taken for rows in learned if rows.taken}
    return FileProbes(accuracies, *counts, split.classes.tolist(), words, taken)


def _columns(path: str | Path, column: str | None) -> list[Rows]:
    if column is not None:
        return [open_rows(path, column)]
    first = open_rows(path, default=COLUMNS[0])
    others = [name for name in COLUMNS if name in first.others and first.column in COLUMNS]
    return [first, *(open_rows(path, name) for name in others)]


def _floating(rows: Rows) -> Tensor:
    values = rows.whole()
    return values if values.is_floating_point() else values.float()


@dataclass(frozen=True)
class _Split:
    """The rows learned from and those judged, (n,) each, with their classes' places in `classes`."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: NDArray[Any]
    unlabelled: int


def _split(rows: Rows, others: Rows | None, label: str) -> _Split:
    labels, given = rows.labels(label)
    both, labelled = [labels[given]], [given]
    if others is not None:
        more, more_given = others.labels(label)
        if (labels.dtype.kind == "U") != (more.dtype.kind == "U"):
            raise ValueError(f"{others.path}: expected labels as in {rows.path}, got {more.dtype}")
        both.append(more[more_given])
        labelled.append(more_given)
    classes, codes = np.unique(np.concatenate(both), return_inverse=True)
    first, targets = len(both[0]), torch.from_numpy(codes)
    places = [torch.from_numpy(np.flatnonzero(part)) for part in labelled]
    unlabelled = sum(int((~part).sum()) for part in labelled)
    if others is not None:
        return _Split(places[0], targets[:first], places[1], targets[first:], classes, unlabelled)
    held_out = every_fifth(targets)
    if not held_out.any():
        raise ValueError(f"{rows.path}: expected a class with two labelled rows, one of them to judge by")
    kept, judged = ~held_out, held_out
    return _Split(places[0][kept], targets[kept], places[0][judged], targets[judged], classes, unlabelled)
