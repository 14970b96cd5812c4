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

from eigenstep.atomic import atomic_remove, atomic_write
from eigenstep.report import write_report
from eigenstep.reproduce._choices import Choices
from eigenstep.reproduce._e1_linear_model import linear_model
from eigenstep.reproduce._e2_three_losses import three_losses
from eigenstep.reproduce._e3_initialisation import initialisation
from eigenstep.reproduce._e4_agreement import agreement
from eigenstep.reproduce._e5_directions import directions
from eigenstep.reproduce._outcome import HEADER, Outcome, markdown, read_outcome
from eigenstep.spectrum import is_run
from eigenstep.threads import set_threads

EXPERIMENTS: dict[str, Callable[[Choices, Path], Outcome]] = {
    "e1": linear_model,
    "e2": three_losses,
    "e3": initialisation,
    "e4": agreement,
    "e5": directions,
}
# E5 looks at E2's runs and trains them if they are not there.
NEEDS = {"e5": "e2"}
RESULT, CHOICES = "result.json", "choices.json"


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
    names : of e1 .. e5
    resume : go on with what is in `out`: finished runs and experiments are taken as they are
    overwrite : remove what an experiment has left in `out` first
    tell : called with each outcome

    Raises ValueError for an unknown name, both `resume` and `overwrite`, or other choices than those that a
    folder to resume was made with; FileExistsError if an experiment's folder is there and neither is given.
    """
    out = Path(out)
    wanted = _checked(names, resume, overwrite)
    for name in wanted:
        _make_room(out / name, choices, resume, overwrite)
    set_threads(choices.threads)
    outcomes = []
    for name in wanted:
        outcomes.append(_outcome(name, choices, out / name))
        tell(outcomes[-1])
        _gather(out)
    return outcomes


def _checked(names: Iterable[str], resume: bool, overwrite: bool) -> list[str]:
    wanted = sorted(set(names))
    unknown = [name for name in wanted if name not in EXPERIMENTS]
    if unknown or not wanted:
        raise ValueError(
            f"expected experiments of {', '.join(EXPERIMENTS)}, got {', '.join(unknown) or 'none'}"
        )
    if resume and overwrite:
        raise ValueError("expected one of --resume and --overwrite, got both")
    return wanted


def _make_room(folder: Path, choices: Choices, resume: bool, overwrite: bool) -> None:
    if folder.exists() and any(folder.iterdir()):
        made_with = _made_with(folder)
        if made_with is None:
            raise FileExistsError(f"{folder} is not the folder of an experiment; use another --out")
        if overwrite:
            atomic_remove(folder)
        elif not resume:
            raise FileExistsError(
                f"{folder} exists; use --resume to go on, --overwrite to replace it, or another --out"
            )
        elif made_with != _identity(choices):
            raise ValueError(
                f"{folder} was made with {_words(made_with)}, got {_words(_identity(choices))};"
                " use the same, or another --out"
            )
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / CHOICES, json.dumps(_identity(choices)))


def _identity(choices: Choices) -> dict[str, Any]:
    """What makes results differ; the number of threads does so only in the last digits."""
    return {"size": choices.size, "data": choices.data, "seed": choices.seed}


def _made_with(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / CHOICES).read_text())
    except (OSError, json.JSONDecodeError):
        return None


def _words(identity: dict[str, Any]) -> str:
    return ", ".join(f"--{name} {value}" for name, value in identity.items() if value is not None)


def _outcome(name: str, choices: Choices, folder: Path) -> Outcome:
    result = folder / RESULT
    if result.exists():
        return read_outcome(result)[0]
    runs = folder.parent / NEEDS.get(name, name)
    if runs != folder:
        _make_room(runs, choices, resume=True, overwrite=False)
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
