import csv
import importlib.util
import json
import logging
import math
import os
import re
import resource
import shutil
import struct
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest

from eigenstep.record import read_record
from eigenstep.training import LoggerConfig, TrainConfig, build_loggers, check_loggers, train

OF_UPDATES = tuple(f"health/{what}_" for what in ("gradient", "weight", "update"))
NEEDS = {
    "csv": ["lightning_fabric"],
    "tensorboard": ["tensorboard"],
    "wandb": ["wandb", "pytorch_lightning"],
    "mlflow": ["mlflow", "sqlalchemy", "alembic", "pytorch_lightning"],
}


def needing(kind, *values):
    missing = [package for package in NEEDS[kind] if importlib.util.find_spec(package) is None]
    return pytest.param(kind, *values, marks=pytest.mark.skipif(bool(missing), reason=f"without {missing}"))


EACH_KIND = [needing(kind) for kind in NEEDS]


@pytest.fixture(autouse=True)
def _nobody_is_logged_in(tmp_path, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT", "WANDB_NAME", "WANDB_DIR", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "wandb-settings"))
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def logging_to(tmp_path, monkeypatch, request):
    """`logging_to("csv", project="x")`: a configuration with these loggers; MLflow's store is there."""

    def configure(*kinds, **names):
        if "mlflow" in kinds:
            shutil.copy(request.getfixturevalue("empty_store"), tmp_path / "store.db")
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'store.db'}")
        return TrainConfig(logger=LoggerConfig(kinds=kinds, **names))

    return configure


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A database of MLflow, which takes seconds to make."""
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


def rows_of(kind, run):
    """What the logger holds of a run, read by its own program: [(name, step, value), ...], in order."""
    return {"csv": csv_rows, "tensorboard": tensorboard_rows, "wandb": wandb_rows, "mlflow": mlflow_rows}[
        kind
    ](run / "loggers")


def csv_rows(folder):
    with open(folder / "csv" / "metrics.csv", newline="") as file:
        return [
            (name, int(row["step"]), float(value))
            for row in csv.DictReader(file)
            for name, value in row.items()
            if name != "step" and value
        ]


def tensorboard_rows(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(folder / "tensorboard")).Reload()
    return [
        (name, event.step, event.value) for name in shown.Tags()["scalars"] for event in shown.Scalars(name)
    ]


def wandb_rows(folder):
    found = []
    for file in sorted((folder / "wandb").glob("offline-run-*/run-*.wandb")):
        for record in wandb_records(file):
            items = {
                "/".join(item.nested_key) or item.key: json.loads(item.value_json)
                for item in record.history.item
            }
            step = items.pop("trainer/global_step", None)
            found += [(name, step, value) for name, value in items.items() if not name.startswith("_")]
    return found


def wandb_records(file):
    """All records up to the last one, which a service of its own writes a moment after the run has ended."""
    from wandb.proto.wandb_internal_pb2 import Record

    for _ in range(100):
        records = [Record.FromString(content) for content in log_entries(file.read_bytes())]
        if records and records[-1].HasField("exit"):
            return records
        time.sleep(0.1)
    raise AssertionError(f"{file} is not complete")


def log_entries(content):
    """The entries of a log in LevelDB's form: blocks of 32 KiB, of pieces with their length and kind."""
    place, entry = 7, b""  # after the file's own header
    while place + 7 <= len(content):
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        if length == kind == 0 or place % 32768 > 32768 - 7:
            place += 32768 - place % 32768
            continue
        entry += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield entry
            entry = b""


def mlflow_rows(folder):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}")
    [run] = [
        run
        for experiment in client.search_experiments()
        for run in client.search_runs([experiment.experiment_id])
    ]
    return [
        (name, metric.step, metric.value)
        for name in run.data.metrics
        for metric in client.get_metric_history(run.info.run_id, name)
    ]


def values(rows, name):
    return {step: value for found, step, value in rows if found == name}


@pytest.mark.slow
@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_run_is_logged_as_it_is_recorded(small_config, tmp_path, kind):
    config = replace(small_config(steps=10), logger=LoggerConfig(kinds=(kind,)))
    record = train(config, tmp_path / "run")
    rows = rows_of(kind, tmp_path / "run")
    single = kind == "tensorboard"  # stores float32
    columns = {name.replace("measures/", "spectrum/"): values for name, values in record.metrics.items()}
    recorded = columns | {
        f"spectrum/eigenvalue_{mode + 1}": record.eigenvalues["cross_correlation"][:, mode]
        for mode in range(8)
    }
    for name in recorded.keys() - {"step"}:
        pairs = zip(record.metrics["step"].tolist(), recorded[name].tolist(), strict=True)
        expected = {step: value for step, value in pairs if math.isfinite(value)}
        assert values(rows, name) == pytest.approx(expected, rel=1e-6 if single else 0, abs=0)
    names = recorded.keys() - {"step"} | {"spectrum/learned_modes"}
    measured = {name: 3 - name.startswith(OF_UPDATES) for name in names}  # the last step is not taken
    assert Counter(name for name, *_ in rows) == measured


