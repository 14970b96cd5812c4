"""Checks of the batch: rows against dimensions, and what so many rows can tell."""

import math

from eigenstep.advice.checks._finding import Check, Finding, doubtful, not_checked, passed
from eigenstep.advice.checks._known import Known
from eigenstep.spectrum.measures import modes_above_noise

# Dimensions a pair of a batch: published settings end here (Barlow Twins of lightly: 8192 of 256 pairs).
MOST_DIMENSIONS_A_PAIR = 32
# An eigenvalue of B rows has a relative error of sqrt(2 / B).
LARGEST_ERROR = 0.25


def _rows(known: Known) -> Finding:
    if known.embeddings is None:
        return not_checked("no embeddings could be computed")
    rows, dim = known.batch_size, known.embeddings[0].shape[1]
    words = f"{rows} pairs a batch, {dim} dimensions"
    if dim > MOST_DIMENSIONS_A_PAIR * rows:
        return doubtful(
            f"{words}: more than {MOST_DIMENSIONS_A_PAIR} a pair, which is where published settings end",
            known.option(
                "give a larger --batch-size or a smaller --projector.dim", "take more pairs a batch"
            ),
        )
    if rows <= dim:
        return passed(
            f"{words}: a batch shows {rows - 1} directions of them at most; several batches show more"
        )
    return passed(words)


def _tells(known: Known) -> Finding:
    rows = known.batch_size
    error = math.sqrt(2 / rows)
    words = f"from {rows} pairs an eigenvalue is known to within {error:.0%}"
    if known.embeddings is not None and len(known.embeddings[0]) > 1:
        shown = modes_above_noise(known.embeddings[0].cpu())
        if math.isfinite(shown):
            dim = known.embeddings[0].shape[1]
            words += f"; {shown:.0f} of {dim} stand above noise in {known.trial.rows} of them now"
    if error > LARGEST_ERROR:
        return doubtful(
            f"{words}: two modes of nearly equal strength cannot be told apart in one batch",
            known.option("give --batch-size 64 or more", "take 64 pairs or more"),
        )
    return passed(words)


CHECKS = (Check("rows", "batch", _rows), Check("tells", "batch", _tells))
