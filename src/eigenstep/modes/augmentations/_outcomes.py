"""What short trainings came to, a line each: a command that was killed goes on from them."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from eigenstep.modes.augmentations._options import ShortTraining
from eigenstep.modes.augmentations._sets import AugmentationSet
from eigenstep.modes.augmentations._short_training import ShortOutcome
from eigenstep.record import GrowingLines, append_line, make_folder

TRAININGS = "trainings.jsonl"


class Outcomes:
    """Outcomes by set and seed, in memory and, if there is a folder, in its `trainings.jsonl`.

    A line is taken up only where images, labels and options are the same, and the set's values: names may
    change. Lines that cannot be read are passed over, and their trainings are done again.

    Parameters
    ----------
    folder : Path | None
        Where lines are kept; None keeps them in memory.
    images, labels : Tensor
        As `score_set` takes them.
    training : ShortTraining
        Likewise.
    """

    def __init__(self, folder: Path | None, images: Tensor, labels: Tensor, training: ShortTraining) -> None:
        self._path = None if folder is None else folder / TRAININGS
        self._of = _fingerprint(images, labels, training)
        self._checkpoints = len(training.probed_at)
        self._known: dict[tuple[str, int], ShortOutcome] = {}
        if self._path is not None and self._path.is_file():
            lines = GrowingLines(self._path)
            lines.refresh()
            for place in range(len(lines)):
                line = lines.read([place])[0]
                with contextlib.suppress(ValueError, KeyError, TypeError, zlib.error):
                    self._take_up(line or {})

    def __len__(self) -> int:
        return len(self._known)

    def get(self, chosen: AugmentationSet, seed: int) -> ShortOutcome | None:
        """What the set's training with this seed came to, None where it was not done."""
        return self._known.get((_of_set(chosen), seed))

    def add(self, chosen: AugmentationSet, seed: int, found: ShortOutcome) -> None:
        """Keep what a training came to."""
        self._known[_of_set(chosen), seed] = found
        if self._path is None:
            return
        make_folder(self._path.parent)
        counts = np.round(found.right * self._checkpoints).astype(np.uint16)
        append_line(
            self._path,
            {
                "of": self._of,
                "set": chosen.name,
                "views": _of_set(chosen),
                "seed": seed,
                "accuracy": found.accuracy,
                "steps": list(found.steps),
                "accuracies": list(found.accuracies),
                "right": base64.b64encode(zlib.compress(counts.tobytes())).decode(),
            },
        )

    def _take_up(self, line: dict[str, Any]) -> None:
        if line.get("of") != self._of:
            return
        counts = np.frombuffer(zlib.decompress(base64.b64decode(line["right"])), np.uint16)
        found = ShortOutcome(counts / self._checkpoints, tuple(line["steps"]), tuple(line["accuracies"]))
        self._known[str(line["views"]), int(line["seed"])] = found


def _fingerprint(images: Tensor, labels: Tensor, training: ShortTraining) -> str:
    told = hashlib.sha256(
        json.dumps([dataclasses.asdict(training), list(images.shape), str(images.dtype)]).encode()
    )
    for part in (images, labels):
        told.update(np.ascontiguousarray(part.cpu().numpy()).data)
    return told.hexdigest()[:16]


def _of_set(chosen: AugmentationSet) -> str:
    text = json.dumps(dataclasses.asdict(chosen.views), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
