"""The run folder of a monitor: opened, resumed, appended to, closed."""

import json
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.analysis import STAYS_FOR, Landmark, LearnedCount, LossStanding, place_loss, summarise
from eigenstep.record import (
    CONFIG,
    METRICS,
    SUMMARY,
    FolderInUse,
    FolderLock,
    Owner,
    RecordWriter,
    is_run,
    make_folder,
    read_record,
)
from eigenstep.record import check_folder as check_owned
from eigenstep.spectrum._spectrum import Spectrum


def check_folder(path: Path, goes_on: bool) -> None:
    """Refuse a folder whose files a monitor would write over.

    Raises
    ------
    FileExistsError
        If it holds a record that the monitor does not continue, or files that something else has written.
    """
    check_owned(path, MONITOR, resume=goes_on)


def resumed_position(path: Path, step: int | None = None) -> tuple[int, float]:
    """The step and the time from which a run goes on: its last measurement, or `step` where that is known.

    Between two measurements the time is continued at the rate of the one before.
    """
    metrics = read_record(path).metrics if is_run(path) else {}
    steps = metrics.get("step", np.zeros(0, int))
    before = np.flatnonzero(steps <= step) if step is not None else np.arange(len(steps))
    if not len(before):
        return (0, 0.0) if step is None else (step, float(step))
    last = before[-1]
    if step is None:
        step = int(steps[last])
    return step, float(metrics["time"][last] + (step - steps[last]) * metrics["learning_rate"][last])


def _is_of_a_monitor(path: Path) -> bool:
    """Whether config.yaml is a monitor's, as this module writes it."""
    try:
        return "monitor" in json.loads((path / CONFIG).read_text())
    except (OSError, ValueError):
        return False


# A monitor may share its folder with others, whose files it leaves alone: it looks at those that it replaces.
MONITOR = Owner(
    (CONFIG, SUMMARY),
    made=_is_of_a_monitor,
    occupied="{out} holds a record already; give the monitor another folder, or resume=True to go on",
    foreign="{out} holds a {others} that no monitor has written; give the monitor a folder of its own",
    found=lambda out: [name for name in (CONFIG, SUMMARY) if (out / name).exists()][:1],
    is_taken=lambda out: is_run(out) and (out / METRICS).stat().st_size > 0,
)


