"""One run folder, followed: read on as it grows."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from eigenstep.record._folder import CONFIG, EIGENVALUES, METRICS, PREDICTION, PROBES, PROJECTIONS, SUMMARY
from eigenstep.record._growing import GrowingLines, GrowingTable, SmallFile
from eigenstep.record._parsing import numbers_of, parse_config, parse_object
from eigenstep.record._record import RunRecord, read_thumbnails
from eigenstep.record._thinned import Thinned, padded

# Of a long record about so many rows are kept, and of each row so many of the largest eigenvalues.
ROWS_KEPT, EIGENVALUES_KEPT = 1024, 32

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
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._config = SmallFile(path / CONFIG, parse_config)
        self._summary = SmallFile(path / SUMMARY, parse_object)
        self._prediction = SmallFile(path / PREDICTION, parse_object)
        self._lines = {"metrics": GrowingLines(path / METRICS), "probes": GrowingLines(path / PROBES)}
        self.eigenvalues, self.projections = (
            GrowingTable(path / each) for each in (EIGENVALUES, PROJECTIONS)
        )
        self._sources: dict[str, GrowingLines | GrowingTable] = {
            **self._lines,
            "eigenvalues": self.eigenvalues,
            "projections": self.projections,
        }
        self.kept = {each: Thinned(ROWS_KEPT) for each in ("metrics", "probes", "eigenvalues")}
        self._begin()

    def _begin(self) -> None:
        self.generation = next(_generations)
        first = {"metrics": ("step", "time", "loss"), "probes": ("step", "time")}
        self.columns: dict[str, dict[str, None]] = {each: dict.fromkeys(first[each]) for each in first}
        self.problems: list[str] = []
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
    def fingerprint(self) -> tuple[Any, ...]:
        """Something else whenever there is something else to tell."""
        counts = tuple(kept.count for kept in self.kept.values())
        small = (self._config.modified, self.ended, self._prediction.modified)
        return (self.generation, *counts, self.modified, *small, *self.problems)

    @property
    def facts_version(self) -> str:
        """Another text whenever one of the small files, or whether there is a record to speak of, changed."""
        small = (self._config.modified, self.ended, self._prediction.modified)
        return f"{self.generation} {small} {min(self.kept['metrics'].count, 2)}"

    def refresh(self) -> None:
        """Read what is new in the folder. What is in it raises nothing, it only adds to `problems`."""
        self.problems = []
        for file in (self._config, self._summary, self._prediction):
            self._try(file.refresh)
        replaced = [self._try(source.refresh) for source in self._sources.values()]
        if any(replaced):
            self._begin()
        for name, kept in self.kept.items():
            count = len(self._sources[name])
            if count > kept.count:
                self._try(partial(kept.extend, count, self.reader(name)))
        metrics = self.kept["metrics"]
        if metrics.count and not np.isfinite(metrics.first[0]) and not np.isfinite(metrics.last[0]):
            self.problems.insert(0, "metrics.jsonl is not a run's: expected lines with step, time and loss")

    def reader(self, name: str) -> Callable[[Iterable[int]], list[np.ndarray]]:
        """A function that reads rows of a source in `kept`, as they are kept there, at any indices."""
        if name in self._lines:
            return lambda indices: [self._row(name, line) for line in self._lines[name].read(indices)]
        return lambda indices: _leading(self.eigenvalues.read(indices))

    def record(
        self,
        *,
        eigenvalues: Sequence[int] = (),
        projections: Sequence[int] = (),
        thumbnails: bool = False,
    ) -> RunRecord:
        """The rows kept of the metrics, and those rows of the tables, in full, that are asked for by index.

        Without timings and probes.

        Raises
        ------
        OSError, ValueError
            If the folder no longer holds what it held.
        """
        return RunRecord(
            path=self.path,
            config=self.config,
            metrics=self._metrics(),
            timings={},
            probes={},
            eigenvalues=self.eigenvalues.read(eigenvalues) if eigenvalues else None,
            projections=self.projections.read(projections) if projections else None,
            probe=read_thumbnails(self.path) if thumbnails else None,
            prediction=self.prediction,
            summary=self.summary,
        )

    def _metrics(self) -> dict[str, np.ndarray]:
        names = list(self.columns["metrics"])
        table = padded(self.kept["metrics"].rows(), len(names))
        columns = dict(zip(names, table[np.isfinite(table[:, 0])].T, strict=True))
        columns["step"] = columns["step"].astype(int)
        return columns

    def _row(self, name: str, line: dict[str, Any] | None) -> np.ndarray:
        values = numbers_of(line or {})
        if "step" in values:
            values.setdefault("time", values["step"])
        columns = self.columns[name]
        if not values.keys() <= columns.keys():
            columns |= {each: None for each, value in values.items() if not np.isnan(float(value))}
        return np.array([values.get(column, np.nan) for column in columns], float)

    def _try(self, attempt: Callable[[], T]) -> T | None:
        try:
            return attempt()
        except Exception as error:  # whatever a foreign file brings; the other runs go on
            self.problems.append(" ".join(str(error).split()) or type(error).__name__)
            return None


def _leading(rows: np.ndarray) -> list[np.ndarray]:
    """Step, time and the largest eigenvalues of C of each row."""
    names = rows.dtype.names or ()
    if "cross_correlation" not in names:
        raise ValueError(f"eigenvalues.json lacks the column cross_correlation, it has {', '.join(names)}")
    values = rows["cross_correlation"].reshape(len(rows), -1)[:, :EIGENVALUES_KEPT]
    return list(np.column_stack([rows["step"], rows["time"], values]))
