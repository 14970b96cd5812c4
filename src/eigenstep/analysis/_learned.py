"""Which modes a run has learned: the one answer that everything that speaks of a run gives."""

from typing import Any

from eigenstep.analysis._rises import Rise, find_rises
from eigenstep.record import RunRecord


def learned_rises(record: RunRecord) -> list[Rise]:
    """The modes that a record shows to have been learned, as `find_rises` judges, by rank of the eigenvalue.

    Half-times are in the record's time, t = learning rate × step. Where the run has a closed form beside it,
    modes are known to settle at 1, also those that the record ends too early to show there.
    """
    rows = record.eigenvalues
    if rows is None or not len(rows):
        return []
    plateau = 1.0 if record.prediction and not record.is_prediction else None
    return find_rises(rows["time"], rows["cross_correlation"], plateau=plateau)


def summarise(record: RunRecord) -> dict[str, Any]:
    """What a summary says of the modes: `learned_modes`, their number, and `rises`, one tree each."""
    rises = learned_rises(record)
    return {"learned_modes": len(rises), "rises": [vars(rise) for rise in rises]}
