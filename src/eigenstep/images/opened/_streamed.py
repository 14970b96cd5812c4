"""What all data sets that are decoded while training have in common."""

import dataclasses
import os
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding import broken_image
from eigenstep.images.opened._batches import (
    NAMES,
    Batch,
    Images,
    Sharing,
    damage_facts,
    source_facts,
    to_device,
)
from eigenstep.images.opened._workers import Workers
from eigenstep.images.sources import RandomAccess, Shards
from eigenstep.images.stored import Decoded, Statistics, StoredFormat, channel_statistics
from eigenstep.machine import usable_cores

MOST_WORKERS = 8
# So many images tell the mean and the standard deviation of each channel.
STATISTICS = 1024
# What every training process counts of its own rows.
_COUNTS = ("used", "broken", "enlarged", "with_gaps")


@dataclass
class Tally:
    """What happened to the images of the first epoch, each of which is drawn once in it, up to a step."""

    step: int = 0
    used: int = 0
    broken: int = 0
    broken_names: list[str] = field(default_factory=list)
    enlarged: int = 0
    with_gaps: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, step: int, epoch: int, decoded: Decoded) -> None:
        if epoch or step < self.step:  # a resumed run sees its last step again
            return
        self.step = step + 1
        self.used += len(decoded.images) - len(decoded.broken)
        self.broken += len(decoded.broken)
        self.broken_names = [*self.broken_names, *decoded.broken_names][:NAMES]
        self.enlarged += decoded.enlarged
        self.with_gaps += decoded.with_gaps
        self.notes = list(dict.fromkeys([*self.notes, *decoded.notes]))


class StreamedImages(Images):
    """Decodes in processes of their own, ahead of the training; see `ImagesConfig.workers`.

    An implementation says what is to be decoded for each step, by which callable, and replaces images that
    cannot be decoded: by which others is determined by the data, the seed and the step.
    """

    def __init__(
        self,
        opened: RandomAccess | Shards,
        stored: StoredFormat,
        sharing: Sharing,
        count: int | None,
        classes: int | None,
    ) -> None:
        super().__init__(sharing, count, classes, stored.pixels)
        self.stored = stored
        self.data = opened.data
        self._opened = opened
        self._damage_before: list[str] = []
        self.config = stored.config
        self._tally = Tally()
        self._at_work: list[Workers[Any, Decoded]] = []

    @abstractmethod
    def _tasks(self, start: int) -> Iterator[tuple[tuple[int, Any], Any]]:
        """From step `start` on: the epoch, whatever `_complete` needs, and what a process is to decode."""

    @abstractmethod
    def _work(self) -> Callable[[Any], Decoded]:
        """The callable that makes a `Decoded` of such a task."""

    @abstractmethod
    def _complete(self, decoded: Decoded, about: Any) -> None:
        """Put in what still is missing: labels, and what replaces broken images."""

    @abstractmethod
    def _spread_blocks(self, n: int) -> Iterator[np.ndarray]:
        """Those of at most `n` images, as `probe` takes them, that can be decoded: some at a time."""

    def statistics(self) -> Statistics:
        return channel_statistics(self._spread_blocks(STATISTICS))

    def _batches(self, start: int) -> Generator[Batch]:
        device, refuse = self.sharing.device, self.config.broken == "refuse"
        workers = Workers(self._work(), self._processes())
        self._at_work.append(workers)
        results = workers.map(self._tasks(start))
        try:
            for step, ((epoch, about), decoded) in enumerate(results, start):
                if refuse and decoded.broken:
                    raise ValueError(broken_image(self.data, decoded.broken[0]))
                self._complete(decoded, about)
                self._tally.add(step, epoch, decoded)
                images = to_device(torch.from_numpy(decoded.images), device)
                labels = None
                if decoded.labels is not None:
                    labels = to_device(torch.from_numpy(decoded.labels), device)
                yield Batch(images, labels)
        finally:
            results.close()
            workers.close()
            self._at_work.remove(workers)

    def _processes(self) -> int:
        return decoding_processes(self.config, self.sharing.processes)

    def facts(self) -> dict[str, Any]:
        facts = dataclasses.asdict(self._tally)
        del facts["step"]
        found = source_facts(self.count, self._opened.passed_over, self.pixels, facts.pop("notes"))
        return facts | damage_facts(self._damage()) | found | self._not_looked_at(facts)

    def joint_facts(self, facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
        # Every process reads all files, and may be ahead of the others.
        most = max(facts, key=lambda part: part["damaged"])
        damaged = {key: most[key] for key in ("damaged", "damaged_names")}
        names = [name for part in facts for name in part["broken_names"]][:NAMES]
        notes = {"notes": list(dict.fromkeys(note for part in facts for note in part.get("notes", [])))}
        counts = {key: sum(part[key] for part in facts) for key in _COUNTS}
        told = notes if "notes" in facts[0] else {}
        return facts[0] | counts | damaged | told | {"broken_names": names} | self._not_looked_at(counts)

    def _not_looked_at(self, counts: dict[str, Any]) -> dict[str, int | None]:
        """Images that the first epoch has not come to, or left out as less than a batch."""
        known = None if self.count is None else self.count - counts["used"] - counts["broken"]
        return {"not_looked_at": known}

    def state(self) -> dict[str, Any]:
        tally = dataclasses.asdict(self._tally)
        return super().state() | {"tally": tally, "count": self.count, "damage": self._damage()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._tally = Tally(**state["tally"])
        self.count = state["count"]
        self._damage_before = state.get("damage", [])  # runs that are older do not know it

    def _damage(self) -> list[str]:
        return list(dict.fromkeys([*self._damage_before, *self._opened.damage]))

    def close(self) -> None:
        for workers in list(self._at_work):
            workers.close()


def decoding_processes(config: ImagesConfig, processes: int = 1) -> int:
    """How many processes decode for each of so many that train.

    Examples
    --------
    >>> decoding_processes(ImagesConfig(workers=2))
    2
    """
    if config.workers is not None:
        return config.workers
    return min(max(usable_cores() // local_processes(processes), 1), MOST_WORKERS)


def local_processes(processes: int) -> int:
    """How many of the training's processes are on this machine, as torchrun tells."""
    return min(int(os.environ.get("LOCAL_WORLD_SIZE", processes)), processes)
