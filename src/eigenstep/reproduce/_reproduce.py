"""All experiments by one command: what is finished is not done again, and results are gathered."""

import datetime
import json
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from eigenstep.machine import set_threads
from eigenstep.record import atomic_write, is_run, locked_folder
from eigenstep.report import write_report
from eigenstep.reproduce._choices import Choices
from eigenstep.reproduce._e1_linear_model import linear_model
from eigenstep.reproduce._e2_three_losses import three_losses
from eigenstep.reproduce._e3_initialisation import initialisation
from eigenstep.reproduce._e4_agreement import agreement
from eigenstep.reproduce._e5_directions import directions
from eigenstep.reproduce._e6_meanings import meanings
from eigenstep.reproduce._e7_hypothesis import hypothesis
from eigenstep.reproduce._outcome import HEADER, Outcome, markdown, read_outcome
from eigenstep.reproduce._room import NEEDS, RESULT, make_room

EXPERIMENTS: dict[str, Callable[[Choices, Path], Outcome]] = {
    "e1": linear_model,
    "e2": three_losses,
    "e3": initialisation,
    "e4": agreement,
    "e5": directions,
    "e6": meanings,
    "e7": hypothesis,
}


def reproduce(
    names: Iterable[str],
    choices: Choices,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Run the experiments named and write their runs, figures and tables into folders of `out`.

    Each experiment has a folder: its runs, which `eigenstep report` shows, `report.html` on them, its figures
    as PNG and PDF, and `result.json`, which is written last. `results.json` and `results.md` in `out` hold
    all experiments that are finished there.

    Parameters
    ----------
    names : Iterable[str]
        Of e1 .. e7.
    resume : bool
        Go on with what is in `out`: finished runs and experiments are taken as they are.
    overwrite : bool
        Remove what an experiment has left in `out` first.
    tell : Callable[[Outcome], None]
        Called with each outcome.

    Raises
    ------
    ValueError
        For an unknown name, both `resume` and `overwrite`, data that cannot be read, or other choices than
        those that a folder to resume was made with.
    FileExistsError
        If an experiment's folder is there and neither is given, or another process writes in `out`. Nothing
        is removed or written then.

    Examples
    --------
    >>> reproduce(["e9"], Choices(), "out")
    Traceback (most recent call last):
        ...
    ValueError: expected experiments of e1, e2, e3, e4, e5, e6, e7, got e9
    """
    out = Path(out)
    wanted = _checked(names, choices, resume, overwrite)
    outcomes = []
    with locked_folder(out):
        make_room(out, wanted, choices, resume=resume, overwrite=overwrite)
        for name in wanted:
            set_threads(choices.threads)  # a run that goes on may have set another number
            outcomes.append(_outcome(name, choices, out / name))
            tell(outcomes[-1])
            _gather(out)
    return outcomes


def _checked(names: Iterable[str], choices: Choices, resume: bool, overwrite: bool) -> list[str]:
    wanted = sorted(set(names))
    unknown = [name for name in wanted if name not in EXPERIMENTS]
    if unknown or not wanted:
        raise ValueError(
            f"expected experiments of {', '.join(EXPERIMENTS)}, got {', '.join(unknown) or 'none'}"
        )
    if choices.size == "medium" and wanted != ["e2"]:
        raise ValueError(f"--size medium is of e2 alone, got {', '.join(wanted)}; expected small or full")
    if resume and overwrite:
        raise ValueError("expected one of --resume and --overwrite, got both")
    for option, value, least in (("threads", choices.threads, 1), ("seed", choices.seed, 0)):
        if value < least:
            raise ValueError(f"--{option} is too small: expected at least {least}, got {value}")
    return wanted


def _outcome(name: str, choices: Choices, folder: Path) -> Outcome:
    result = folder / RESULT
    if result.exists():
        return read_outcome(result)[0]
    runs = folder.parent / NEEDS.get(name, name)
    resumed = any(is_run(entry) for entry in runs.iterdir())
    began = monotonic()
    outcome = EXPERIMENTS[name](choices, folder)
    if any(is_run(entry) for entry in folder.iterdir()):
        write_report(folder)
    facts = {
        "command": _command(name, choices),
        "machine": _machine(),
        "date": datetime.date.today().isoformat(),
        "seconds": None if resumed else round(monotonic() - began),
    }
    outcome.write(result, **facts)
    return outcome


def _command(name: str, choices: Choices) -> str:
    words = ["eigenstep", "reproduce", name, "--size", choices.size]
    words += ["--data", choices.data] if choices.data else []
    words += ["--seed", str(choices.seed)] if choices.seed else []
    return " ".join([*words, "--threads", str(choices.threads)])


def _machine() -> str:
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, {os.cpu_count()} CPU cores"
    return f"{platform.machine()}, {os.cpu_count()} CPU cores, no GPU"


def _gather(out: Path) -> None:
    """Write `results.json` and `results.md` of the experiments that are finished in `out`."""
    found = [read_outcome(out / name / RESULT) for name in EXPERIMENTS if (out / name / RESULT).exists()]
    trees = [json.loads((out / outcome.name / RESULT).read_text()) for outcome, _ in found]
    atomic_write(out / "results.json", json.dumps(trees, indent=1, ensure_ascii=False))
    sections = [_section(outcome, facts) for outcome, facts in found]
    atomic_write(out / "results.md", "\n\n".join(sections) + "\n")


def _section(outcome: Outcome, facts: dict[str, Any]) -> str:
    # How long it took is not known of what was cut off and went on.
    took = f", {facts['seconds']:,} s" if facts["seconds"] is not None else ""
    parts = [
        f"## {outcome.name.upper()}: {outcome.title}",
        f"`{facts['command']}` ({facts['machine']}, {facts['date']}{took}).",
        outcome.setting,
        markdown("", HEADER, (row.cells() for row in outcome.rows)),
        *(markdown(table.title, table.header, table.cells()) for table in outcome.tables),
        *outcome.notes,
        *(f"![{outcome.title}]({outcome.name}/{name})" for name in outcome.figures),
    ]
    return "\n\n".join(parts)
