"""Whether a training run may use a folder."""

from pathlib import Path

from eigenstep.record import CONFIG, ENTRIES, Owner, check_writable, differences, is_run
from eigenstep.record import check_folder as check_owned
from eigenstep.training.config import TrainConfig, load_config


def check_folder(out: Path, config: TrainConfig, resume: bool, overwrite: bool) -> None:
    """See that the run may be written to `out`; changes nothing.

    Raises
    ------
    FileExistsError
        If something is there and neither `resume` nor `overwrite` is given, if it is not a run, or if
        `overwrite` would remove what no run has written.
    ValueError
        If the run to resume was configured otherwise.
    OSError
        If the folder cannot be written.
    """
    if resume and overwrite:
        raise ValueError("expected one of --resume and --overwrite, got both")
    check_owned(out, TRAINING, resume=resume, overwrite=overwrite)
    if resume and (out / CONFIG).exists():
        changed = differences(config, load_config(out / CONFIG))
        if changed:
            raise ValueError(
                f"{out} was made with another configuration ({'; '.join(changed)}); use another --out"
            )
    check_writable(out)


def _is_begun(out: Path) -> bool:
    """Whether a run was measured here, or begun and not yet measured."""
    if is_run(out):
        return True
    try:
        load_config(out / CONFIG)
    except (OSError, ValueError):
        return False
    return True


TRAINING = Owner(
    ENTRIES,
    made=_is_begun,
    occupied="{out} exists; use --resume to go on, --overwrite to replace it, or another --out",
    foreign="{out} exists and is not a run folder; use another --out",
    mixed="{out} also holds what no run has written ({others}); move it, or use another --out",
)
