"""A folder of runs, looked at again whenever the page asks."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eigenstep.live._analysis import PageAnalysis
from eigenstep.live._card import Card
from eigenstep.live._cloud_frames import CloudFrames
from eigenstep.record import FollowedRun, RunFinder

# Between two looks at the disk, however many pages ask; longer where a look takes long, as over a network.
LOOK_SECONDS, LOOKS_APART = 0.4, 4
# What one look may take before it leaves the rest, at the first look, to the next one.
PATIENCE_SECONDS = 0.2


@dataclass
class Entry:
    """A run with what is said of it; `version` counts the folder's changes up to its own last one."""

    run: FollowedRun
    card: Card = field(default_factory=Card)
    analysis: PageAnalysis = field(default_factory=PageAnalysis)
    cloud: CloudFrames = field(default_factory=CloudFrames)
    version: int = 0
    asked: float = 0.0


class RunsFolder:
    """Every run below a folder, by name, kept up to date by `refresh`.

    The methods may be called from several threads, within `lock`.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self.root, self.clock = root, clock
        self.lock = threading.RLock()
        self.entries: dict[str, Entry] = {}
        self.unread: dict[str, Path] = {}
        self.version = 1
        self.asked = 0.0
        self._finder = RunFinder(root)
        self._gone: dict[str, int] = {}
        self._looked = self._look_took = 0.0

    def refresh(self) -> None:
        """Look at the disk, unless that was done a moment ago; at first in parts, while runs are `unread`."""
        now = self.clock()
        self.asked = now
        began = time.monotonic()
        if not 0 <= now - self._looked < max(LOOK_SECONDS, LOOKS_APART * self._look_took):
            self._looked = now
            self._look(now)
            self._look_took = time.monotonic() - began
        for name in list(self.unread):
            self.entries[name] = entry = Entry(FollowedRun(self.unread.pop(name), name))
            self._gone.pop(name, None)
            entry.run.refresh()
            self.say(entry, now)
            if time.monotonic() - began > PATIENCE_SECONDS:
                break

    def _look(self, now: float) -> None:
        found = self._finder.find()
        for name in [name for name, entry in self.entries.items() if found.get(name) != entry.run.path]:
            del self.entries[name]
            self._gone[name] = self._next()
        self.unread = {name: path for name, path in found.items() if name not in self.entries}
        for entry in self.entries.values():
            entry.run.refresh()
            self.say(entry, now)

    def say(self, entry: Entry, now: float) -> None:
        """Bring a run's card up to date."""
        if entry.card.update(entry.run, entry.analysis, now):
            entry.version = self._next()

    def table(self, since: int) -> dict[str, Any]:
        """The cards that changed after a version, and the names of runs that vanished after it."""
        return {
            "version": self.version,
            "cards": [entry.card.content for entry in self.entries.values() if entry.version > since],
            "gone": [name for name, version in self._gone.items() if version > since],
            "unread": len(self.unread),
            "complete": self._finder.complete,
        }

    def _next(self) -> int:
        self.version += 1
        return self.version