@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_run_that_goes_on_is_logged_without_gaps_or_doubles(tmp_path, logging_to, kind):
    config = logging_to(kind)
    first = build_loggers(config, tmp_path)
    for step in (0, 5, 10, 15):
        first.log({"loss": 1.0 + step, "early": 1.0}, step)
        if step == 5:
            first.log({"probe/knn_features": 0.5}, step)
    if kind == "wandb":
        first.close("stopped")  # two runs of Weights & Biases cannot be open in one process
    again = build_loggers(config, tmp_path, start=10)  # the first one was killed
    for step in (10, 15, 20):
        again.log({"loss": 1.0 + step, "late": 2.0}, step)
    again.close("finished")
    rows = rows_of(kind, tmp_path)
    assert max(Counter((name, step) for name, step, _ in rows).values()) == 1
    assert values(rows, "loss") == {step: 1.0 + step for step in (0, 5, 10, 15, 20)}
    assert values(rows, "probe/knn_features") == {5: 0.5}
    assert 20 in values(rows, "late")


@pytest.mark.slow
@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_run_killed_before_its_first_checkpoint_begins_anew(tmp_path, logging_to, kind):
    config = logging_to(kind)
    first = build_loggers(config, tmp_path)
    for step in (0, 5):
        first.log({"loss": 1.0 + step}, step)
    if kind == "wandb":
        first.close("stopped")
    if kind == "tensorboard":
        time.sleep(1.1)  # its files are read in the order of their names, which tell the second they began in
    again = build_loggers(config, tmp_path, start=0)
    for step in (0, 5, 10):
        again.log({"loss": 1.0 + step}, step)
    again.close("finished")
    rows = rows_of(kind, tmp_path)
    assert sorted(rows) == [("loss", step, 1.0 + step) for step in (0, 5, 10)]


def test_a_csv_file_that_a_kill_tore_or_left_aside_loses_nothing(tmp_path, logging_to):
    config = logging_to("csv")
    first = build_loggers(config, tmp_path)
    for step in (0, 5, 10):
        first.log({"loss": 0.1 * step, "terms/x": 1 / 3}, step)
    file = tmp_path / "loggers/csv/metrics.csv"
    whole = file.read_bytes()
    for length in range(whole[:-2].rindex(b"\n") + 1, len(whole)):  # torn anywhere within the row of step 10
        file.write_bytes(whole[:length])
        build_loggers(config, tmp_path, start=10)
        assert values(csv_rows(tmp_path / "loggers"), "loss") == {0: 0.0, 5: 0.5}
    file.rename(file.with_name("metrics-before.csv"))  # killed while the file was made anew
    file.write_text("loss,step\r\n9.0,9\r\n")
    build_loggers(config, tmp_path, start=10)
    rows = csv_rows(tmp_path / "loggers")
    assert values(rows, "loss") == {0: 0.0, 5: 0.5}
    assert values(rows, "terms/x") == {0: 1 / 3, 5: 1 / 3}
    assert [entry.name for entry in file.parent.iterdir()] == ["metrics.csv"]


@pytest.mark.parametrize("kind", [needing("csv"), needing("tensorboard"), needing("mlflow")])
def test_each_row_is_there_at_once(tmp_path, logging_to, kind):
    """A killed process has no time to write what it kept back: rows are read while the logger is open."""
    loggers = build_loggers(logging_to(kind), tmp_path)
    for step in (0, 10):
        loggers.log({"loss": 2.5}, step)
        assert values(rows_of(kind, tmp_path), "loss")[step] == 2.5


@pytest.mark.parametrize("kind", EACH_KIND)
def test_numbers_that_are_not_finite_are_logged_and_missing_ones_left_out(tmp_path, logging_to, kind):
    loggers = build_loggers(logging_to(kind), tmp_path)
    loggers.log({"loss": math.nan, "time": 3, "spectrum/learned_modes": None}, 0)
    loggers.close("diverged")
    rows = rows_of(kind, tmp_path)
    assert values(rows, "time") == {0: 3}
    assert values(rows, "spectrum/learned_modes") == {}


def test_a_logger_that_fails_is_warned_of_once_and_the_others_go_on(
    tmp_path, logging_to, caplog, monkeypatch
):
    loggers = build_loggers(logging_to("csv"), tmp_path)

    class Broken:
        calls = 0

        def log(self, row, step):
            self.calls += 1
            raise OSError("no space left\non the device")

        close = log

    broken = Broken()
    loggers.sinks = {"tensorboard": broken} | loggers.sinks
    for step in (0, 10):
        loggers.log({"loss": 2.5}, step)
    loggers.close("finished")
    [warning] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning == "logger tensorboard failed and is off from here on: no space left on the device"
    assert broken.calls == 1
    assert values(csv_rows(tmp_path / "loggers"), "loss") == {0: 2.5, 10: 2.5}


