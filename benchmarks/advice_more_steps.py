"""How well accuracy at twice the steps is foretold from the probes of the first half of a training.

    python benchmarks/advice_more_steps.py

Takes the trainings of results/faster-late-modes (small networks, three losses, several update rules and
rates, eight probes each), cuts each at half of its steps, and asks `eigenstep.advice` what as many more would
bring.
Trainings whose features were worse at the end than at the start are left out: they are not sound.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.advice import more_steps
from eigenstep.record import RecordWriter, RunRecord, read_record
from eigenstep.terminal import print_table

CELLS = Path("results/faster-late-modes/cells.jsonl")
PROBES = {"ridge": "ridge_features", "knn": "knn_features"}
KIND = ("regime", "network", "loss", "steps")


def main() -> None:
    cells = [json.loads(line) for line in CELLS.read_text().splitlines()]
    cells = [cell for cell in cells if len(cell.get("ridge", ())) >= 9]
    cells = [cell for cell in cells if cell["ridge"][-1][1] > cell["ridge"][0][1]]
    with tempfile.TemporaryDirectory() as folder:
        records = [as_record(cell, Path(folder) / str(n)) for n, cell in enumerate(cells)]
    rows = []
    for title, earlier in (("straight line in log step", False), ("earlier runs of the same kind", True)):
        for probe in PROBES.values():
            found = list(errors(cells, records, probe, earlier))
            if not found:
                continue
            error, last, held, width = (np.array(column) for column in zip(*found, strict=True))
            rows.append(
                [
                    f"{title}, {probe}",
                    str(len(found)),
                    f"{np.abs(error).mean():.4f}",
                    f"{np.abs(last).mean():.4f}",
                    f"{held.mean():.0%}",
                    f"{np.median(width):.3f}",
                ]
            )
    header = ["by", "trainings", "mean error", "of the last value", "within the interval", "half its length"]
    print_table("Accuracy at twice the steps", header, rows)


def as_record(cell: dict[str, Any], folder: Path) -> RunRecord:
    """A run that holds nothing but its probes."""
    one = np.ones(2)
    kind = "-".join(str(cell["cell"][name]) for name in KIND)
    writer = RecordWriter(folder, 2, config=f"loss: {kind}")
    for row, (step, _) in enumerate(cell["ridge"]):
        writer.append(step, float(step), {"cross_correlation": one, "covariance": one}, loss=1.0)
        found = {name: cell[key][row][1] for key, name in PROBES.items()}
        writer.append_to("probes", {"step": step, "time": float(step), **found})
    return read_record(folder)


def errors(
    cells: list[dict[str, Any]], records: list[RunRecord], probe: str, earlier: bool
) -> Iterator[tuple[float, float, bool, float]]:
    """Of each training the error, that of the last value, whether the interval held, half its length."""
    for cell, record in zip(cells, records, strict=True):
        steps, values = record.probes["step"], record.probes[probe]
        half = steps <= steps[-1] // 2
        before = record.metrics["step"] <= steps[-1] // 2
        cut = replace(
            record,
            probes={name: column[half] for name, column in record.probes.items()},
            metrics={name: column[before] for name, column in record.metrics.items()},
        )
        seed = cell["cell"]["seed"]
        others = [other for each, other in zip(cells, records, strict=True) if each["cell"]["seed"] != seed]
        found = more_steps(cut, int(steps[-1] - cut.probes["step"][-1]), others if earlier else ())
        (gain,) = (each for each in found.gains if each.probe == probe)
        if earlier != gain.by.endswith("earlier runs"):
            continue
        now = gain.now if not earlier else float(cut.probes[probe][-1])
        error = now + gain.gain - values[-1]
        yield float(error), float(cut.probes[probe][-1] - values[-1]), abs(error) <= gain.error, gain.error


if __name__ == "__main__":
    main()
