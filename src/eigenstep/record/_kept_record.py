"""What is kept of a run, as the record that the rest of Eigenstep reads."""

from collections.abc import Sequence

import numpy as np

from eigenstep.record._followed_run import FollowedRun
from eigenstep.record._record import RunRecord
from eigenstep.record._thinned import padded


def kept_record(
    run: FollowedRun,
    *,
    eigenvalues: Sequence[int] = (),
    projections: Sequence[int] = (),
    thumbnails: bool = False,
) -> RunRecord:
    """The kept rows of the metrics, with those rows of the tables, in full, that are asked for by index.

    Raises OSError or ValueError if the folder no longer holds what it held.
    """
    names = list(run.columns["metrics"])
    table = padded(run.kept["metrics"].rows(), len(names))
    table = table[np.isfinite(table[:, 0])]
    metrics = dict(zip(names, table.T, strict=True))
    metrics["step"] = metrics["step"].astype(int)
    probe = run.path / "spectrum" / "probe.npy"
    return RunRecord(
        path=run.path,
        config=run.config,
        metrics=metrics,
        timings={},
        probes={},
        eigenvalues=run.eigenvalues.read(eigenvalues) if eigenvalues else None,
        projections=run.projections.read(projections) if projections else None,
        probe=np.load(probe) if thumbnails and probe.exists() else None,
        prediction=run.prediction,
        summary=run.summary,
    )