@pytest.mark.parametrize("kind", [needing("csv"), needing("tensorboard"), needing("mlflow")])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's writer
def test_a_disk_that_is_full_does_not_end_the_run(tmp_path, logging_to, caplog, kind):
    """Files of the process may not grow any more, which is what a full disk looks like."""
    loggers = build_loggers(logging_to(kind), tmp_path)
    loggers.log({"loss": 1.0}, 0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        for step in range(1, 20):
            loggers.log({"loss": 1.0, "long" * 20: 2.0}, step)
        loggers.close("finished")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    [warning] = [record.getMessage() for record in caplog.records if record.name.startswith("eigenstep")]
    assert warning.startswith(f"logger {kind} failed and is off from here on: ")


@pytest.mark.parametrize("kind", ["tensorboard", "wandb", "mlflow"])
def test_missing_packages_are_told_by_the_command_that_installs_them(tmp_path, monkeypatch, kind):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in (kind, "alembic") else there(name)
    )
    package = {"mlflow": "mlflow-skinny"}.get(kind, kind)
    config = TrainConfig(steps=1, logger=LoggerConfig(kinds=(kind,)))
    with pytest.raises(ValueError, match=rf"logger {kind} needs .* pip install {package}\b") as refused:
        train(config, tmp_path / "run")
    assert ("alembic" in str(refused.value)) == (kind == "mlflow")
    assert not (tmp_path / "run").exists()


def test_a_folder_named_like_a_package_is_no_package(tmp_path, logging_to, monkeypatch):
    (tmp_path / "tensorboard").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "tensorboard", raising=False)
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match="pip install tensorboard"):
        check_loggers(logging_to("tensorboard"))


def test_an_unknown_logger_is_refused_with_the_nearest_name(logging_to):
    with pytest.raises(ValueError, match=r"unknown logger 'wandbb': .* Did you mean wandb\?"):
        check_loggers(logging_to("wandbb"))


@pytest.mark.slow
def test_without_loggers_nothing_is_written(small_config, tmp_path):
    train(small_config(steps=1), tmp_path / "run")
    assert not (tmp_path / "run" / "loggers").exists()


def test_only_the_first_process_logs(tmp_path, logging_to, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    loggers = build_loggers(logging_to("csv"), tmp_path)
    loggers.log({"loss": 1.0}, 0)
    loggers.close("finished")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [needing("wandb")])
def test_weights_and_biases_keeps_the_run_here_where_nobody_is_logged_in(tmp_path, logging_to, caplog, kind):
    build_loggers(logging_to(kind), tmp_path).close("finished")
    [warning] = [record.getMessage() for record in caplog.records if record.name.startswith("eigenstep")]
    assert re.search(r"nobody is logged in, so the run is kept in .*/loggers for wandb sync", warning)
    assert list((tmp_path / "loggers/wandb").glob("offline-run-*"))


@pytest.mark.parametrize("kind", [needing("wandb")])
def test_weights_and_biases_heeds_its_environment(tmp_path, logging_to, caplog, monkeypatch, kind):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    wandb.teardown()
    loggers = build_loggers(logging_to(kind), tmp_path)
    assert (wandb.run.project, wandb.run.name) == ("mine", tmp_path.name)
    run = wandb.run.id
    loggers.close("finished")
    assert not [record for record in caplog.records if record.name.startswith("eigenstep")]
    assert list((tmp_path / "elsewhere/wandb").glob("offline-run-*"))
    loggers = build_loggers(logging_to(kind, project="other", name="named"), tmp_path)
    assert (wandb.run.project, wandb.run.name, wandb.run.id) == ("other", "named", run)
    with pytest.raises(ValueError, match="another run is going on in this process"):
        build_loggers(logging_to(kind), tmp_path)
    loggers.close("finished")
    wandb.teardown()


@pytest.mark.parametrize("kind", [needing("mlflow")])
@pytest.mark.parametrize(
    ("state", "expected"), [("finished", "FINISHED"), ("diverged", "FAILED"), ("preempted", "KILLED")]
)
def test_mlflow_is_told_how_a_run_ended(tmp_path, logging_to, kind, state, expected):
    from mlflow.tracking import MlflowClient

    config = logging_to(kind, project="mine", name="named")
    build_loggers(config, tmp_path / "run").close("preempted")
    loggers = build_loggers(config, tmp_path / "run", start=10)
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    [run] = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert (run.info.run_name, run.info.status) == ("named", "RUNNING")
    assert run.data.params["optimizer/name"] == "sgd"
    loggers.close(state)
    assert client.get_run(run.info.run_id).info.status == expected
    assert not (tmp_path / "run/loggers/mlflow.db").exists()


def test_a_logger_that_cannot_be_opened_is_refused_in_one_line(tmp_path, logging_to):
    (tmp_path / "loggers").mkdir()
    (tmp_path / "loggers" / "csv").write_text("a file")
    with pytest.raises(ValueError, match="logger csv cannot be opened: ") as refused:
        build_loggers(logging_to("csv"), tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_the_steps_logged_are_those_recorded_after_a_resumed_run(small_config, tmp_path):
    config = replace(small_config(), logger=LoggerConfig(kinds=("csv",)))
    train(config, tmp_path / "run")
    train(config, tmp_path / "run", resume=True)
    steps = read_record(tmp_path / "run").metrics["step"].tolist()
    assert sorted(values(csv_rows(tmp_path / "run/loggers"), "loss")) == steps
