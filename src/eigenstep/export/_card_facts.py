"""What a run's record knows of one of its checkpoints: nothing that came after it."""

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.analysis import Analysis, analyse
from eigenstep.record import RunRecord, read_bounded, read_record, read_tree

# Measures of the embedding's spectrum, as docs/measures.md defines them, in the card's words.
MEASURES = {
    "effective_rank": "effective rank of the embeddings",
    "rank_me": "RankMe of the embeddings",
    "participation_ratio": "participation ratio of the embeddings",
}


class CardFacts:
    """What a run's record says of the weights in a checkpoint.

    Parameters
    ----------
    checkpoint : Path
        The checkpoint's folder, `step_...` or `best_...`.

    Attributes
    ----------
    step : int
        How many steps the weights have seen.
    config : dict[str, Any]
        The run's configuration.
    record, analysis
        What was measured until then and what that says, None where there is nothing or it cannot be read.
    problems : list[str]
        What could not be read, a line each.
    """

    def __init__(self, run: Path, checkpoint: Path) -> None:
        self.run, self.checkpoint = run, checkpoint
        self.step = int(checkpoint.name.rpartition("_")[2])
        self.config = read_tree(run / "config.yaml")
        self.problems: list[str] = []
        self.record: RunRecord | None = None
        self.analysis: Analysis | None = None
        try:
            self.record = self._until_then()
            if len(self.record.metrics.get("step", ())):
                self.analysis = analyse(self.record)
        except (OSError, ValueError) as error:
            self.problems.append(str(error).replace(str(run), run.name))

    def _until_then(self) -> RunRecord:
        record = read_record(self.run)
        return dataclasses.replace(
            record,
            metrics=_columns_until(record.metrics, self.step),
            probes=_columns_until(record.probes, self.step),
            eigenvalues=_rows_until(record.eigenvalues, self.step),
            projections=_rows_until(record.projections, self.step),
        )

    @property
    def verdict(self) -> str | None:
        return self.analysis.verdict.sentence if self.analysis else None

    @property
    def alarm(self) -> bool:
        return self.analysis is not None and self.analysis.verdict.alarm

    @property
    def batch(self) -> int | None:
        """Images a step over all processes."""
        batch = self.config.get("batch_size")
        return batch if isinstance(batch, int) else None

    @property
    def why_best(self) -> str:
        """A word on why these weights were kept, empty where they are simply those of a step."""
        if not self.checkpoint.name.startswith("best"):
            return ""
        return ", at which the k-NN probe was best"

    @property
    def images_used(self) -> str:
        """How many images the run counted, as a clause."""
        images = ((self.record and self.record.summary) or {}).get("images")
        used = images.get("used") if isinstance(images, dict) else None
        return f", of which {used:,} were used" if isinstance(used, int) else ""

    @property
    def has_probe(self) -> bool:
        return bool(self.accuracies or (self.record and len(self.record.probes.get("step", ()))))

    def rows(self) -> Iterator[tuple[str, str]]:
        """Names and values of what was measured while training, with the step where it is another one."""
        if self.record is None or self.analysis is None:
            return
        metrics, rows = self.record.metrics, self.record.eigenvalues
        at = _at(metrics["step"][-1], self.step)
        if "loss" in metrics:
            yield f"loss{at}", f"{metrics['loss'][-1]:.4g}"
        if rows is not None and len(rows):
            of = rows["cross_correlation"].shape[1]
            yield f"modes learned{at}", f"{self.analysis.learned} of {of} embedding dimensions"
        for name, words in MEASURES.items():
            values = metrics.get(f"measures/{name}", np.array([np.nan]))
            if np.isfinite(values[-1]):
                yield f"{words}{at}", f"{values[-1]:.2f}"
        for name, values in self.record.probes.items():
            if name not in ("step", "time") and len(values):
                kind, _, what = name.partition("_")
                probed = _at(self.record.probes["step"][-1], self.step)
                kind = {"knn": "k-NN"}.get(kind, kind)
                yield f"test accuracy of {kind} on {what}, while training{probed}", f"{values[-1]:.1%}"

    @cached_property
    def accuracies(self) -> dict[str, dict[str, str]]:
        """What `eigenstep probe` found of this very checkpoint: of each part, its accuracies by kind."""
        if self._probed.get("checkpoint") != self.checkpoint.name:
            return {}
        found = self._probed.get("accuracies")
        return {
            what: {kind: f"{value:.1%}" for kind, value in kinds.items() if isinstance(value, float)}
            for what, kinds in (found.items() if isinstance(found, dict) else ())
            if isinstance(kinds, dict)
        }

    @property
    def probed_on(self) -> str:
        """How many images that was learned from and tested on, as a clause."""
        counts = [(self._probed.get(part) or {}).get("images") for part in ("train", "test")]
        if not all(isinstance(count, int) for count in counts):
            return ""
        return f", learned from {counts[0]:,} labelled images and tested on {counts[1]:,}"

    @cached_property
    def _probed(self) -> dict[str, Any]:
        import json

        try:
            content = json.loads(read_bounded(self.run / "probes.json", folder=self.run))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            self.problems.append(f"probes.json ({error})")
            return {}
        return content if isinstance(content, dict) else {}


def _at(measured: int, step: int) -> str:
    return "" if measured == step else f" at step {measured:,}"


def _columns_until(columns: dict[str, np.ndarray], step: int) -> dict[str, np.ndarray]:
    if "step" not in columns:
        return columns
    kept = columns["step"] <= step
    return {name: values[kept] for name, values in columns.items()}


def _rows_until(rows: np.ndarray | None, step: int) -> np.ndarray | None:
    return None if rows is None else rows[rows["step"] <= step]
