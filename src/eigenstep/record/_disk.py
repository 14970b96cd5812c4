"""The one place that changes anything on the disk: files and folders that are whole or not there.

A process may be killed at any instant. What is written in one go is written aside, flushed and renamed; what
grows is appended to by one system call a row. Whoever writes a run folder does it through these functions.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# What is still being written, or removed, is hidden under a name that ends so.
ASIDE = ".aside"


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
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=ASIDE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_encoded(data))
            if flush:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Write to the path that this yields, which is beside `path`; on leaving without an error it becomes it.

    For what writes files by itself; a file that is at `path` already is replaced in one go.
    """
    path = Path(path)
    aside = path.parent / f".{path.name}-{os.getpid()}{ASIDE}"
    try:
        yield aside
        _flush(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Fill the folder that this yields; on leaving without an error it becomes `path`.

    What a killed process left aside is removed by the next call for the same path.

    Raises
    ------
    FileExistsError
        If something is at `path`, since no system call replaces a folder in one go.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists already")
    aside = _aside(path)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        for entry in aside.rglob("*"):
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
    """Rename a file or a folder."""
    os.rename(path, target)


def free_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or the first of `parent/name-2`, `parent/name-3`, ... that does not exist."""
    candidate, number = parent / name, 2
    while candidate.exists():
        candidate, number = parent / f"{name}-{number}", number + 1
    return candidate


def atomic_remove(path: str | Path) -> None:
    """Remove a file or a folder, if there is one, so that no half of it is ever found at `path`."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        aside = _aside(path)
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(path, aside)
        shutil.rmtree(aside)
    else:
        path.unlink(missing_ok=True)


def remove_asides(folder: str | Path) -> None:
    """Remove what killed processes left aside in a folder and below it."""
    for entry in list(Path(folder).rglob(f".*{ASIDE}")):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def is_aside(name: str) -> bool:
    """Whether an entry of that name is unfinished."""
    return name.startswith(".") and name.endswith(ASIDE)


def append(path: Path, data: str | bytes) -> None:
    """Add to the end of a file, which is made if need be, by one system call if the disk takes all at once.

    Where it does not take all, since it is full or there is a limit, nothing of it stays.

    Raises
    ------
    OSError
        With the file's name.
    """
    content = _encoded(data)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        before = os.fstat(handle).st_size
        try:
            while content:
                content = content[os.write(handle, content) :]
        except OSError as error:
            os.ftruncate(handle, before)
            raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(handle)


def truncate(path: Path, size: int) -> None:
    """Cut a file off, which is made if need be, after so many bytes."""
    path.touch()
    os.truncate(path, size)


def write_part(path: Path, data: str | bytes) -> None:
    """Write a file of a folder that is itself still aside, see `atomic_folder`."""
    path.write_bytes(_encoded(data))


def make_folder(path: Path) -> None:
    """Make a folder, and those that it is in, unless it is there."""
    path.mkdir(parents=True, exist_ok=True)


def check_writable(out: Path) -> None:
    """Raise OSError in one line if no folder can be made at `out`; changes nothing."""
    parent = out
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise NotADirectoryError(f"{out} cannot be made: {parent} is a file")
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise PermissionError(f"{out} cannot be written: {os.strerror(error.errno or 0)}") from error


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


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
