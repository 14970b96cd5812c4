"""Whether a training run may use a folder."""

from pathlib import Path

from eigenstep.record import (
    CONFIG,
    ENTRIES,
    FolderLock,
    Owner,
    check_writable,
    differences,
    is_run,
    make_folder,
    open_folder,
)
from eigenstep.record import check_folder as check_owned
from eigenstep.training._more_steps import as_before, with_more_steps
from eigenstep.training._resolve_images import as_begun
from eigenstep.training.config import TrainConfig, dump_config, load_config


def check_folder(out: Path, config: TrainConfig, resume: bool, overwrite: bool) -> None:
    """See that the run may be written to `out`; changes nothing.

    Raises
    ------
    FileExistsError
        If something is there and neither `resume` nor `overwrite` is given, if it is not a run, or if
        `overwrite` would remove what no run has written.
    ValueError
        If the run to resume was configured otherwise, or cannot go on to as many steps as are asked for.
    OSError
        If the folder cannot be written.

    Examples
    --------
    >>> from eigenstep.training import TrainConfig
    >>> check_folder(Path("no-such-run"), TrainConfig(), resume=False, overwrite=False)
    """
    if resume and overwrite:
        raise ValueError("expected one of --resume and --overwrite, got both")
    check_owned(out, TRAINING, resume=resume, overwrite=overwrite)
    if resume and (out / CONFIG).exists():
        begun = load_config(out / CONFIG)
        wanted = as_begun(with_more_steps(config, out), begun)
        changed = differences(wanted, as_before(wanted, begun))
        if changed:
            raise ValueError(
                f"{out} was made with another configuration ({'; '.join(changed)}); use another --out"
            )
    check_writable(out)


class OwnFolder:
    """The folder of a run, from the check until the run ends, in the process that writes it.

    Parameters
    ----------
    take_over : bool
        As of `FolderLock`.
    """

    def __init__(
        self, out: Path, config: TrainConfig, *, resume: bool, overwrite: bool, take_over: bool
    ) -> None:
        self.out, self.config = out, config
        self.resume, self.overwrite, self.take_over = resume, overwrite, take_over
        self._lock: FolderLock | None = None

    def check(self) -> None:
        """See that the run may be written there, as `check_folder`; a folder that is there is taken."""
        check_folder(self.out, self.config, self.resume, self.overwrite)
        if self.out.is_dir():
            self.take()

    def take(self) -> None:
        """Make the folder and take it. Raises as `check` if another process has written there since."""
        if self._lock is None:
            make_folder(self.out)
            self._lock = FolderLock(self.out, take_over=self.take_over)
            try:
                check_folder(self.out, self.config, self.resume, self.overwrite)
            except BaseException:
                self.release()
                raise

    def as_begun(self) -> TrainConfig:
        """The run's configuration, and of a run that is resumed what its images have told already."""
        if self.resume and (self.out / CONFIG).exists():
            return as_begun(self.config, load_config(self.out / CONFIG))
        return self.config

    def begin(self) -> None:
        """Make it ready for the run, see `open_folder`."""
        open_folder(self.out, dump_config(self.config), overwrite=self.overwrite)

    def release(self) -> None:
        """Give it back."""
        if self._lock is not None:
            self._lock.release()


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
