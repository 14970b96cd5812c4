"""A folder of runs, read by one thread, told to as many pages as ask."""

import json
import os
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from eigenstep.live._analysis import PageAnalysis
from eigenstep.live._card import Card, unread_card
from eigenstep.live._cloud_frames import CloudFrames
from eigenstep.record import METRICS, FollowedRun, RunFinder

# Between two looks at the disk; longer where a look takes long, as over a network.
LOOK_SECONDS, LOOKS_APART = 0.4, 4
# How long runs that were never read are read before those that are known are looked at again.
PATIENCE_SECONDS = 0.2
# Of up to so many, the first page that asks is told all at once.
FEW_RUNS = 100
# Between two states of the table that pages are told: all of them are told the same one.
TABLE_SECONDS = 0.2
# After so long without a page that asks, nothing is read or judged.
IDLE_SECONDS = 20
NOT_ANALYSED = PageAnalysis()


@dataclass
class Entry:
    """A run with what is said of it; `version` counts the folder's changes up to its own last one.

    Whoever reads the run, or what is said of it, holds `lock`: runs do not wait for each other.
    """

    path: Path
    name: str
    lock: threading.RLock = field(default_factory=threading.RLock)
    analysis: PageAnalysis = NOT_ANALYSED
    version: int = 0
    text: str = ""
    asked: float = 0.0
    is_read: bool = False

    @cached_property
    def run(self) -> FollowedRun:
        return FollowedRun(self.path, self.name)

    @cached_property
    def card(self) -> Card:
        return Card()

    @cached_property
    def cloud(self) -> CloudFrames:
        return CloudFrames()


class RunsFolder:
    """Every run below a folder, by name, kept up to date by `refresh`, which one thread calls.

    `lock` is held for moments alone, never while a file is read.

    Examples
    --------
    >>> folder = RunsFolder(Path("no-such-folder"))
    >>> folder.refresh()
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self.root, self.clock = root, clock
        self.lock = threading.RLock()
        self.looked = threading.Event()
        self.entries: dict[str, Entry] = {}
        self.unread: dict[str, Entry] = {}
        self.version = 1
        self.asked = clock()
        self._finder = RunFinder(root)
        self._gone: dict[str, int] = {}
        self._looked = self._look_took = 0.0
        self._table: _Table | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no page has asked for a while."""
        return self.clock() - self.asked > IDLE_SECONDS

    def ask(self) -> None:
        """Note that a page asks; after a pause `looked` is set when the folder has been looked at again."""
        if self.is_idle:
            self.looked.clear()
        self.asked = self.clock()

    def refresh(self) -> None:
        """Look at the disk, unless that was done a moment ago, and read for a while what is `unread`."""
        now, began = self.clock(), time.monotonic()
        if not 0 <= now - self._looked < max(LOOK_SECONDS, LOOKS_APART * self._look_took):
            self._looked = now
            self._look(now)
            self._look_took = time.monotonic() - began
        if len(self.unread) > FEW_RUNS:
            self.looked.set()
        began = time.monotonic()
        while self.unread:
            with self.lock:
                name = next(iter(self.unread), None)
            if name is not None:
                self.read(self.entries[name])
            if time.monotonic() - began > PATIENCE_SECONDS:
                break
        self.looked.set()

    def read(self, entry: Entry) -> None:
        """Read on in a run, and say what is new."""
        with entry.lock:
            try:
                entry.run.refresh()
            except OSError:  # the process can open no more files now
                return
            entry.is_read = True
            with self.lock:
                self.unread.pop(entry.name, None)
            self.say(entry)

    def say(self, entry: Entry) -> None:
        """Bring a run's card up to date."""
        try:
            changed = entry.card.update(entry.run, entry.analysis, self.clock())
            text = _json(entry.card.content)
        except Exception as error:  # whatever a foreign folder brings; the other runs go on
            changed = entry.card.fail(entry.run, error)
            text = _json(entry.card.content)
        if changed or not entry.version:
            with self.lock:
                entry.text, entry.version = text, self._next()

    def table(self, since: int) -> str:
        """The cards that changed after a version, and the names of runs that vanished after it, in JSON."""
        with self.lock:
            now, table = self.clock(), self._table
            if table is None or (table.version != self.version and not 0 <= now - table.when < TABLE_SECONDS):
                self._table = table = _Table(
                    now, self.version, list(self.entries.values()), len(self.unread), self._finder.complete
                )
            return table.since(since, self._gone)

    def _look(self, now: float) -> None:
        try:
            found = self._finder.find()
        except OSError:  # the process can open no more folders now
            return
        new = [(name, path) for name, path in found.items() if name not in self.entries]
        entries = [Entry(path, name) for name, path in new]
        entries.sort(key=lambda entry: _written(entry.path), reverse=True)
        with self.lock:
            for name in [name for name, entry in self.entries.items() if found.get(name) != entry.path]:
                del self.entries[name]
                self.unread.pop(name, None)
                self._gone[name] = self._next()
            for entry in entries:
                self.entries[entry.name] = self.unread[entry.name] = entry
                entry.text, entry.version = _json(unread_card(entry.name)), self._next()
                self._gone.pop(entry.name, None)
        for entry in [entry for entry in self.entries.values() if entry.is_read]:
            self.read(entry)

    def _next(self) -> int:
        self.version += 1
        return self.version


class _Table:
    """All cards at one moment, and what was said of them to pages that knew earlier versions."""

    def __init__(self, when: float, version: int, entries: list[Entry], unread: int, complete: bool) -> None:
        self.when, self.version = when, version
        self._rest = f'"unread":{unread},"complete":{_json(complete)}'
        cards = sorted((entry.version, entry.text) for entry in entries)
        self._versions, self._texts = [version for version, _ in cards], [text for _, text in cards]
        self._said: dict[int, str] = {}

    def since(self, version: int, gone: dict[str, int]) -> str:
        if version not in self._said:
            cards = ",".join(self._texts[bisect_right(self._versions, version) :])
            names = _json([name for name, when in gone.items() if version < when <= self.version])
            self._said[version] = (
                f'{{"version":{self.version},"cards":[{cards}],"gone":{names},{self._rest}}}'
            )
        return self._said[version]


def _json(content: object) -> str:
    return json.dumps(content, allow_nan=False, separators=(",", ":"))


def _written(run: Path) -> float:
    try:
        return os.stat(run / METRICS).st_mtime
    except OSError:
        return 0.0
