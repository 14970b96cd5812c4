"""One run folder, read on as it grows."""

import itertools
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from eigenstep.record._growing import GrowingLines, GrowingTable, SmallFile
from eigenstep.record._thinned import Thinned

ROWS, EIGENVALUES = 1024, 32

T = TypeVar("T")
_generations = itertools.count(1)


class FollowedRun:
    """What a run folder holds by now; of a long record every 2nd, 4th, ... row, about a thousand.

    Attributes
    ----------
    name : the run's path below the folder that is served
    generation : another number whenever what was read before no longer holds: the folder was made anew, or
        a resumed run went back to its checkpoint
    kept : rows of `metrics`, `probes` and `eigenvalues`, the largest 32 of them, as float64 (columns,)
    columns : the names of a row's entries, in their order, step and time first; earlier rows may be shorter
    problems : one line for each file that cannot be read
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._config = SmallFile(path / "config.yaml", _parse_config)
        self._summary = SmallFile(path / "summary.json", _parse_object)
        self._prediction = SmallFile(path / "prediction.json", _parse_object)
        self._lines = {each: GrowingLines(path / f"{each}.jsonl") for each in ("metrics", "probes")}
        self._tables = {
            each: GrowingTable(path / "spectrum" / each) for each in ("eigenvalues", "projections")
        }
        self._sources: dict[str, GrowingLines | GrowingTable] = {**self._lines, **self._tables}
        self.kept = {each: Thinned(ROWS) for each in ("metrics", "probes", "eigenvalues")}
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
        return self._config.content or {}

    @property
    def summary(self) -> dict[str, Any] | None:
        return self._summary.content

    @property
    def prediction(self) -> dict[str, Any] | None:
        return self._prediction.content

    @property
    def projections(self) -> GrowingTable:
        return self._tables["projections"]

    @property
    def eigenvalues(self) -> GrowingTable:
        return self._tables["eigenvalues"]

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
    def fingerprint(self) -> tuple:
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
        """A function that reads rows of a source as they are kept, at any indices."""
        if name in self._lines:
            return lambda indices: [self._row(name, line) for line in self._lines[name].read(indices)]
        return lambda indices: _leading(self._tables[name].read(indices))

    def _row(self, name: str, line: dict[str, Any] | None) -> np.ndarray:
        values = _numbers(line or {})
        if "step" in values:
            values.setdefault("time", values["step"])
        columns = self.columns[name]
        if not values.keys() <= columns.keys():
            columns |= dict.fromkeys(values)
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
    values = rows["cross_correlation"].reshape(len(rows), -1)[:, :EIGENVALUES]
    return list(np.column_stack([rows["step"], rows["time"], values]))


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    """The numbers in a line, those in objects as OBJECT/NAME."""
    values = {}
    for name, value in row.items():
        if type(value) is float or type(value) is int:
            values[name] = value
        elif type(value) is dict:
            values |= {f"{name}/{inner}": number for inner, number in _numbers(value).items()}
    return values


def _parse_config(text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        return _parse_object(text)
    import yaml

    return _object(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {})


def _parse_object(text: str) -> dict[str, Any]:
    return _object(json.loads(text))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected names and values, got {type(value).__name__}")
    return value
