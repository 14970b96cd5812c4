"""How each kind of logger is opened, goes on after a kill, and ends: Lightning's loggers, adapted."""

import csv
import dataclasses
import importlib
import importlib.util
import io
import json
import logging
import math
import os
import secrets
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eigenstep.record import atomic_remove, atomic_write, move
from eigenstep.training.config import LoggerConfig, TrainConfig, dump_config

# Seconds for which Weights & Biases keeps rows back: those that a SIGKILL loses.
SECONDS_KEPT_BACK = 1.0

log = logging.getLogger(__name__)


class Sink:
    """One of Lightning's loggers, flushed at every row: what a killed run has logged is there."""

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def log(self, row: dict[str, float], step: int) -> None:
        self.logger.log_metrics(row, step)
        self.logger.save()

    def close(self, state: str) -> None:
        self.logger.finalize("success" if state == "finished" else "failed")


class RunSink(Sink):
    """A logger whose rows cannot be taken back: those that a killed run has sent are not sent again.

    A run repeats its steps bit by bit on a CPU, so the rows left out equal those that are there.
    """

    def __init__(self, logger: Any, mark: Path, run: str, sent: float) -> None:
        super().__init__(logger)
        self.mark, self.run, self.sent = mark, run, sent

    def log(self, row: dict[str, float], step: int) -> None:
        if step > self.sent:
            self.logger.log_metrics(row, step)
            _write_mark(self.mark, self.run, step)


class WandbSink(RunSink):
    def close(self, state: str) -> None:
        self.logger.experiment.finish(exit_code=0 if state == "finished" else 1)


class MLflowSink(RunSink):
    def close(self, state: str) -> None:
        self.logger.finalize({"finished": "FINISHED", "diverged": "FAILED"}.get(state, "KILLED"))


def _open_csv(config: TrainConfig, folder: Path, start: int) -> Sink:
    """Lightning begins the file anew, so the rows before `start` are read from the old one and written first.

    The old file is put aside meanwhile: whatever a kill leaves under that name is the whole of it.
    """
    current, old = folder / "csv" / "metrics.csv", folder / "csv" / "metrics-before.csv"
    if current.exists() and not old.exists():
        move(current, old)
    from lightning_fabric.loggers.csv_logs import CSVLogger

    logger = CSVLogger(folder, name="csv", version="")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells that it removes what is there
        assert logger.experiment
    if old.exists():
        for row in _csv_rows(old):
            step = int(row.pop("step"))
            if step < start:
                logger.log_metrics({name: float(value) for name, value in row.items() if value}, step)
        logger.save()
        atomic_remove(old)
    return Sink(logger)


def _csv_rows(path: Path) -> list[dict[str, str]]:
    """The complete lines; the last one may be torn."""
    text = path.read_text()
    return list(csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1])))


def _open_tensorboard(config: TrainConfig, folder: Path, start: int) -> Sink:
    """One more file of events in the same folder; it tells TensorBoard to forget those from `start` on."""
    again = any((folder / "tensorboard").glob("events.out.*"))
    options: dict[str, Any] = {"purge_step": start} if again else {}
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    logger = TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False, **options)
    if start == 0:
        logger.experiment.add_text("config", f"```\n{dump_config(config)}```", 0)
    return Sink(logger)


def _open_wandb(config: TrainConfig, folder: Path, start: int) -> Sink:
    """The run is known by its id: a server goes on in it, and `wandb sync` joins what was written offline."""
    import wandb

    if wandb.run is not None:
        raise RuntimeError("another run is going on in this process; end it by wandb.finish()")
    loggers = _lightning_loggers()
    mode = wandb.setup().settings.mode  # of the environment, or of the command `wandb offline`
    if mode == "online" and not wandb.login(prompt=False, verify=False):
        log.warning("logger wandb: nobody is logged in, so the run is kept in %s for wandb sync", folder)
        mode = "offline"
    mark = folder / "wandb.json"
    run, sent = _read_mark(mark)
    run = run or os.environ.get("WANDB_RUN_ID") or secrets.token_hex(4)
    logger = loggers.WandbLogger(
        name=config.logger.name or os.environ.get("WANDB_NAME") or folder.parent.name,
        project=_project(config, "WANDB_PROJECT"),
        save_dir=os.environ.get("WANDB_DIR") or folder,
        id=run,
        settings=wandb.Settings(console="off", mode=mode, x_transaction_log_flush_interval=SECONDS_KEPT_BACK),
    )
    logger.log_hyperparams(dataclasses.asdict(config))
    _write_mark(mark, run, sent)
    return WandbSink(logger, mark, run, sent)


def _open_mlflow(config: TrainConfig, folder: Path, start: int) -> Sink:
    """The server that the environment names, or a database of the run's own."""
    import mlflow

    loggers = _lightning_loggers()
    logging.getLogger(mlflow.__name__).setLevel(logging.WARNING)  # it tells how it makes the database,
    logging.getLogger(loggers.mlflow.__name__).setLevel(logging.ERROR)  # and Lightning the experiment
    mark = folder / "mlflow.json"
    run, sent = _read_mark(mark)
    server = os.environ.get("MLFLOW_TRACKING_URI")
    logger = loggers.MLFlowLogger(
        experiment_name=_project(config, "MLFLOW_EXPERIMENT_NAME"),
        run_name=config.logger.name or folder.parent.name,
        tracking_uri=server or f"sqlite:///{folder / 'mlflow.db'}",
        artifact_location=None if server else str(folder / "mlflow-artifacts"),
        run_id=run,
    )
    if run is None:
        logger.log_hyperparams(dataclasses.asdict(config))
        _write_mark(mark, logger.run_id, sent)
    else:
        logger.experiment.update_run(run, status="RUNNING")
    return MLflowSink(logger, mark, logger.run_id, sent)


# How each kind is opened, and what it needs: names for pip, and the modules of which any one will do.
_LIGHTNING = {"pytorch-lightning": ("pytorch_lightning", "lightning")}
LOCAL_STORE = {"sqlalchemy": ("sqlalchemy",), "alembic": ("alembic",)}
KINDS: dict[str, tuple[Callable[[TrainConfig, Path, int], Sink], dict[str, tuple[str, ...]]]] = {
    "csv": (_open_csv, {}),
    "tensorboard": (_open_tensorboard, {"tensorboard": ("tensorboard",)}),
    "wandb": (_open_wandb, {"wandb": ("wandb",), **_LIGHTNING}),
    "mlflow": (_open_mlflow, {"mlflow-skinny": ("mlflow",), **_LIGHTNING}),
}


def is_installed(module: str) -> bool:
    found = importlib.util.find_spec(module)
    return found is not None and found.origin is not None  # a mere folder of that name has no origin


def _lightning_loggers() -> Any:
    name = "pytorch_lightning" if is_installed("pytorch_lightning") else "lightning.pytorch"
    return importlib.import_module(f"{name}.loggers")


def _project(config: TrainConfig, variable: str) -> str:
    """The project that is configured, or else the environment's."""
    given = config.logger.project
    return os.environ.get(variable) or given if given == LoggerConfig().project else given


def _read_mark(path: Path) -> tuple[str | None, float]:
    """The logger's own name of this run, and the last step that was sent to it."""
    if not path.exists():
        return None, -math.inf
    mark = json.loads(path.read_text())
    return mark["run"], -math.inf if mark["step"] is None else mark["step"]


def _write_mark(path: Path, run: str, sent: float) -> None:
    """In one go, but without waiting for the disk: it is written at every measurement."""
    mark = {"run": run, "step": None if sent == -math.inf else sent}
    atomic_write(path, json.dumps(mark), flush=False)
