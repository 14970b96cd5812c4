"""What a run begins with, beside random numbers: weights, and what of them is frozen."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eigenstep.encoders import Freeze, Start, take_newest
from eigenstep.record import CHECKPOINTS, START, read_bounded


@dataclass(frozen=True)
class Beginning:
    """The weights that a backbone starts from, None for random ones, and what of it is not trained."""

    weights: Start | None = None
    frozen: Freeze = field(default_factory=Freeze)

    @property
    def lines(self) -> list[str]:
        """What is said of it before the first step."""
        weights = list(self.weights.lines) if self.weights else []
        return weights + ([f"frozen: {self.frozen.said}"] if self.frozen.said else [])

    def facts(self) -> dict[str, Any]:
        """What the summary says of it."""
        facts: dict[str, Any] = {"start": self.weights.facts()} if self.weights else {}
        return facts | ({"frozen": self.frozen.said} if self.frozen.said else {})


def kept_start(out: Path) -> Start | None:
    """The weights that a run in `out` has started from, where a checkpoint of it can be read; else None."""
    try:
        start = Start.of_facts(json.loads(read_bounded(out / START, folder=out)))
    except (OSError, ValueError):
        return None
    return start if take_newest(out / CHECKPOINTS)[0] is not None else None


NOTHING = Beginning()
