"""Finding run folders: in a folder, and below one again and again at little cost."""

import errno
import os
import time
from pathlib import Path

from eigenstep.record._folder import FOLDERS, METRICS

# How far down runs are looked for, and in how many folders in all.
LEVELS_SEARCHED, FOLDERS_SEARCHED = 6, 20_000
# A folder may change twice within the clock of its file system.
SETTLED_SECONDS = 2.0


def is_run(path: str | Path) -> bool:
    """Whether `path` is a run folder; what it holds need not be readable.

    Examples
    --------
    >>> is_run("no-such-folder")
    False
    """
    return os.path.lexists(Path(path) / METRICS)


def find_runs(folder: str | Path) -> list[Path]:
    """The folder itself if it is a run, else the runs directly in it, by name.

    Raises
    ------
    FileNotFoundError
        If there is none.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "mine").mkdir()
    ...     _ = (Path(folder) / "mine" / "metrics.jsonl").write_text("{}")
    ...     [run.name for run in find_runs(folder)]
    ['mine']
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


class RunFinder:
    """The run folders in a folder, at any depth down to six: those with a `metrics.jsonl`.

    A folder that has not changed is not listed again; hidden folders are left out, and links are followed
    once. `complete` tells whether the last search was not broken off for the number of folders.

    Examples
    --------
    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> (root / "sweep" / "a").mkdir(parents=True)
    >>> (root / "sweep" / "a" / "metrics.jsonl").touch()
    >>> RunFinder(root).find()
    {'sweep/a': ...}
    """

    def __init__(self, root: Path, most: int = FOLDERS_SEARCHED) -> None:
        self.root, self.most = root, most
        self.complete = True
        self._listed: dict[str, tuple[int, bool, list[str]]] = {}

    def find(self) -> dict[str, Path]:
        """The path of each run by its name, which is the path from the root with "/" between the parts.

        Raises
        ------
        OSError
            If the process can open no more folders.
        """
        runs: dict[str, Path] = {}
        listed: dict[str, tuple[int, bool, list[str]]] = {}
        visited: set[tuple[int, int]] = set()
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
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    raise
                continue  # gone by now, or not ours to read
            listed[folder] = entry
            _, is_run, below = entry
            if is_run:
                runs[_readable(name)] = Path(folder)
            if depth == LEVELS_SEARCHED:
                continue
            if len(listed) + len(waiting) + len(below) > self.most:
                self.complete = False
                continue
            prefix = f"{name}/" if depth else ""
            waiting += [
                (os.path.join(folder, inner), prefix + inner, depth + 1)
                for inner in below
                if not (is_run and inner in FOLDERS)
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
            if entry.name == METRICS:
                is_run = True
            elif not entry.name.startswith(".") and _is_folder(entry):
                below.append(entry.name)
    settled = time.time() - status.st_mtime > SETTLED_SECONDS
    return (status.st_mtime_ns if settled else -1), is_run, sorted(below)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # of a link that leads to itself
        return False
