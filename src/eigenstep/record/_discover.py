"""Finding run folders below a folder, again and again at little cost."""

import os
import time
from pathlib import Path

DEEPEST, MOST_FOLDERS = 6, 20_000
# Entries of a run folder that hold no runs and may hold many files.
INNER = {"spectrum", "checkpoints", "loggers"}
# A folder may change twice within the clock of its file system.
SETTLED_SECONDS = 2.0


class RunFinder:
    """The run folders in a folder, at any depth down to six: those with a `metrics.jsonl`.

    A folder that has not changed is not listed again; hidden folders are left out, and links are followed
    once.

    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> (root / "sweep" / "a").mkdir(parents=True)
    >>> (root / "sweep" / "a" / "metrics.jsonl").touch()
    >>> RunFinder(root).find()
    {'sweep/a': ...}
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.complete = True
        self._listed: dict[str, tuple[int, bool, list[str]]] = {}

    def find(self) -> dict[str, Path]:
        """The path of each run by its name, which is the path from the root with "/" between the parts."""
        runs, listed, visited = {}, {}, set()
        waiting = [(str(self.root), self.root.resolve().name, 0)]
        self.complete = True
        while waiting:
            folder, name, depth = waiting.pop()
            try:
                status = os.stat(folder)
                if (status.st_dev, status.st_ino) in visited:
                    continue
                visited.add((status.st_dev, status.st_ino))
                known = self._listed.get(folder)
                entry = known if known and known[0] == status.st_mtime_ns else _list(folder, status)
            except OSError:
                continue  # gone by now, or not ours to read
            listed[folder] = entry
            _, is_run, below = entry
            if is_run:
                runs[_readable(name)] = Path(folder)
            if depth == DEEPEST:
                continue
            if len(listed) + len(waiting) + len(below) > MOST_FOLDERS:
                self.complete = False
                continue
            prefix = f"{name}/" if depth else ""
            waiting += [
                (os.path.join(folder, inner), prefix + inner, depth + 1)
                for inner in below
                if not (is_run and inner in INNER)
            ]
        self._listed = listed
        return dict(sorted(runs.items()))


def _readable(name: str) -> str:
    """A name that is text: bytes of a path that are none are written out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _list(folder: str, status: os.stat_result) -> tuple[int, bool, list[str]]:
    is_run, below = False, []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == "metrics.jsonl":
                is_run = entry.is_file()
            elif not entry.name.startswith(".") and entry.is_dir():
                below.append(entry.name)
    settled = time.time() - status.st_mtime > SETTLED_SECONDS
    return (status.st_mtime_ns if settled else -1), is_run, sorted(below)
