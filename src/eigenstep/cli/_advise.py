"""The subcommand `advise`."""

import json as json_format
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from eigenstep.cli._parse import Flag
from eigenstep.spelling import printable

if TYPE_CHECKING:
    from eigenstep.advice import Advice, Found
    from eigenstep.advice.checks import Checked
    from eigenstep.record import RunRecord


def advise(
    run: tyro.conf.Positional[Path],
    apply: Path | None = None,
    steps: int | None = None,
    batch: Flag = False,
    json: Flag = False,
) -> None:
    """Say what is wrong with a run, why, and what to do; for a sound run, what more steps would bring.

    Parameters
    ----------
    run : tyro.conf.Positional[Path]
        A run folder; the run may be finished or still going on.
    apply : Path | None
        Write the run's configuration with the advised changes to this new file, for `eigenstep train
        --config`.
    steps : int | None
        How many more steps you are considering; default: as many as the run has had.
    batch : Flag
        Also check a batch of the run's data and the network of its last checkpoint, as `eigenstep check`
        does; what is wrong there counts as evidence for causes.
    json : Flag
        Print everything as JSON.
    """
    from eigenstep.advice import advise as advice_on
    from eigenstep.advice import apply_changes, more_steps, worth_knowing
    from eigenstep.record import read_record
    from eigenstep.terminal import console

    record = read_record(run)
    advice = advice_on(record, _checked(record) if batch else None)
    more = None if advice.ill else more_steps(record, steps, _beside(record))
    worth = [] if advice.ill else worth_knowing(record)
    if json:
        print(json_format.dumps(advice.plain() | {"more_steps": more and more.plain(), "worth": worth}))
    else:
        for line in _lines(record, advice):
            console.print(printable(line), soft_wrap=True, markup=False, highlight=False)
        if more is not None:
            console.print(more.sentence, soft_wrap=True, markup=False, highlight=False)
        for line in worth:
            console.print(printable(line), soft_wrap=True, markup=False, highlight=False)
    if apply is not None:
        for line in apply_changes(record, advice, apply):
            print(printable(line))


def _checked(record: "RunRecord") -> "Checked":
    from eigenstep.advice.checks.configured import check_run  # brings torch, which the rest does without
    from eigenstep.machine import set_threads

    if threads := record.config.get("threads"):
        set_threads(threads)
    return check_run(record)


def _beside(record: "RunRecord") -> Iterator["RunRecord"]:
    """The other runs in the folder that a run is in."""
    from eigenstep.record import find_runs, read_record

    for path in find_runs(record.path.resolve().parent):
        with suppress(OSError, ValueError):
            yield read_record(path)


def _lines(record: "RunRecord", advice: "Advice") -> Iterator[str]:
    yield f"{record.name}: {advice.verdict.sentence}"
    for symptom in advice.symptoms:
        yield f"  symptom: {symptom}"
    if not advice.ill:
        yield "The record shows nothing wrong."
    if advice.unknown:
        yield "Something is wrong, and the cause is not on the list."
    for number, found in enumerate(advice.causes, start=1):
        yield f"{number}. {found.cause.said[:1].upper()}{found.cause.said[1:]}."
        yield from _evidence(found)
        yield f"   {found.action.said}."
        if found.action.expected:
            yield f"   Then expect {found.action.expected}."
    if advice.causes:
        why = f"Begin anew: {advice.restart}" if advice.restart else "The run can go on with the change"
        yield f"{why}."
    for found in advice.considered if advice.ill else ():
        yield f"Considered, with too little evidence: {found.cause.said}."
        yield from _evidence(found)


def _evidence(found: "Found") -> Iterator[str]:
    for each in found.evidence:
        yield f"   {'for' if each.weight > 0 else 'against'}: {each.said}"
