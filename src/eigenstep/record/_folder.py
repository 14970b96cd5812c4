"""A run folder before it is written to: the names of its entries, and whether it may be used."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eigenstep.record._bounded import TABLE_BYTES, check_bounded, check_inside
from eigenstep.record._disk import atomic_remove, atomic_write, is_aside, make_folder, remove_asides
from eigenstep.record._lock import LOCK

CONFIG, SUMMARY, PREDICTION, REPORT = "config.yaml", "summary.json", "prediction.json", "report.html"
METRICS, TIMINGS, PROBES = "metrics.jsonl", "timings.jsonl", "probes.jsonl"
# What values its loss has by itself, as the loss said.
LANDMARKS = "landmarks.json"
# What its modes mean, as `eigenstep modes` found afterwards.
MEANINGS = "modes.json"
SPECTRUM, CHECKPOINTS, LOGGERS = "spectrum", "checkpoints", "loggers"
# Of tables without extension.
EIGENVALUES, PROJECTIONS = f"{SPECTRUM}/eigenvalues", f"{SPECTRUM}/projections"
THUMBNAILS = f"{SPECTRUM}/probe.npy"
START_FEATURES = f"{SPECTRUM}/start_features.npy"
START = f"{SPECTRUM}/start.json"
# Entries that hold no runs and may hold many files.
FOLDERS = (CHECKPOINTS, SPECTRUM, LOGGERS)
# What is read and gone on with.
FILES = (
    *(LOCK, CONFIG, SUMMARY, PREDICTION, LANDMARKS, METRICS),
    *(TIMINGS, PROBES, THUMBNAILS, START_FEATURES, START),
    *(f"{table}.{kind}" for table in (EIGENVALUES, PROJECTIONS) for kind in ("bin", "json")),
)
# What a run folder holds. The last two tell that it is one, so they are removed last.
ENTRIES = (
    CHECKPOINTS,
    SPECTRUM,
    TIMINGS,
    SUMMARY,
    PREDICTION,
    LANDMARKS,
    PROBES,
    "probes.json",
    MEANINGS,
    "modes.html",
    "modes.npz",
    LOGGERS,
    REPORT,
    METRICS,
    CONFIG,
)


def found_entries(out: Path) -> list[str]:
    """Names of what a folder holds, without what a killed process left aside.

    Examples
    --------
    >>> found_entries(Path("no-such-folder"))
    []
    """
    names = sorted(entry.name for entry in out.iterdir()) if out.is_dir() else []
    return [name for name in names if not is_aside(name) and name != LOCK]


def foreign_entries(out: Path) -> list[str]:
    """Names of what is in a folder and no run has written there.

    Examples
    --------
    >>> foreign_entries(Path("no-such-folder"))
    []
    """
    return [name for name in found_entries(out) if name not in ENTRIES]


@dataclass(frozen=True)
class Owner:
    """One who writes run folders: which ones it may use, and what it says of the others.

    In what it says `{out}` is the folder, and `{others}` are up to three names of what stands in the way.

    Attributes
    ----------
    entries : tuple[str, ...]
        Names of what it writes, and may replace.
    made : Callable[[Path], bool]
        Whether it has made a folder in which something is.
    occupied : str
        Said if something is there which it was not told to resume or to replace.
    foreign : str
        Said if another has made what is there.
    mixed : str
        Said if it was told to replace the folder, and others' entries are there beside its own; one who
        replaces nothing needs none.
    found : Callable[[Path], list[str]]
        Names of what there is in a folder that concerns it; by default all.
    is_taken : Callable[[Path], bool] | None
        Whether there is something to resume or to replace; by default if anything concerns it.

    Examples
    --------
    >>> words = "{out} has figures in it", "{out} is another's", "{out} also holds {others}"
    >>> figures = Owner(("all.png",), lambda out: (out / "all.png").exists(), *words)
    >>> figures.made(Path("no-such-folder")), figures.occupied.format(out="figures")
    (False, 'figures has figures in it')
    """

    entries: tuple[str, ...]
    made: Callable[[Path], bool]
    occupied: str
    foreign: str
    mixed: str = ""
    found: Callable[[Path], list[str]] = found_entries
    is_taken: Callable[[Path], bool] | None = None


def check_folder(out: Path, owner: Owner, *, resume: bool = False, overwrite: bool = False) -> None:
    """See that an owner may write its run to `out`; changes nothing.

    Raises
    ------
    FileExistsError
        In the owner's words, if something is there and neither `resume` nor `overwrite` is given, if another
        has made it, or if `overwrite` would remove what another has written.
    ValueError
        If something of what would be written to is no regular file in the folder: a link or a pipe.

    Examples
    --------
    >>> import tempfile
    >>> here = Path(tempfile.mkdtemp())
    >>> words = "{out} exists", "{out} is another's", "{out} also holds {others}"
    >>> check_folder(here, Owner(ENTRIES, lambda out: (out / METRICS).exists(), *words))
    """
    found = owner.found(out)
    taken = bool(found) if owner.is_taken is None else owner.is_taken(out)
    others = [name for name in found if name not in owner.entries]
    words = None
    if taken and not (resume or overwrite):
        words = owner.occupied
    elif found and not owner.made(out):
        words, others = owner.foreign, others or found
    elif overwrite and others:
        words = owner.mixed
    if words is not None:
        raise FileExistsError(words.format(out=out, others=", ".join(others[:3])))
    for name in (*FOLDERS, *FILES) if resume else (LOCK,):
        check_inside(out / name, out)
        if os.path.lexists(out / name) and name not in FOLDERS:
            try:
                check_bounded(out / name, TABLE_BYTES, out)
            except FileNotFoundError:
                if os.path.lexists(out / name):  # a link that leads to nothing; or its writer has removed it
                    raise


def open_folder(out: Path, config: str, *, overwrite: bool = False) -> None:
    """Make a run folder with its configuration, without a summary, and empty of all else if `overwrite`.

    A process killed in here leaves a folder that is still known as a run, by its configuration.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "run"
    >>> open_folder(out, "loss: simclr")
    >>> found_entries(out), (out / CONFIG).read_text()
    (['config.yaml'], 'loss: simclr')
    """
    make_folder(out)
    remove_asides(out)
    for name in ENTRIES[:-1] if overwrite else (SUMMARY,):
        atomic_remove(out / name)
    atomic_write(out / CONFIG, config)
