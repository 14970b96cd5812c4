"""The subcommand `probe`."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

import tyro


def probe(
    run: tyro.conf.Positional[Path],
    checkpoint: str = "last",
    kinds: tuple[Literal["knn", "ridge", "logistic"], ...] = ("knn", "ridge", "logistic"),
    data: str | None = None,
    train_split: str | None = None,
    test_split: str | None = None,
    train_limit: int | None = None,
    test_limit: int | None = None,
    neighbours: int | None = None,
    device: str = "auto",
) -> None:
    """Tell how well labels are read off a run's frozen features, its start and bare pixels.

    What is not given is as in the run's configuration. The table is also kept as probes.json in the run.

    Args:
        run: A run folder.
        checkpoint: last, best (by the k-NN probe while training) or a step's number.
        kinds: Which probes: k nearest neighbours, ridge regression, logistic regression.
        data: Labelled images, named as the data set to train on.
        train_split: The split that the probes are fitted to.
        test_split: The split that they are tested on.
        train_limit: Use at most this many images to fit them.
        test_limit: Use at most this many images to test them.
        neighbours: How many neighbours vote.
        device: auto, cpu or cuda.
    """
    from eigenstep.encoders import find_checkpoint
    from eigenstep.export import probe_run
    from eigenstep.terminal import print_table
    from eigenstep.training import load_config

    given: dict[str, Any] = {
        "data": data,
        "train_split": train_split,
        "test_split": test_split,
        "train_limit": train_limit,
        "test_limit": test_limit,
        "neighbours": neighbours,
    }
    weights = find_checkpoint(run, checkpoint)
    configured = load_config(run / "config.yaml").probes
    probes = dataclasses.replace(
        configured, **{name: value for name, value in given.items() if value is not None}
    )
    try:
        found = probe_run(run, checkpoint, kinds, probes, device)
    except ValueError as error:  # which names the options of train
        raise ValueError(str(error).replace("--probes.", "--")) from error
    titles = {"knn": "k-NN", "ridge": "ridge", "logistic": "logistic"}
    print_table(
        f"Test accuracy of probes on {run}, {weights.name}",
        ["", *(titles[kind] for kind in kinds)],
        [[what, *(f"{row[kind]:.1%}" for kind in kinds)] for what, row in found.items()],
    )
    print(f"probes: {run / 'probes.json'}")
