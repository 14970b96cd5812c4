"""The one place that changes anything on the disk: files and folders that are whole or not there.

A process may be killed at any instant, and a disk may refuse at any. What is written in one go is written
aside, flushed and renamed; what grows gets a whole row or nothing. Whoever writes a run folder does it
through these functions, whose errors name the file.
"""

import errno
import fcntl
import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

# What is still being written, or removed, is hidden under a name that ends so.
ASIDE = ".aside"
# How much of a file is looked through at a time.
BLOCK = 1 << 16


def atomic_write(path: str | Path, data: str | bytes, *, flush: bool = True) -> None:
    """Write `data` (text is encoded as UTF-8) aside, flush it to the disk, and rename it to `path`.

    A file that is at `path` already is replaced in one go. Without `flush` a machine that loses its power may
    lose the file, a process that is killed does not.

    Raises
    ------
    FileNotFoundError
        If the folder that `path` is in does not exist.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "summary.json"
    >>> atomic_write(path, "{}")
    >>> path.read_text()
    '{}'
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}")
    aside = path.parent / f".{path.name}-{secrets.token_hex(4)}{ASIDE}"
    try:
        _write_new(aside, _encoded(data), flush=flush)
        os.replace(aside, path)
        if flush:
            _flush(path.parent)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Write to the path that this yields, which is beside `path`; on leaving without an error it becomes it.

    For what writes files by itself; a file that is at `path` already is replaced in one go.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_file(f"{folder}/note.txt") as aside:
    ...         _ = aside.write_text("whole or not at all")
    ...     print(Path(f"{folder}/note.txt").read_text())
    whole or not at all
    """
    path = Path(path)
    aside = path.parent / f".{path.name}-{os.getpid()}{ASIDE}"
    try:
        yield aside
        os.chmod(aside, _mode_of_files(aside.parent))
        _flush(aside)
        os.replace(aside, path)
        _flush(path.parent)
    finally:
        with suppress(OSError):
            aside.unlink()


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Fill the folder that this yields; on leaving without an error it becomes `path`.

    What a killed process left aside is removed by the next call for the same path.

    Raises
    ------
    FileExistsError
        If something is at `path`, since no system call replaces a folder in one go.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_folder(f"{folder}/new") as aside:
    ...         _ = (aside / "note.txt").write_text("whole")
    ...     print(Path(f"{folder}/new/note.txt").exists())
    True
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists already")
    aside = _aside(path)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        mode = _mode_of_files(aside)
        for entry in aside.rglob("*"):
            if entry.is_file():  # which other libraries may have written with a mode of their own
                os.chmod(entry, mode)
            _flush(entry)
        _flush(aside)
        os.replace(aside, path)
        _flush(path.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def replace_folder(
    out: Path,
    fill: Callable[[Path], None],
    *,
    numbered: bool = False,
    check: Callable[[], None] = lambda: None,
) -> Path:
    """Fill a folder aside and move it to `out`; what is there is replaced when the new one is whole.

    Parameters
    ----------
    fill : Callable[[Path], None]
        Called with the folder to fill.
    numbered : bool
        Where something is at `out`, leave it and take the first of `out-2`, `out-3`, ... that is free.
    check : Callable[[], None]
        Called just before `out` is replaced; raises where what has come there meanwhile must stay.

    Returns
    -------
    Path
        Where the new folder is. Several processes may do so at once.

    Examples
    --------
    >>> import tempfile
    >>> def fill(folder):
    ...     write_part(folder / "note.txt", "whole")
    >>> out = Path(tempfile.mkdtemp()) / "figures"
    >>> replace_folder(out, fill).name, replace_folder(out, fill, numbered=True).name
    ('figures', 'figures-2')
    """
    make_folder(out.parent)
    place = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-", suffix=ASIDE))
    new = place / "new"
    try:
        with atomic_folder(new) as folder:
            fill(folder)
        if numbered:
            return _move_to_free(new, out)
        check()
        _exchange(new, out, place / "old")
        return out
    finally:
        shutil.rmtree(new, ignore_errors=True)
        with suppress(OSError):  # an older one that could not be moved back stays here
            place.rmdir()


def move(path: Path, target: Path) -> None:
    """Rename a file or a folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "old").mkdir()
    ...     move(Path(folder) / "old", Path(folder) / "new")
    ...     [entry.name for entry in Path(folder).iterdir()]
    ['new']
    """
    os.rename(path, target)


def claim_folder(parent: Path, name: str) -> Path:
    """Make `parent/name`, or else the first of `parent/name-2`, `parent/name-3`, ... that another has not.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [claim_folder(Path(folder), "run").name for _ in range(2)]
    ['run', 'run-2']
    """
    make_folder(parent)
    while True:
        free = free_folder(parent, name)
        with suppress(FileExistsError):
            free.mkdir()
            return free


def free_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or the first of `parent/name-2`, `parent/name-3`, ... that does not exist.

    Examples
    --------
    >>> free_folder(Path("no-such-folder"), "run").name
    'run'
    """
    candidate, number = parent / name, 2
    while candidate.exists():
        candidate, number = parent / f"{name}-{number}", number + 1
    return candidate


def atomic_remove(path: str | Path) -> None:
    """Remove a file or a folder, if there is one, so that no half of it is ever found at `path`.

    Examples
    --------
    >>> atomic_remove("no-such-file")
    """
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        aside = _aside(path)
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(path, aside)
        shutil.rmtree(aside)
    else:
        path.unlink(missing_ok=True)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder in which there is nothing.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "empty").mkdir()
    ...     remove_if_empty(Path(folder) / "empty")
    ...     (Path(folder) / "empty").exists()
    False
    """
    with suppress(OSError):
        folder.rmdir()


def remove_asides(folder: str | Path) -> None:
    """Remove what killed processes left aside in a folder and below it.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in (f".config.yaml-1{ASIDE}", "config.yaml"):
    ...     (folder / name).touch()
    >>> remove_asides(folder)
    >>> [path.name for path in folder.iterdir()]
    ['config.yaml']
    """
    for entry in list(Path(folder).rglob(f".*{ASIDE}")):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def is_aside(name: str) -> bool:
    """Whether an entry of that name is unfinished.

    Examples
    --------
    >>> is_aside("report.html")
    False
    """
    return name.startswith(".") and name.endswith(ASIDE)


def append(path: Path, data: str | bytes, *, row: int | None = None) -> None:
    """Add to the end of a file, which is made if need be: all of it, or nothing.

    What an append before this one has left of a row, since the process was killed or the disk refused to take
    it back, is cut off first.

    Parameters
    ----------
    row : int | None
        Bytes in each row of the file; by default its rows are lines.
    """
    content = _encoded(data)
    with _opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as handle:
        size = os.fstat(handle).st_size
        before = _end_of_lines(handle, size) if row is None else size - size % row
        if before < size:
            os.ftruncate(handle, before)
        try:
            _write(handle, content)
        except OSError:
            with suppress(OSError):
                os.ftruncate(handle, before)
            raise


def truncate(path: Path, size: int) -> None:
    """Cut a file off, which is made if need be, after so many bytes."""
    with _opened(path, os.O_RDWR | os.O_CREAT) as handle:
        if os.fstat(handle).st_size != size:
            os.ftruncate(handle, size)


def flush(path: Path) -> None:
    """Return when a file is on the disk, whatever becomes of the machine."""
    _flush(path)


def lock_file(path: Path, told: bytes, may: Callable[[bytes], bool]) -> tuple[int | None, bytes]:
    """Lock a file, which is made if need be, until it is closed or the process ends.

    Parameters
    ----------
    told : bytes
        What the file says then, for those who find it locked.
    may : Callable[[bytes], bool]
        Whether the file may be taken if nobody has locked it, by what it says.

    Returns
    -------
    handle : int | None
        The open file, or None if another has it.
    before : bytes
        What it said.
    """
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            if not path.parent.is_dir():
                raise
            continue  # overlayfs says so where another removes the file at this moment
        taken = False
        try:
            locked = _lock(handle)
            before = os.pread(handle, BLOCK, 0)
            if not locked or not may(before):
                return None, before
            taken = _is_at(handle, path)  # or the one before has just given it back, and removed it
            if taken:
                with suppress(OSError):  # on a full disk it says nothing
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, told, 0)
                return handle, before
        finally:
            if not taken:
                os.close(handle)


