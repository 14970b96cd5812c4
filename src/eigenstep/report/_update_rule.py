"""Which rule updated a run's weights, and how much sooner than a plain run its modes came, in words."""

from typing import Any

from eigenstep.analysis import ModeBeside, beside_plain, sooner_in_words, steps_in_words, update_rule
from eigenstep.record import RunRecord
from eigenstep.report._curves import sparkline


def rule_words(record: RunRecord) -> dict[str, Any] | None:
    """What updated the weights, and the gain at the embeddings over the steps; None where not told."""
    rule = update_rule(record)
    if rule is None:
        return None
    gains = record.metrics.get("embedding_gain")
    line = "" if gains is None else sparkline(record.metrics["step"], gains)
    return {"name": rule.name, "plain": rule.is_plain, "sentence": rule.sentence, "sparkline": line}


def beside_words(plain: RunRecord, record: RunRecord) -> dict[str, Any]:
    """How much sooner than the plain run the modes of another came, and whether they are the same."""
    rows = beside_plain(plain, record)
    notes: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.note:
            notes.setdefault(("–" if row.overlap is None else "*", row.note), []).append(str(row.modes))
    return {
        "name": plain.name,
        "rows": [_beside_row(row) for row in rows],
        "notes": [f"{mark} at {', '.join(modes)}: {note}" for (mark, note), modes in notes.items()],
    }


def _beside_row(row: ModeBeside) -> dict[str, Any]:
    """A row; without an axis to choose, for times under two learning rates are not to be compared."""
    has_seconds = all(
        second is not None or step is None for second, step in zip(row.seconds, row.steps, strict=True)
    )
    return {
        "modes": row.modes,
        "steps": steps_in_words(*row.steps),
        "sooner": sooner_in_words(row.sooner),
        "seconds": steps_in_words(*row.seconds, digits=1) if has_seconds else "–",
        "overlap": "–" if row.overlap is None else f"{row.overlap:.2f}" + "*" * bool(row.note),
        "chance": "–" if row.chance is None else f"{row.chance:.3f}",
    }
