"""A run as its own view shows it: what a page that knows the beginning lacks."""

from typing import Any

from eigenstep.analysis import ClosedForm, RunClock
from eigenstep.live._meanings import meanings
from eigenstep.live._packing import pack_rows
from eigenstep.live._run_folder import Entry
from eigenstep.record import RunRecord
from eigenstep.report import facts, plain, predicted_curves

Cursor = dict[str, Any]
# Beyond the last half-time of the closed form its curves are drawn on by this share.
BEYOND = 1.15


def detail(entry: Entry, cursor: Cursor) -> dict[str, Any]:
    """New rows of every source, and what else is other than before.

    Parameters
    ----------
    cursor : Cursor
        What the page knows: `generation`; of `metrics`, `eigenvalues` and `probes` how many rows; the version
        of `facts` and the basis of `analysis`; and, where the point cloud is shown, `cloud` with `frames`,
        `digest` and `version`, all as they were given to it.

    Notes
    -----
    With `reset` the page forgets what it has of the run.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from eigenstep.live._run_folder import Entry
    >>> from eigenstep.record import RecordWriter
    >>> writer = RecordWriter(tempfile.mkdtemp(), 2)
    >>> writer.append(0, 0.0, {"cross_correlation": np.ones(2), "covariance": np.ones(2)}, loss=1.0)
    >>> entry = Entry(writer.path, "mine")
    >>> entry.run.refresh()
    >>> reply = detail(entry, {})
    >>> reply["reset"], reply["metrics"]["count"]
    (True, 1)
    >>> "metrics" in detail(entry, {"generation": reply["generation"], "metrics": 1})
    False
    """
    run, analysis = entry.run, entry.analysis
    reset = cursor.get("generation") != run.generation
    known: Cursor = {} if reset else cursor
    reply: dict[str, Any] = {"generation": run.generation, "reset": reset}
    for name, kept in run.kept.items():
        if rows := kept.since(_count(known.get(name))):
            reply[name] = {
                "count": kept.count,
                "stride": kept.stride,
                **pack_rows(rows, run.columns.get(name)),
            }
    if analysis.basis and known.get("analysis") != list(analysis.basis):
        reply["analysis"] = {
            "basis": analysis.basis,
            "verdict": analysis.verdict,
            "modes": analysis.modes,
            "forecast": analysis.forecast,
            "rule": analysis.rule,
            "standing": analysis.standing,
            "advice": analysis.advice,
        }
    version = run.facts_version
    if known.get("facts") != version:
        reply["facts"] = {"version": version, **_facts(entry)}
    if isinstance(cursor.get("cloud"), dict):
        frames = entry.cloud.new(run, analysis, known.get("cloud") or {})
        if frames is not None:
            reply["cloud"] = frames
    return reply


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _facts(entry: Entry) -> dict[str, Any]:
    """What the configuration, the summary and the closed form say."""
    record = entry.run.record()
    dimension = entry.card.content.get("dimension")
    return {
        "description": facts.description(record, dimension),
        "configuration": facts.configuration(record),
        "counts": facts.counts(record) if record.summary else [],
        "prediction": _prediction(record) if record.prediction else None,
        "meanings": meanings(entry.run.meanings),
    }


def _prediction(record: RunRecord) -> dict[str, Any] | None:
    """The closed form's curves and half-times; None if its file makes none.

    A folder that is a prediction holds its curves itself, with what a closed form leaves out, as momentum and
    where modes end: there are none to lay over them.
    """
    step_at = RunClock(record).step_at
    try:
        closed_form = ClosedForm(record.prediction or {})
        rows = closed_form.compare([])
        end = max([*(BEYOND * row.predicted for row in rows), *record.metrics["time"][-1:]], default=1.0)
        curves = None if record.is_prediction else predicted_curves(closed_form, end, step_at)
    except (ValueError, TypeError):
        return None
    return {
        "curves": curves,
        "modes": [
            {
                "mode": row.mode,
                "gamma": plain(row.gamma),
                "time": plain(row.predicted),
                "step": plain(step_at(row.predicted)),
            }
            for row in rows
        ],
    }