def unlock_file(path: Path, handle: int) -> None:
    """Remove a locked file, and let go of it."""
    with suppress(OSError):
        if _is_at(handle, path):
            path.unlink()
    os.close(handle)


def write_part(path: Path, data: str | bytes) -> None:
    """Write a file of a folder that is itself still aside, see `atomic_folder`.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "run"
    >>> with atomic_folder(out) as aside:
    ...     write_part(aside / "config.yaml", "loss: simclr")
    ...     out.exists()
    False
    >>> (out / "config.yaml").read_text()
    'loss: simclr'
    """
    _write_new(path, _encoded(data))


@contextmanager
def part_file(path: Path) -> Iterator[IO[bytes]]:
    """A file of a folder that is still aside, for who writes into an open one.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "run"
    >>> with atomic_folder(out) as aside:
    ...     with part_file(aside / "weights.bin") as file:
    ...         _ = file.write(b"1234")
    >>> (out / "weights.bin").read_bytes()
    b'1234'
    """
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as handle:
        part = _Part(handle)
        try:
            with io.BufferedWriter(part, BLOCK) as file:
                yield file
        finally:
            if part.error is not None:  # of which the writer may have made another
                raise part.error


def make_folder(path: Path) -> None:
    """Make a folder, and those that it is in, unless it is there.

    Raises
    ------
    NotADirectoryError
        In one line, if it or one that it is in is a file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     make_folder(Path(folder) / "a" / "b")
    ...     (Path(folder) / "a" / "b").is_dir()
    True
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        in_the_way = _nearest(path)
        raise NotADirectoryError(f"{path} cannot be made: {in_the_way} is a file") from error


def check_writable(out: Path) -> None:
    """Raise OSError in one line if no folder can be made at `out`; changes nothing.

    Examples
    --------
    >>> check_writable(Path("no-such-folder/run"))
    """
    parent = _nearest(out)
    if not parent.is_dir():
        raise NotADirectoryError(f"{out} cannot be made: {parent} is a file")
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise PermissionError(f"{out} cannot be written: {os.strerror(error.errno or 0)}") from error


def _nearest(path: Path) -> Path:
    """What is there: the path, or the nearest above it."""
    while not path.exists():
        path = path.parent
    return path


def _move_to_free(new: Path, out: Path) -> Path:
    """Move a folder to `out`, or to the first of `out-2`, `out-3`, ... that is free at that very moment."""
    while True:
        free = free_folder(out.parent, out.name)
        try:
            os.rename(new, free)
        except OSError:
            if not free.exists():
                raise
        else:
            return free


def _exchange(new: Path, out: Path, old: Path) -> None:
    """Move a folder to `out` in the place of what is there, which a kill or an error on the way leaves whole.

    Parameters
    ----------
    old : Path
        Where that is meanwhile.
    """
    if not out.exists():
        os.rename(new, out)
        return
    os.rename(out, old)
    try:
        os.rename(new, out)
    except BaseException:
        os.rename(old, out)
        raise
    if old.is_symlink():
        old.unlink()
    shutil.rmtree(old, ignore_errors=True)


def _encoded(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _aside(path: Path) -> Path:
    return path.parent / f".{path.name}{ASIDE}"


def _lock(handle: int) -> bool:
    """Whether it is this open file's; where a file system has no locks, it is each one's."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


