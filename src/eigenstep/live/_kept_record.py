"""What is kept of a run, as the record that the rest of Eigenstep reads."""

from collections.abc import Sequence

import numpy as np

from eigenstep.live._followed_run import FollowedRun
from eigenstep.live._packing import padded
from eigenstep.spectrum import RunRecord


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


class StepClock:
    """The step at a time t; beyond the record the last learning rate is kept."""

    def __init__(self, record: RunRecord) -> None:
        step, time = record.metrics["step"].astype(float), record.metrics["time"]
        known = np.isfinite(time)
        self.step, self.time = step[known], time[known]
        grown = len(self.time) > 1 and self.time[-1] > self.time[-2]
        self.rate = (self.step[-1] - self.step[-2]) / (self.time[-1] - self.time[-2]) if grown else 0.0

    def __call__(self, time: float) -> float:
        if not len(self.time) or not np.isfinite(time):
            return time
        return float(np.interp(time, self.time, self.step)) + max(0.0, time - self.time[-1]) * self.rate
