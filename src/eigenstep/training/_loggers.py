"""Measurements sent on to CSV files, TensorBoard, Weights & Biases or MLflow, beside the run's own record."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from eigenstep.machine import is_leader
from eigenstep.record import LOGGERS, make_folder
from eigenstep.spelling import nearest
from eigenstep.training._logger_kinds import KINDS, LOCAL_STORE, Sink, is_installed
from eigenstep.training.config import TrainConfig

log = logging.getLogger(__name__)


class Loggers:
    """The loggers of a run. One that fails is warned of in one line and then left alone; the run goes on."""

    def __init__(self) -> None:
        self.sinks: dict[str, Sink] = {}

    def log(self, row: Mapping[str, float | None], step: int) -> None:
        """Send a row of named numbers to every logger; names without a number are left out."""
        numbers = {name: float(value) for name, value in row.items() if value is not None}
        self._each(lambda sink: sink.log(numbers, step))

    def close(self, state: str) -> None:
        """End every logger's run: "finished", "diverged", or anything else for a run that was stopped."""
        self._each(lambda sink: sink.close(state))
        self.sinks.clear()

    def _each(self, act: Callable[[Sink], None]) -> None:
        for kind, sink in list(self.sinks.items()):
            try:
                act(sink)
            except Exception as error:  # a full disk, a server that is gone: each library raises its own
                log.warning("logger %s failed and is off from here on: %s", kind, _in_one_line(error))
                del self.sinks[kind]


def check_loggers(config: TrainConfig) -> None:
    """See that the packages of `config.logger.kinds` are there.

    Raises
    ------
    ValueError
        For an unknown kind, or with the command that installs what is missing.

    Examples
    --------
    >>> from eigenstep.training.config import LoggerConfig
    >>> check_loggers(TrainConfig(logger=LoggerConfig(kinds=("csv",))))
    """
    for kind in config.logger.kinds:
        if kind not in KINDS:
            raise ValueError(f"unknown logger {kind!r}: expected {', '.join(KINDS)}." + nearest(kind, KINDS))
        packages = KINDS[kind][1]
        if kind == "mlflow" and not os.environ.get("MLFLOW_TRACKING_URI"):
            packages = {**packages, **LOCAL_STORE}
        missing = [name for name, modules in packages.items() if not any(map(is_installed, modules))]
        if missing:
            raise ValueError(
                f"logger {kind} needs packages that are missing here; pip install {' '.join(missing)}"
            )


def build_loggers(config: TrainConfig, out: Path, start: int = 0) -> Loggers:
    """Open the loggers of `config.logger` for the run in the folder `out`; their files go into `out/loggers`.

    A run that goes on from step `start` goes on in the same files, or under the same name, so that no step
    is there twice. Processes other than the first get loggers that do nothing.

    Raises
    ------
    ValueError
        In one line, if `check_loggers` refuses it or a logger cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.training.config import LoggerConfig
    >>> config = TrainConfig(logger=LoggerConfig(kinds=("csv",)))
    >>> out = Path(tempfile.mkdtemp())
    >>> loggers = build_loggers(config, out)
    >>> loggers.log({"loss": 2.5}, step=0)
    >>> loggers.close("finished")
    >>> (out / "loggers/csv/metrics.csv").read_text().split()
    ['loss,step', '2.5,0']
    """
    check_loggers(config)
    loggers = Loggers()
    if not is_leader():
        return loggers
    folder = out.resolve() / LOGGERS
    for kind in dict.fromkeys(config.logger.kinds):
        try:
            make_folder(folder)
            loggers.sinks[kind] = KINDS[kind][0](config, folder, start)
        except Exception as error:
            loggers.close("refused")
            raise ValueError(f"logger {kind} cannot be opened: {_in_one_line(error)}") from error
    return loggers


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
