"""A file that is there when it is whole, however long it took to write."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eigenstep.record import atomic_file


@contextmanager
def new_file(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Write to the path that this yields; on leaving without an error it becomes `path`.

    Raises
    ------
    FileExistsError
        If something is at `path` and, where it is a file, `overwrite` is not given.
    FileNotFoundError
        If the folder that it is in does not exist. Both before anything is computed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with new_file(f"{folder}/out.txt") as aside:
    ...         _ = aside.write_text("whole or not at all")
    ...     Path(f"{folder}/out.txt").read_text()
    'whole or not at all'
    """
    path = Path(path)
    check_new_file(path, overwrite)
    with atomic_file(path) as aside:
        yield aside


def check_new_file(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder; expected the name of a file to write")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; use --overwrite to replace it, or another --out")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}")
