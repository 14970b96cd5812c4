"""One writer a run folder: a lock that its process holds for as long as it lives."""

import json
import os
import socket
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eigenstep.record._disk import lock_file, make_folder, remove_if_empty, unlock_file

# In a run folder while it is written.
LOCK = ".writer.lock"
# The locks of this process, by folder, and whose turn it is to look at them.
_held: "weakref.WeakValueDictionary[tuple[int, int], FolderLock]" = weakref.WeakValueDictionary()
_turn = threading.RLock()


class FolderInUse(FileExistsError):
    """Another writes the run folder."""


class FolderLock:
    """The right to write a run folder, until `release`, or until the process ends, however it ends.

    Parameters
    ----------
    folder : Path
        An existing folder.
    take_over : bool
        Take it also where a process of another machine, which cannot be asked, has not given it back.
    replaces_own : bool
        Take it from a writer of this process, which no longer holds it then.

    Attributes
    ----------
    is_held : bool
        Whether it is not released, nor taken by a later writer of this process.

    Raises
    ------
    FolderInUse
        In one line that says who writes, and since when.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> lock = FolderLock(folder)
    >>> try:
    ...     FolderLock(folder)
    ... except FolderInUse as error:
    ...     "is written by process" in str(error)
    True
    >>> lock.release()
    >>> FolderLock(folder).is_held
    True
    """

    def __init__(self, folder: Path, *, take_over: bool = False, replaces_own: bool = False) -> None:
        self.path = folder / LOCK
        self._told: dict[str, Any] = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "command": " ".join([Path(sys.argv[0] or "python").name, *sys.argv[1:2]]),
        }
        with _turn:
            self._place = _place(folder)
            own = _held.get(self._place)
            if own is not None and own.is_held:
                if not replaces_own:
                    raise FolderInUse(_in_use(folder, own._told))
                own.release()
            handle, content = lock_file(
                self.path, json.dumps(self._told).encode(), lambda told: self._may(told, take_over)
            )
            if handle is None:
                elsewhere = _parsed(content).get("host") not in (None, self._told["host"])
                hint = "; where that process no longer runs, --take-over (take_over=True) takes the folder"
                raise FolderInUse(_in_use(folder, _parsed(content)) + (hint if elsewhere else ""))
            self._handle = handle
            self._give_back = weakref.finalize(self, unlock_file, self.path, handle)
            _held[self._place] = self

    @property
    def is_held(self) -> bool:
        return self._give_back.alive

    def release(self) -> None:
        """Give the folder back."""
        with _turn:
            self._give_back()
            if _held.get(self._place) is self:
                del _held[self._place]

    def forget(self) -> None:
        """In a process that was forked: the folder is still the other one's."""
        if self._give_back.detach() is not None:
            os.close(self._handle)

    def _may(self, told: bytes, take_over: bool) -> bool:
        """Whether a lock that nobody holds here may be taken, whoever wrote it."""
        return take_over or _parsed(told).get("host") in (None, self._told["host"])


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make a folder if need be, and hold it in the block; of what was made, nothing stays that is empty.

    Raises
    ------
    FolderInUse
        If another writes there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with locked_folder(Path(folder) / "run"):
    ...         (Path(folder) / "run").is_dir()
    True
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    make_folder(folder)
    try:
        lock = FolderLock(folder)
        try:
            yield
        finally:
            lock.release()
    finally:
        for each in made:
            remove_if_empty(each)


def _forget_all() -> None:
    global _turn
    _turn = threading.RLock()  # another thread may have had it
    for lock in list(_held.values()):
        lock.forget()
    _held.clear()


os.register_at_fork(after_in_child=_forget_all)


def _place(folder: Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _in_use(folder: Path, told: dict[str, Any]) -> str:
    who = f"process {told.get('process', '(unknown)')} on {told.get('host', 'an unknown machine')}"
    since, command = told.get("since", "an unknown time"), told.get("command", "")
    return (
        f"{folder} is written by {who} since {since} ({command}); wait until it ends, or use another folder"
    )