class MonitorFolder:
    """Writes a monitor's measurements.

    What cannot be written, on a full disk or in a folder that is gone, is told once; each measurement after
    it tries again.

    Parameters
    ----------
    path : Path
        The run folder.
    dim : int | tuple[int, int]
        Eigenvalues kept of each kind, or of each side.
    probe, directions : int
        Embeddings in the probe batch, 0 for none, and their principal directions kept.
    settings : dict[str, Any]
        The monitor's, for config.yaml.
    step : int
        Measurements after it are forgotten.
    resume, take_over : bool
        Whether it may be taken from an earlier monitor of this process, and from a process of another machine
        that has not given it back.

    Raises
    ------
    FolderInUse
        If another writes there.
    ValueError
        If the folder holds a record of another shape.
    """

    def __init__(
        self,
        path: Path,
        dim: int | tuple[int, int],
        probe: int,
        directions: int,
        settings: dict[str, Any],
        step: int,
        *,
        resume: bool = False,
        take_over: bool = False,
    ) -> None:
        self.path = path
        self._shape = (dim, probe, directions)
        self._config = json.dumps({"monitor": settings}, indent=1) + "\n"
        self._thumbnails: np.ndarray | None = None
        self._losses: deque[float] = deque(maxlen=STAYS_FOR)
        self._loss, self._facts, self._landmarks = "", dict[str, int](), list[Landmark]()
        self._warned = False
        self._lost: list[int] = []
        self._take_over = take_over
        self._lock: FolderLock | None = None
        self._writer = self._open(step + 1, resume=resume)

    def _open(self, start: int, *, resume: bool = False) -> RecordWriter:
        dim, probe, directions = self._shape
        if self._lock is not None:
            self._lock.release()  # the folder may be another one by now
            self._lock = None
        make_folder(self.path)
        lock = FolderLock(self.path, take_over=self._take_over, replaces_own=resume)
        try:
            writer = RecordWriter(
                self.path, dim, probe=probe, directions=directions, config=self._config, start=start
            )
            before = read_record(self.path)
            assert before.eigenvalues is not None, "the writer has just made the table"
            self._learned = LearnedCount(before.eigenvalues["time"], before.eigenvalues["cross_correlation"])
            self._losses = deque(before.metrics.get("loss", ()), maxlen=STAYS_FOR)
            if self._thumbnails is not None:
                writer.write_probe(self._thumbnails)
            self._keep_landmarks(writer)
        except BaseException:
            lock.release()
            raise
        self._lock = lock
        return writer

    @property
    def learned_modes(self) -> int:
        """How many modes the record so far shows to have been learned."""
        return self._learned.count

    @property
    def loss_standing(self) -> LossStanding | None:
        """Where the loss stands by the last measurement; None where its landmarks are not known."""
        return place_loss(self._losses, self._landmarks)

    def append(
        self,
        spectrum: Spectrum,
        points: np.ndarray | None,
        loss: float,
        learning_rate: float,
        health: Mapping[str, float] | None = None,
    ) -> None:
        """Add one measurement; a first one with embeddings that are not finite is warned of."""
        try:
            if self._lock is not None and not self._lock.is_held:
                raise FolderInUse(f"a later monitor of this process writes in {self.path}")
            if self._lost:
                self._writer = self._open(self._lost[0])  # what was written by half is dropped
                self._writer.missing = len(self._lost)
            self._writer.append(
                spectrum.step,
                spectrum.time,
                spectrum.columns,
                points,
                measures=spectrum.measures,
                health=health,
                loss=loss,
                learning_rate=learning_rate,
                count=spectrum.count,
                nonfinite=spectrum.nonfinite,
            )
        except OSError as error:
            self._lose(spectrum.step, error)
            return
        if self._lost:
            warnings.warn(
                f"{self.path} is recorded in again from step {spectrum.step} on; {len(self._lost)}"
                f" measurements from step {self._lost[0]} on are missing",
                stacklevel=2,
            )
            self._lost = []
        self._learned.add(spectrum.time, spectrum.cross_correlation)
        self._losses.append(loss)
        if spectrum.nonfinite and not self._warned:
            self._warned = True
            warnings.warn(
                f"step {spectrum.step}: the embeddings of {spectrum.nonfinite} of"
                f" {spectrum.nonfinite + spectrum.count} samples were not finite; they are left out, and"
                f" counted in {self.path}/metrics.jsonl",
                stacklevel=2,
            )

    def write_thumbnails(self, thumbnails: np.ndarray) -> None:
        """Keep pictures of the probe batch, uint8 (n, height, width, 3)."""
        self._thumbnails = thumbnails
        self._writer.write_probe(thumbnails)

    def write_landmarks(self, loss: str, landmarks: Sequence[Landmark], **facts: int) -> None:
        """Keep the values that the loss has by itself, and the settings for which they hold."""
        self._loss, self._facts, self._landmarks = loss, facts, list(landmarks)
        self._keep_landmarks(self._writer)

    def _keep_landmarks(self, writer: RecordWriter) -> None:
        if self._landmarks:
            writer.write_landmarks(self._loss, map(astuple, self._landmarks), **self._facts)

    def close(self, state: str, step: int) -> None:
        """Write the summary, and give the folder back."""
        if self._lock is None:
            warnings.warn(
                f"{self.path}: no summary is written, as the last measurements were not", stacklevel=2
            )
            return
        if not self._lock.is_held:  # it has been closed, or a later monitor writes there
            return
        try:
            self._writer.finish(state, step, **summarise(read_record(self.path)))
        except (OSError, ValueError) as error:
            warnings.warn(f"{self.path}: no summary is written ({error})", stacklevel=2)
        finally:
            self._lock.release()

    def _lose(self, step: int, error: OSError) -> None:
        if not self._lost:
            warnings.warn(
                f"step {step}: nothing is recorded in {self.path} ({error.strerror or error}); training goes"
                " on, and it is recorded again as soon as that is possible",
                stacklevel=2,
            )
        self._lost.append(step)
