"""Opening what a run folder holds, whoever wrote it: regular files, inside their folder, of a bounded size.

A pipe would let its reader wait, a device never ends, and a link could lead to any file of the reader's.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Of a file that is written in one go, of lines, and of a table's rows or a checkpoint's weights.
SMALL_BYTES, LINES_BYTES, TABLE_BYTES = 8 * 2**20, 2**30, 2**33
# Of a probe batch as it is stored: 128 images of 512 x 512 px, of 12 channels and 16 bits, take 768 MiB.
THUMBNAIL_BYTES = 2**30
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def open_bounded(path: Path, most: int, folder: Path | None = None) -> Iterator[int]:
    """The handle of a regular file.

    Parameters
    ----------
    most : int
        Bytes that it may have.
    folder : Path | None
        The run folder that it must lie in, wherever links lead; default: any.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    ValueError
        In one line that begins with the path, if it is anything else.
    """
    if folder is not None:
        check_inside(path, folder)
    try:
        status = os.stat(path)  # to open a device is to use it
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError(f"{path} is a link that leads to itself; expected a regular file") from error
        raise
    _check_regular(path, status, most)
    handle = os.open(path, _FLAGS)
    try:
        _check_regular(path, os.fstat(handle), most)
        yield handle
    finally:
        os.close(handle)


def check_bounded(path: Path, most: int, folder: Path | None = None) -> None:
    """See that another library may be given a file. Raises as `open_bounded`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "metrics.jsonl"
    >>> os.mkfifo(path)
    >>> check_bounded(path, SMALL_BYTES)
    Traceback (most recent call last):
    ValueError: ...metrics.jsonl is a named pipe; expected a regular file
    """
    with open_bounded(path, most, folder):
        pass


def read_bounded(path: Path, most: int = SMALL_BYTES, folder: Path | None = None) -> bytes:
    """What a regular file holds. Raises as `open_bounded`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "summary.json").write_text("{}")
    ...     read_bounded(Path(folder) / "summary.json", most=100)
    b'{}'
    """
    with open_bounded(path, most, folder) as handle:
        content = bytearray()
        while len(content) <= most and (block := os.read(handle, 1 << 20)):
            content += block
    return bytes(content[:most])


def check_inside(path: Path, folder: Path) -> None:
    """Raise ValueError if a file or folder, by links, is not inside the folder that it is named in."""
    step, is_plain = path, True
    while step != folder and is_plain:
        is_plain = step.name not in ("", "..") and not os.path.islink(step)
        step = step.parent
    if not is_plain:
        home = os.path.realpath(folder)
        if os.path.commonpath([home, os.path.realpath(path)]) != home:
            raise ValueError(f"{path} leads out of the run folder; expected a file inside it")


def _check_regular(path: Path, status: os.stat_result, most: int) -> None:
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind:
        raise ValueError(f"{path} is {kind}; expected a regular file")
    if status.st_size > most:
        raise ValueError(f"{path} has {status.st_size:,} bytes; expected at most {most:,}")