class _Part(io.RawIOBase):
    """An open file that takes all that it is given, or raises."""

    def __init__(self, handle: int) -> None:
        super().__init__()
        self._handle = handle
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        try:
            _write(self._handle, data)
        except OSError as error:
            self.error = error
            raise
        return len(memoryview(data).cast("B"))


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """A file's handle; errors of what is done with it name the file."""
    handle = os.open(path, flags, 0o666)
    try:
        yield handle
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from error
    finally:
        os.close(handle)


def _write_new(path: Path, content: bytes, *, flush: bool = False) -> None:
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as handle:
        _write(handle, content)
        if flush:
            os.fsync(handle)


def _write(handle: int, content: Any) -> None:
    """All of it, however little the disk takes at a time."""
    left = memoryview(content).cast("B")
    while left:
        left = left[os.write(handle, left) :]


def _end_of_lines(handle: int, size: int) -> int:
    """Where the last whole line ends."""
    end = size
    while end:
        start = max(0, end - BLOCK)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _flush(path: Path) -> None:
    with _opened(path, os.O_RDONLY) as handle:
        os.fsync(handle)


def _mode_of_files(folder: Path) -> int:
    """The mode that a new file gets here; to ask for the umask is to change it for all threads."""
    probe = folder / f".mode-{secrets.token_hex(4)}{ASIDE}"
    with _opened(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as handle:
        mode = os.fstat(handle).st_mode & 0o777
    probe.unlink()
    return mode
