"""One run folder, followed: read on as it grows."""

import errno
import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from eigenstep.record._folder import (
    CONFIG,
    EIGENVALUES,
    LANDMARKS,
    MEANINGS,
    METRICS,
    PREDICTION,
    PROBES,
    PROJECTIONS,
    SUMMARY,
)
from eigenstep.record._growing import GrowingLines, GrowingTable, SmallFile
from eigenstep.record._parsing import (
    MOST_NUMBERS,
    numbers_of,
    parse_config,
    parse_landmarks,
    parse_object,
    parse_prediction,
)
from eigenstep.record._record import RunRecord, read_thumbnails
from eigenstep.record._table import last_of_each
from eigenstep.record._thinned import Thinned, padded

# Of a long record about so many rows are kept, and of each row so many of the largest eigenvalues.
ROWS_KEPT, EIGENVALUES_KEPT = 1024, 32
# How much of a table is read at a time.
BLOCK_BYTES = 1 << 24
# Errors of this process, not of the files.
OUT_OF_HANDLES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

T = TypeVar("T")
_generations = itertools.count(1)


class FollowedRun:
    """What a run folder holds by now; of a long record every 2nd, 4th, ... row, about a thousand.

    Attributes
    ----------
    name : str
        The run's path below the folder that is served.
    generation
        Another number whenever what was read before no longer holds: the folder was made anew, or a resumed
        run went back to its checkpoint.
    eigenvalues, projections
        The tables, whose rows are read when they are asked for.
    kept
        Rows of `metrics`, `probes` and `eigenvalues`, the largest 32 of them, as float64 (columns,).
    columns : dict[str, dict[str, None]]
        The names of a row's entries, in their order, step and time first; earlier rows may be shorter.
    problems : list[str]
        One line for each file that cannot be read.
    damage
        One line for each file of which rows or lines that were read are damaged, and left out of all else.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter
    >>> path, both = Path(tempfile.mkdtemp()), {"cross_correlation": np.ones(2), "covariance": np.ones(2)}
    >>> writer, run = RecordWriter(path, 2), FollowedRun(path, "mine")
    >>> for step in (0, 10):
    ...     writer.append(step, 0.1 * step, both, loss=4.0 - step / 10)
    ...     run.refresh()
    ...     print(run.count("metrics"), run.latest("metrics"))
    1 [0. 0. 4.]
    2 [10.  1.  3.]
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._config = SmallFile(path / CONFIG, parse_config, path)
        self._summary = SmallFile(path / SUMMARY, parse_object, path)
        self._prediction = SmallFile(path / PREDICTION, parse_prediction, path)
        self._meanings = SmallFile(path / MEANINGS, parse_object, path)
        self._landmarks = SmallFile(path / LANDMARKS, parse_landmarks, path)
        self._lines = {
            name: GrowingLines(path / file, folder=path)
            for name, file in (("metrics", METRICS), ("probes", PROBES))
        }
        self._tables = {
            name: GrowingTable(path / file, path)
            for name, file in (("eigenvalues", EIGENVALUES), ("projections", PROJECTIONS))
        }
        self.eigenvalues, self.projections = self._tables.values()
        self._sources: dict[str, GrowingLines | GrowingTable] = {**self._lines, **self._tables}
        self.kept = {each: Thinned(ROWS_KEPT) for each in ("metrics", "probes", "eigenvalues")}
        self._begin()

    def _begin(self) -> None:
        self.generation = next(_generations)
        first = {"metrics": ("step", "time", "loss"), "probes": ("step", "time")}
        self.columns: dict[str, dict[str, None]] = {each: dict.fromkeys(first[each]) for each in first}
        self.problems: list[str] = []
        self._damaged: dict[str, set[int]] = {each: set() for each in self._sources}
        for kept in self.kept.values():
            kept.clear()

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] | None = self._config.content
        return config or {}

    @property
    def summary(self) -> dict[str, Any] | None:
        summary: dict[str, Any] | None = self._summary.content
        return summary

    @property
    def prediction(self) -> dict[str, Any] | None:
        prediction: dict[str, Any] | None = self._prediction.content
        return prediction

    @property
    def meanings(self) -> dict[str, Any] | None:
        """What its modes mean, if `eigenstep modes` has said."""
        meanings: dict[str, Any] | None = self._meanings.content
        return meanings

    @property
    def started(self) -> float:
        """When the run began, in seconds since 1970, as far as its folder tells."""
        known = (self._config.modified, self.eigenvalues.layout.modified, self.modified)
        return min((moment for moment in known if moment), default=0.0)

    @property
    def modified(self) -> float:
        """When the run last wrote a measurement."""
        return max(source.modified for source in self._sources.values())

    @property
    def ended(self) -> float:
        """When the run wrote its summary, 0 if it has none."""
        return self._summary.modified if self.summary is not None else 0.0

    @property
    def damage(self) -> list[str]:
        return [self._damage(name) for name, damaged in self._damaged.items() if damaged]

    @property
    def fingerprint(self) -> tuple[Any, ...]:
        """Something else whenever there is something else to tell."""
        counts = tuple(kept.count for kept in self.kept.values())
        small = (self._config.modified, self.ended, self._prediction.modified, self._meanings.modified)
        return (self.generation, *counts, self.modified, *small, *self.problems, *self.damage)

    @property
    def facts_version(self) -> str:
        """Another text whenever one of the small files, or whether there is a record to speak of, changed."""
        small = (self._config.modified, self.ended, self._prediction.modified, self._meanings.modified)
        return f"{self.generation} {small} {min(self.kept['metrics'].count, 2)}"

    def refresh(self) -> None:
        """Read what is new in the folder. What is in it raises nothing, it only adds to `problems`.

        Raises
        ------
        OSError
            If the process can open no more files, which tells nothing of these.
        """
        problems: list[str] = []
        small = (self._config, self._summary, self._prediction, self._meanings, self._landmarks)
        for file in small:
            self._try(file.refresh, problems)
        replaced = [self._try(source.refresh, problems) for source in self._sources.values()]
        if any(replaced):
            self._begin()
        for name, kept in self.kept.items():
            count = len(self._sources[name])
            if count > kept.count:
                self._try(partial(kept.extend, count, partial(self._read, name)), problems)
        if self.kept["metrics"].count and self.latest("metrics") is None:
            problems.insert(0, "metrics.jsonl is not a run's: expected lines with step, time and loss")
        self.problems = problems

    def count(self, name: str) -> int:
        """How many rows a source in `kept` has, without those that are known to be damaged."""
        return self.kept[name].count - len(self._damaged[name])

    def latest(self, name: str) -> np.ndarray | None:
        """The last row of a source in `kept` that is not damaged; None if there is none."""
        kept = self.kept[name]
        rows = [kept.last] if kept.count and np.isfinite(kept.last[0]) else kept.rows()
        return next((row for row in reversed(rows) if np.isfinite(row[0])), None)

    def earliest(self, name: str) -> np.ndarray | None:
        """The first such row."""
        kept = self.kept[name]
        rows = [kept.first] if kept.count and np.isfinite(kept.first[0]) else kept.rows()
        return next((row for row in rows if np.isfinite(row[0])), None)

    def reader(self, name: str) -> Callable[[Iterable[int]], list[np.ndarray]]:
        """A function that reads rows of a source in `kept`, as they are kept there, at any indices.

        A damaged row has no step, and so has a line that is none of a run's: it is NaN.
        """
        if name in self._lines:
            return lambda indices: [self._row(name, line) for line in self._lines[name].read(indices)]
        return self._leading_eigenvalues

    def record(
        self,
        *,
        eigenvalues: Sequence[int] = (),
        projections: Sequence[int] = (),
        thumbnails: bool = False,
    ) -> RunRecord:
        """The rows kept of the metrics, and those rows of the tables, in full, that are asked for by index.

        Without timings and probes. In the order of their steps, the last of each step, without damaged ones.

        Raises
        ------
        OSError, ValueError
            If the folder no longer holds what it held.
        """
        tables = {"eigenvalues": eigenvalues, "projections": projections}
        rows = {name: self._in_order(name, indices) for name, indices in tables.items()}
        return RunRecord(
            path=self.path,
            config=self.config,
            metrics=self._metrics(),
            timings={},
            probes={},
            eigenvalues=rows["eigenvalues"],
            projections=rows["projections"],
            probe=read_thumbnails(self.path) if thumbnails else None,
            prediction=self.prediction,
            summary=self.summary,
            problems=(*self.problems, *self.damage),
            landmarks=self._landmarks.content or (),
        )

    def _in_order(self, name: str, indices: Sequence[int]) -> np.ndarray | None:
        if not indices:
            return None
        rows = self._tables[name].read(indices)
        damaged = rows["step"] < 0
        self._damaged[name].update(itertools.compress(indices, damaged))
        rows = rows[~damaged]
        return rows[last_of_each(rows["step"])]

    def _metrics(self) -> dict[str, np.ndarray]:
        names = list(self.columns["metrics"])
        table = padded(self.kept["metrics"].rows(), len(names))
        table = table[np.isfinite(table[:, 0])]
        columns = dict(zip(names, table[last_of_each(table[:, 0])].T, strict=True))
        columns["step"] = columns["step"].astype(int)
        return columns

    def _row(self, name: str, line: dict[str, Any] | None) -> np.ndarray:
        try:
            values = numbers_of(line or {})
        except ValueError:
            values = {}
        if "step" in values:
            values.setdefault("time", values["step"])
        columns = self.columns[name]
        if not values.keys() <= columns.keys() and len(columns) < MOST_NUMBERS:
            columns |= {each: None for each, value in values.items() if not np.isnan(value)}
        return np.array([values.get(column, np.nan) for column in columns], float)

    def _leading_eigenvalues(self, indices: Iterable[int]) -> list[np.ndarray]:
        """Step, time and the largest eigenvalues of C of each row."""
        layout = self.eigenvalues.dtype
        names = layout.names or () if layout else ()
        if layout is None or "cross_correlation" not in names:
            raise ValueError(
                f"eigenvalues.json lacks the column cross_correlation, it has {', '.join(names)}"
            )
        found: list[np.ndarray] = []
        indices, most = list(indices), max(BLOCK_BYTES // layout.itemsize, 1)
        for start in range(0, len(indices), most):
            rows = self.eigenvalues.read(indices[start : start + most])
            steps = np.where(rows["step"] < 0, np.nan, rows["step"])
            values = rows["cross_correlation"].reshape(len(rows), -1)[:, :EIGENVALUES_KEPT]
            found += list(np.column_stack([steps, rows["time"], values]))
        return found

    def _read(self, name: str, indices: Iterable[int]) -> list[np.ndarray]:
        """Rows of a source, of which those that are damaged are counted."""
        indices = list(indices)
        rows = self.reader(name)(indices)
        self._damaged[name].update(
            index for index, row in zip(indices, rows, strict=False) if not np.isfinite(row[0])
        )
        return rows

    def _damage(self, name: str) -> str:
        source, count = self._sources[name], len(self._damaged[name])
        file = source.path.name if isinstance(source, GrowingLines) else source.rows.name
        are_all_read = name in self.kept and self.kept[name].stride == 1
        few = "" if are_all_read else "at least "
        what = "lines" if name in self._lines else "rows"
        return f"{file}: {few}{count:,} of {len(source):,} {what} are damaged and left out"

    def _try(self, attempt: Callable[[], T], problems: list[str]) -> T | None:
        try:
            return attempt()
        except Exception as error:  # whatever a foreign file brings; the other runs go on
            if isinstance(error, OSError) and error.errno in OUT_OF_HANDLES:
                raise
            line = " ".join(str(error).split()) or type(error).__name__
            problems.append(line.replace(f"{self.path}/", ""))
            return None
