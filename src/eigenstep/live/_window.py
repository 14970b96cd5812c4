"""The rows between two moments, finer than the whole record is kept."""

from bisect import bisect_left
from typing import Any

import numpy as np

from eigenstep.live._packing import pack_rows
from eigenstep.record import ROWS_KEPT, FollowedRun, stride_for

AXES = {"step": 0, "time": 1}
# Of damaged rows, so many together are passed over.
ROWS_PASSED_OVER = 64


def window(run: FollowedRun, source: str, axis: str, start: float, end: float) -> dict[str, Any] | None:
    """Rows of `metrics` or `eigenvalues` from `start` to `end`, about a thousand; None if the page has them.

    Only the rows that are sent are read, and a few to find the two ends.

    Raises
    ------
    ValueError
        For a source or axis that there is not.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp())
    >>> with open(path / "metrics.jsonl", "w") as file:
    ...     for step in range(3000):
    ...         print(json.dumps({"step": step, "time": 0.1 * step, "loss": 1.0}), file=file)
    >>> run = FollowedRun(path, "mine")
    >>> run.refresh()
    >>> window(run, "metrics", "step", 100, 200)["step"]["shape"], window(run, "metrics", "step", 0, 3000)
    ([102], None)
    """
    if source not in ("metrics", "eigenvalues") or axis not in AXES:
        raise ValueError(f"expected metrics or eigenvalues by step or time, got {source} by {axis}")
    kept, read = run.kept[source], run.reader(source)

    def moment(index: int) -> float:
        """Of the row, or of the first one after it that is not damaged."""
        for place in range(index, min(index + ROWS_PASSED_OVER, kept.count)):
            value = read([place])[0][AXES[axis]]
            if np.isfinite(value):
                return float(value)
        return -np.inf

    places = range(kept.count)
    first = max(bisect_left(places, start, key=moment) - 1, 0)
    last = min(bisect_left(places, end, key=moment) + 1, kept.count)
    stride = stride_for(last - first, ROWS_KEPT)
    if stride >= kept.stride:
        return None
    indices = range(first - first % stride, last, stride)
    rows = list(zip(indices, read(indices), strict=True))
    return {"generation": run.generation, **pack_rows(rows, run.columns.get(source))}
