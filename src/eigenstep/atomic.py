"""Files and folders that are either the old ones or the complete new ones, whenever a process is killed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_folder", "atomic_write"]


def atomic_write(path: str | Path, data: str | bytes) -> None:
    """Write `data` (text is encoded as UTF-8) aside, flush it to the disk, and rename it to `path`.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "summary.json"
    >>> atomic_write(path, "{}")
    >>> path.read_text()
    '{}'
    """
    path = Path(path)
    content = data.encode() if isinstance(data, str) else data
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
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

    A folder that is at `path` already is replaced. What a killed process left aside is removed by the
    next call for the same path.
    """
    path = Path(path)
    aside = path.parent / f".{path.name}-aside"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        for file in aside.iterdir():
            _flush(file)
        _flush(aside)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(aside, path)
        _flush(path.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


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
