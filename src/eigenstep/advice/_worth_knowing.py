"""What is worth knowing of a run with nothing wrong: its latest mode, and the commands that say more."""

import shlex
from collections.abc import Iterator

from eigenstep.analysis import RunClock, learned_rises, update_rule
from eigenstep.record import RunRecord

# Losses under which Muon was tried beside tuned baselines: docs/faster.md.
TRIED_WITH_MUON = ("barlow_twins", "simclr", "vicreg")


def worth_knowing(record: RunRecord) -> list[str]:
    """Sentences on which mode was late, what would bring it sooner, what modes mean, and which views serve.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from eigenstep.record import RecordWriter, read_record
    >>> config = "{loss: simclr, data: photos, optimizer: {name: sgd, lr: 0.1}}"
    >>> writer, steps = RecordWriter(tempfile.mkdtemp(), 2, config=config), np.arange(0, 601, 5)
    >>> for step, curve in zip(steps, 1 / (1 + np.exp(-(steps[:, None] - [100, 200]) / 10)), strict=True):
    ...     writer.append(int(step), step / 10, {"cross_correlation": curve, "covariance": curve})
    >>> worth_knowing(read_record(writer.path))[0]
    'Mode 2 was half learned at step 200, the one before it at step 100.'
    """
    return [*_late_mode(record), *_commands(record)]


def _late_mode(record: RunRecord) -> Iterator[str]:
    rises = sorted(learned_rises(record), key=lambda rise: rise.half_time)
    if len(rises) < 2:
        return
    clock = RunClock(record)
    before, last = (clock.step_at(rise.half_time) for rise in rises[-2:])
    yield (f"Mode {len(rises)} was half learned at step {last:.0f}, the one before it at step {before:.0f}.")
    rule = update_rule(record)
    if rule and rule.names == ("gradient",) and record.config.get("loss") in TRIED_WITH_MUON:
        yield (
            "Late modes come sooner under --optimizer.name muon: on convolutional networks it took 2.6 to 9"
            " times fewer steps to the same accuracy than the best tuned baseline (docs/faster.md)."
        )


def _commands(record: RunRecord) -> Iterator[str]:
    run, data = shlex.quote(str(record.path)), record.config.get("data")
    yield f"What its modes mean, and how many labels can use: eigenstep modes {run}"
    if isinstance(data, str) and not data.startswith("python:"):
        yield f"Which augmentations serve such images: eigenstep augmentations {shlex.quote(data)}"
