"""Making, resuming and replacing run folders without losing what is in them."""

from pathlib import Path

from eigenstep.record import (
    ASIDE,
    atomic_remove,
    atomic_write,
    check_writable,
    differences,
    is_run,
    remove_asides,
)
from eigenstep.training.config import TrainConfig, dump_config, load_config

# What a run folder holds. The last two tell that it is one, so they are removed last.
ENTRIES = (
    "checkpoints",
    "spectrum",
    "timings.jsonl",
    "summary.json",
    "prediction.json",
    "probes.jsonl",
    "probes.json",
    "loggers",
    "report.html",
    "metrics.jsonl",
    "config.yaml",
)


def check_folder(out: Path, config: TrainConfig, resume: bool, overwrite: bool) -> None:
    """See that the run may be written to `out`; changes nothing.

    Raises FileExistsError if something is there and neither `resume` nor `overwrite` is given, if it is
    not a run, or if `overwrite` would remove what no run has written; ValueError if the run to resume was
    configured otherwise; OSError if the folder cannot be written.
    """
    if resume and overwrite:
        raise ValueError("expected one of --resume and --overwrite, got both")
    if _entries(out):
        if not (resume or overwrite):
            raise FileExistsError(
                f"{out} exists; use --resume to go on, --overwrite to replace it, or another --out"
            )
        if not is_run(out) and not _is_configured(out):
            raise FileExistsError(f"{out} exists and is not a run folder; use another --out")
        if overwrite and (others := foreign_entries(out)):
            raise FileExistsError(
                f"{out} also holds what no run has written ({', '.join(others[:3])}); move it, or use"
                " another --out"
            )
    if resume and (out / "config.yaml").exists():
        changed = differences(config, load_config(out / "config.yaml"))
        if changed:
            raise ValueError(
                f"{out} was made with another configuration ({'; '.join(changed)}); use another --out"
            )
    check_writable(out)


def open_folder(out: Path, config: TrainConfig, overwrite: bool) -> None:
    """Make the run folder, empty but for its configuration unless the run is resumed.

    A process killed in here leaves a folder that `check_folder` still knows as a run.
    """
    out.mkdir(parents=True, exist_ok=True)
    remove_asides(out)
    for name in ENTRIES[:-1] if overwrite else ("summary.json",):
        atomic_remove(out / name)
    atomic_write(out / "config.yaml", dump_config(config))


def free_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or the first of `parent/name-2`, `parent/name-3`, ... that does not exist."""
    candidate, number = parent / name, 2
    while candidate.exists():
        candidate, number = parent / f"{name}-{number}", number + 1
    return candidate


def foreign_entries(out: Path) -> list[str]:
    """Names of what is in a folder and no run has written there."""
    return [name for name in _entries(out) if name not in ENTRIES]


def _entries(out: Path) -> list[str]:
    """Names of what the folder holds, without what a killed process left aside."""
    names = sorted(entry.name for entry in out.iterdir()) if out.is_dir() else []
    return [name for name in names if not (name.startswith(".") and name.endswith(ASIDE))]


def _is_configured(out: Path) -> bool:
    """Whether a run was begun here and not yet measured."""
    try:
        load_config(out / "config.yaml")
    except (OSError, ValueError):
        return False
    return True
