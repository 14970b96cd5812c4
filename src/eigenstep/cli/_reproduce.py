"""The subcommand `reproduce`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from eigenstep.cli._parse import Flag
from eigenstep.spelling import printable

if TYPE_CHECKING:
    from eigenstep.reproduce import Outcome


def reproduce_command(
    experiment: tyro.conf.Positional[Literal["e1", "e2", "e3", "e4", "e5", "e6", "e7", "all"]],
    size: Literal["small", "medium", "full"] = "small",
    data: str | None = None,
    out: Path = Path("runs/reproduce"),
    resume: Flag = False,
    overwrite: Flag = False,
    threads: int = 2,
    seed: int = 0,
) -> None:
    """Run the source paper's experiments, from data to figures, against what the theory predicts.

    e1: the linear model; e2: a ResNet under three losses; e3: growing initialisation; e4: embeddings against
    the tangent kernel, and losses against each other; e5: principal directions over time; e6: what modes mean
    in the order of learning; e7: whether ways of learning come to agree.

    Parameters
    ----------
    experiment : tyro.conf.Positional[Literal['e1', 'e2', 'e3', 'e4', 'e5', 'e6', 'e7', 'all']]
        Which one, or all.
    size : Literal['small', 'medium', 'full']
        Small takes minutes on two cores, and e7 about half an hour; full is the paper's size and needs a GPU.
        Medium exists only for e2: ResNet-50 with SGD and with Muon, 1,000 steps a run, hours on two cores.
    data : str | None
        Images, as `eigenstep train --data` takes them; default: patches of scikit-learn's photographs for
        small, CIFAR-10 and STL-10 from the Hugging Face hub for the others.
    out : Path
        Folder for runs, figures and results; each experiment has a folder in it.
    resume : Flag
        Continue with what is there; finished parts are not run again.
    overwrite : Flag
        Replace earlier results of these experiments.
    threads : int
        CPU threads.
    seed : int
        Determines crops, initial weights and batches.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(
            "reproduce draws with matplotlib; install it by pip install 'eigenstep[train]'"
        ) from error
    from eigenstep.reproduce import EXPERIMENTS, Choices, reproduce

    names = list(EXPERIMENTS) if experiment == "all" else [experiment]
    reproduce(
        names,
        Choices(size, data, threads, seed),
        out,
        resume=resume,
        overwrite=overwrite,
        tell=_print_outcome,
    )
    print(printable(f"results: {out / 'results.md'}"))


def _print_outcome(outcome: "Outcome") -> None:
    from eigenstep.reproduce import HEADER
    from eigenstep.terminal import console, print_table

    console.print()
    print_table(f"{outcome.name.upper()}: {outcome.title}", HEADER, [row.cells() for row in outcome.rows])
    for table in outcome.tables:
        print_table(table.title, table.header, table.cells())
    for note in outcome.notes:
        console.print(note, soft_wrap=True)


reproduce_command.__name__ = "reproduce"
