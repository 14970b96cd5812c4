"""Making, resuming and replacing run folders without losing what is in them."""

import os
import shutil
import tempfile
from pathlib import Path

from eigenstep.atomic import atomic_write
from eigenstep.spectrum import is_run
from eigenstep.training._config import TrainConfig, differences, dump_config, load_config


def check_folder(out: Path, config: TrainConfig, resume: bool, overwrite: bool) -> None:
    """See that the run may be written to `out`; changes nothing.

    Raises FileExistsError if something is there and neither `resume` nor `overwrite` is given, or if
    what is there is not a run; ValueError if the run to resume was configured otherwise; OSError if the
    folder cannot be written.
    """
    if resume and overwrite:
        raise ValueError("expected one of --resume and --overwrite, got both")
    if out.is_dir() and any(out.iterdir()):
        if not (resume or overwrite):
            raise FileExistsError(
                f"{out} exists; use --resume to go on, --overwrite to replace it, or another --out"
            )
        if not is_run(out) and not (out / "config.yaml").exists():
            raise FileExistsError(f"{out} exists and is not a run folder; use another --out")
    if resume and (out / "config.yaml").exists():
        changed = differences(config, load_config(out / "config.yaml"))
        if changed:
            raise ValueError(
                f"{out} was made with another configuration ({'; '.join(changed)}); use another --out"
            )
    _check_writable(out)


def open_folder(out: Path, config: TrainConfig, overwrite: bool) -> None:
    """Make the run folder, empty but for its configuration unless the run is resumed."""
    if overwrite and out.is_dir():
        for entry in out.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    out.mkdir(parents=True, exist_ok=True)
    atomic_write(out / "config.yaml", dump_config(config))


def free_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or the first of `parent/name-2`, `parent/name-3`, ... that does not exist."""
    candidate, number = parent / name, 2
    while candidate.exists():
        candidate, number = parent / f"{name}-{number}", number + 1
    return candidate


def _check_writable(out: Path) -> None:
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
