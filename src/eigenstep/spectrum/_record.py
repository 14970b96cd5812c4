"""Reading a run folder, whoever wrote it and whether or not the run still goes on."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.spectrum._table import read_table


@dataclass(frozen=True)
class RunRecord:
    """What a run folder holds; its files are described in docs/run-folder.md.

    Attributes
    ----------
    path : the run folder
    config : the configuration tree, empty if the run wrote none
    metrics : columns of `metrics.jsonl`, each of shape (T,): step, time, loss, learning_rate, the
        loss's terms as `terms/NAME`, and rank and collapse measures as `measures/NAME`
    timings : columns of `timings.jsonl`, likewise
    probes : columns of `probes.jsonl`, likewise: step, time, and accuracies of the probes made while training
    eigenvalues, projections : structured arrays of the tables, or None
    probe : thumbnails of the probe batch, uint8 (n, height, width, 3), or None
    prediction : the closed form's gamma, start_scales, half_times and learning_rate, or None
    summary : what the run wrote at its end, or None while it goes on
    """

    path: Path
    config: dict[str, Any]
    metrics: dict[str, np.ndarray]
    timings: dict[str, np.ndarray]
    probes: dict[str, np.ndarray]
    eigenvalues: np.ndarray | None
    projections: np.ndarray | None
    probe: np.ndarray | None
    prediction: dict[str, Any] | None
    summary: dict[str, Any] | None

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def is_prediction(self) -> bool:
        """Whether the folder holds what `eigenstep predict` computed, and nothing that was measured."""
        return self.config.get("kind") == "prediction"


def read_record(path: str | Path) -> RunRecord:
    """Read a run folder; torn last lines and rows are left out.

    Raises FileNotFoundError if `path` is not a run folder, ValueError if one of its files is not in the
    documented form.
    """
    path = Path(path)
    if not is_run(path):
        raise FileNotFoundError(
            f"{path} is not a run folder; expected a folder with metrics.jsonl, as `eigenstep train` makes"
        )
    probe = path / "spectrum" / "probe.npy"
    return RunRecord(
        path=path,
        config=_read_config(path / "config.yaml"),
        metrics=read_metrics(path / "metrics.jsonl"),
        timings=read_metrics(path / "timings.jsonl"),
        probes=read_metrics(path / "probes.jsonl"),
        eigenvalues=read_table(path / "spectrum" / "eigenvalues"),
        projections=read_table(path / "spectrum" / "projections"),
        probe=np.load(probe) if probe.exists() else None,
        prediction=_read_json(path / "prediction.json"),
        summary=_read_json(path / "summary.json"),
    )


def is_run(path: str | Path) -> bool:
    """Whether `path` is a run folder."""
    return (Path(path) / "metrics.jsonl").is_file()


def find_runs(folder: str | Path) -> list[Path]:
    """The folder itself if it is a run, else the runs directly in it, by name.

    Raises FileNotFoundError if there is none.
    """
    folder = Path(folder)
    if is_run(folder):
        return [folder]
    runs = sorted(entry for entry in folder.iterdir() if is_run(entry)) if folder.is_dir() else []
    if not runs:
        raise FileNotFoundError(
            f"no run found in {folder}: expected a run folder, or a folder of them (each has a metrics.jsonl)"
        )
    return runs


def read_metrics(path: Path) -> dict[str, np.ndarray]:
    """Columns of a metrics file; a measurement that lacks a column has NaN there."""
    rows = [_flatten(row) for row in read_lines(path)]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: np.array([row.get(name, np.nan) for row in rows], float) for name in names}
    if "step" in columns:
        columns["step"] = columns["step"].astype(int)
    return columns


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a JSON-lines file."""
    if not path.exists():
        return []
    *lines, _torn = path.read_text().split("\n")
    try:
        return [json.loads(line) for line in lines if line]
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} has a line that is not JSON ({error})") from error


def _flatten(row: dict[str, Any]) -> dict[str, float]:
    flat = {name: value for name, value in row.items() if isinstance(value, int | float)}
    for group in ("terms", "measures"):
        flat |= {f"{group}/{name}": value for name, value in (row.get(group) or {}).items()}
    return flat


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON ({error})") from error


def _read_config(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    text = path.read_text()
    try:
        return json.loads(text)  # the monitor writes JSON, which is YAML too
    except json.JSONDecodeError:
        import yaml  # not needed by those who only watch or predict

        return yaml.safe_load(text) or {}
