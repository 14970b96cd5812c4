"""Reading a run folder, whoever wrote it and whether or not the run still goes on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.record._run_files import read_array, read_config, read_metrics, read_object
from eigenstep.record._table import read_table


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
    return RunRecord(
        path=path,
        config=read_config(path / "config.yaml"),
        metrics=read_metrics(path / "metrics.jsonl"),
        timings=read_metrics(path / "timings.jsonl"),
        probes=read_metrics(path / "probes.jsonl"),
        eigenvalues=read_table(path / "spectrum" / "eigenvalues"),
        projections=read_table(path / "spectrum" / "projections"),
        probe=read_array(path / "spectrum" / "probe.npy"),
        prediction=read_object(path / "prediction.json"),
        summary=read_object(path / "summary.json"),
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
