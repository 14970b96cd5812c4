"""The subcommand `probe`."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

import tyro

from eigenstep.spelling import printable

Kind = Literal["knn", "ridge", "logistic"]
TITLES = {"knn": "k-NN", "ridge": "ridge", "logistic": "logistic"}


def probe(
    run: tyro.conf.Positional[Path],
    checkpoint: str | None = None,
    kinds: tuple[Kind, ...] = ("knn", "ridge", "logistic"),
    data: str | None = None,
    train_split: str | None = None,
    test_split: str | None = None,
    train_limit: int | None = None,
    test_limit: int | None = None,
    neighbours: int | None = None,
    device: str = "auto",
    test: Path | None = None,
    column: str | None = None,
    label: str | None = None,
    out: Path | None = None,
) -> None:
    """Measure how well frozen features predict labels: a file's, or a run's beside its start and raw pixels.

    For a run, options that you do not give are as in its configuration, and the table is also kept as
    probes.json in it. For a file, nothing is written unless you give --out.

    Parameters
    ----------
    run : tyro.conf.Positional[Path]
        A run folder, or a file of embeddings with labels (.npz, .pt, .safetensors, .parquet, .csv).
    checkpoint : str | None
        Of a run: last (the default), best (by the k-NN probe during training) or a step's number.
    kinds : tuple[Kind, ...]
        Which probes: k nearest neighbours, ridge regression, logistic regression.
    data : str | None
        Labelled images for a run, named as the data set to train on.
    train_split : str | None
        The split of them that the probes are fitted to.
    test_split : str | None
        The split of them that they are tested on.
    train_limit : int | None
        Use at most this many images to fit them.
    test_limit : int | None
        Use at most this many images to test them.
    neighbours : int | None
        How many neighbours vote; default for files: 200.
    device : str
        Auto, cpu or cuda.
    test : Path | None
        Another file, to test on; default: every fifth row of each class of the first one.
    column : str | None
        The file's array or column of embeddings; default: features and embedding, or the only one.
    label : str | None
        The file's array or column of labels; default: label.
    out : Path | None
        Also write the results for a file to this JSON file.
    """
    from eigenstep.embeddings import embeddings_suffix

    of_run = {
        "data": data,
        "train_split": train_split,
        "test_split": test_split,
        "train_limit": train_limit,
        "test_limit": test_limit,
    }
    of_file = {"test": test, "column": column, "label": label, "out": out}
    if run.is_file() or (embeddings_suffix(run) and not run.is_dir()):
        _refuse({"checkpoint": checkpoint, **of_run}, f"{run} is a file of embeddings", "a run")
        _probe_file(run, test, kinds, column, label or "label", neighbours, device, out)
    else:
        _refuse(of_file, f"{run} is not a file", "a file of embeddings")
        _probe_run(run, checkpoint or "last", kinds, of_run | {"neighbours": neighbours}, device)


def _refuse(options: dict[str, Any], why: str, owner: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"--{name.replace('_', '-')} is an option for {owner}, and {why}")


def _probe_run(
    run: Path, checkpoint: str, kinds: tuple[Kind, ...], given: dict[str, Any], device: str
) -> None:
    from eigenstep.encoders import find_checkpoint
    from eigenstep.export import probe_run
    from eigenstep.training import load_config

    weights = find_checkpoint(run, checkpoint)
    configured = load_config(run / "config.yaml").probes
    probes = dataclasses.replace(
        configured, **{name: value for name, value in given.items() if value is not None}
    )
    try:
        found = probe_run(run, checkpoint, kinds, probes, device)
    except ValueError as error:  # which names the options of train
        raise ValueError(str(error).replace("--probes.", "--")) from error
    _print(f"Test accuracy of probes on {run}, {weights.name}", kinds, found)
    print(printable(f"probes: {run / 'probes.json'}"))


def _probe_file(
    path: Path,
    test: Path | None,
    kinds: tuple[Kind, ...],
    column: str | None,
    label: str,
    neighbours: int | None,
    device: str,
    out: Path | None,
) -> None:
    from eigenstep.machine import find_device
    from eigenstep.probes import probe_file
    from eigenstep.record import atomic_write, check_writable

    if not kinds:
        raise ValueError("expected at least one of knn, ridge and logistic, got none")
    if out is not None:
        check_writable(out.parent)
    votes = {} if neighbours is None else {"neighbours": neighbours}
    place = find_device(device)
    found = probe_file(path, test, kinds, column=column, label=label, device=place, **votes)
    _print(f"Test accuracy of probes on {path}", kinds, found.accuracies)
    print(printable(f"learned from {found.train:,} rows of {path}, tested on {found.test:,}: {found.split}"))
    for name, taken in found.taken.items():
        print(printable(f"taken as {name}: {taken}"))
    if found.unlabelled:
        print(f"left out: {found.unlabelled:,} {'row' if found.unlabelled == 1 else 'rows'} without a label")
    if out is not None:
        atomic_write(out, json.dumps(dataclasses.asdict(found), indent=1))
        print(printable(f"probes: {out}"))


def _print(title: str, kinds: tuple[Kind, ...], found: dict[str, dict[str, float]]) -> None:
    from eigenstep.terminal import print_table

    header = ["", *(TITLES[kind] for kind in kinds)]
    print_table(
        title, header, [[what, *(f"{row[kind]:.1%}" for kind in kinds)] for what, row in found.items()]
    )
