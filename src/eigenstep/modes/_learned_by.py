"""How many modes of a run had been learned after some steps."""

from __future__ import annotations

from collections.abc import Callable

from eigenstep.analysis import learned_rises
from eigenstep.record import RunRecord, StepClock

# An embedding whose largest eigenvalue begins below this share of its highest value began small.
SMALL = 0.01


def learned_by(record: RunRecord) -> Callable[[int], int | None]:
    """`learned(step)`: how many modes had risen by then; None of a run whose embedding did not begin small.

    A network's first embeddings are random functions of its features: numbers so small that training has yet
    to make anything of them, though much could be read off. From a small start what has not risen is that.

    Parameters
    ----------
    record : RunRecord
        Of a run.
    """
    rows = record.eigenvalues
    if rows is None or not len(rows):
        return lambda step: None
    largest = rows["cross_correlation"].max(axis=1)
    if not largest[0] < SMALL * largest.max():
        return lambda step: None
    step_at = StepClock.of(record)
    steps = [step_at(rise.half_time) for rise in learned_rises(record)]
    return lambda step: sum(each <= step for each in steps)
