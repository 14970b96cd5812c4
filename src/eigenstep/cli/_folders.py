"""Where commands write that look at a data set, a run or a file, without losing what they said of another."""

import json
import os
from pathlib import Path

from eigenstep.record import SMALL_BYTES, is_run, read_bounded


def folder_named_after(source: str, command: str) -> Path:
    """runs/NAME-COMMAND.

    Examples
    --------
    >>> folder_named_after("images/photos/", "modes").as_posix()
    'runs/photos-modes'
    """
    path = Path(os.path.abspath(Path(source).expanduser()))
    return Path("runs") / f"{path.stem if path.is_file() else path.name}-{command}"


def refuse_other_source(folder: Path, name: str, source: str) -> None:
    """Raise ValueError if the folder is another run, or if its file of that name is from another source."""
    if is_run(folder):
        raise ValueError(f"{folder} is a run, which {source} is not; choose another folder with --out")
    path = folder / name
    if not path.exists():
        return
    try:
        of = json.loads(read_bounded(path, SMALL_BYTES, folder))["name"]
    except (ValueError, TypeError, KeyError, RecursionError):
        of = None  # it is someone else's
    if not isinstance(of, str) or not same_place(of, source):
        raise ValueError(
            f"{path} is {f'of {of}' if isinstance(of, str) else 'something else'}, not of {source}; choose"
            " another folder with --out"
        )


def same_place(one: str | Path, other: str | Path) -> bool:
    """Whether two names of a source are the same, or paths to the same place."""
    return str(one) == str(other) or Path(one).expanduser().resolve() == Path(other).expanduser().resolve()
