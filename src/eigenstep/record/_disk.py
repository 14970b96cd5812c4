"""Files and folders that are either there and complete or not there, whenever a process is killed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["ASIDE", "atomic_folder", "atomic_remove", "atomic_write", "check_writable", "remove_asides"]

# What is still being written, or removed, is hidden under a name that ends so.
ASIDE = ".aside"


def atomic_write(path: str | Path, data: str | bytes) -> None:
    """Write `data` (text is encoded as UTF-8) aside, flush it to the disk, and rename it to `path`.

    A file that is at `path` already is replaced in one go. Raises FileNotFoundError if the folder that
    `path` is in does not exist.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "summary.json"
    >>> atomic_write(path, "{}")
    >>> path.read_text()
    '{}'
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}")
    content = data.encode() if isinstance(data, str) else data
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=ASIDE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Fill the folder that this yields; on leaving without an error it becomes `path`.

    What a killed process left aside is removed by the next call for the same path. Raises
    FileExistsError if something is at `path`, since no system call replaces a folder in one go.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists already")
    aside = _aside(path)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        for file in aside.iterdir():
            _flush(file)
        _flush(aside)
        os.replace(aside, path)
        _flush(path.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


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


def remove_asides(folder: str | Path) -> None:
    """Remove what killed processes left aside in a folder and below it."""
    for entry in list(Path(folder).rglob(f".*{ASIDE}")):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


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
