"""Whether a run goes on."""

from typing import Literal

import numpy as np

from eigenstep.record import FollowedRun

State = Literal[
    "unread",
    "waiting",
    "running",
    "stalled",
    "finished",
    "diverged",
    "interrupted",
    "predicted",
    "unreadable",
]

# A run is stalled after a minute without a measurement, or after ten times the usual time between two.
QUIET_SECONDS, QUIET_INTERVALS = 60, 10
# A summary that is older than the last measurement by more than this is an earlier run's.
CLOSING_SECONDS = 5


def state_of(run: FollowedRun, now: float) -> State:
    """What the folder tells of a run, whose process is not asked.

    "waiting" has no measurement yet; "finished", "diverged", "predicted" and "interrupted", by any other
    word, as the summary says; "unread" is one of which the page knows no more than its name as yet. Without a
    summary, a run is "diverged" if its loss was finite and no longer is, "stalled" if it has not written for
    long.

    Examples
    --------
    >>> import tempfile, time
    >>> from eigenstep.record import RecordWriter
    >>> writer = RecordWriter(tempfile.mkdtemp(), 2)
    >>> writer.append(0, 0.0, {"cross_correlation": np.ones(2), "covariance": np.ones(2)}, loss=1.0)
    >>> run = FollowedRun(writer.path, "mine")
    >>> run.refresh()
    >>> state_of(run, time.time()), state_of(run, time.time() + 86_400)
    ('running', 'stalled')
    """
    count, first, last = run.count("metrics"), run.earliest("metrics"), run.latest("metrics")
    if run.problems and last is None:
        return "unreadable"
    if run.summary is not None and run.ended >= run.modified - CLOSING_SECONDS:
        said = run.summary.get("state")
        return said if said in ("finished", "diverged", "predicted") else "interrupted"
    if first is not None and last is not None and np.isfinite(first[2]) and not np.isfinite(last[2]):
        return "diverged"
    usual = (run.modified - run.started) / max(count - 1, 1)
    if now - run.modified > max(QUIET_SECONDS, QUIET_INTERVALS * usual):
        return "stalled"
    return "running" if count else "waiting"
