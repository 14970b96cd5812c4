import functools

import pytest

from eigenstep.record import FolderInUse, FolderLock, find_runs
from eigenstep.reproduce import LinearModelExperiment, demonstrate
from eigenstep.training import ImagesConfig, TrainConfig


@pytest.fixture(autouse=True)
def small(monkeypatch):
    experiment = functools.partial(LinearModelExperiment, dim=2, crop=4, records=30, probe=6)
    config = functools.partial(TrainConfig, steps=4, batch_size=16, images=ImagesConfig(size=16, patches=32))
    monkeypatch.setattr("eigenstep.reproduce._demo.LinearModelExperiment", experiment)
    monkeypatch.setattr("eigenstep.reproduce._demo.TrainConfig", config)


@pytest.mark.slow
def test_four_runs_a_report_and_the_table_of_the_closed_form_come_out(tmp_path, capsys):
    report = demonstrate(tmp_path / "demo", threads=1)
    assert [run.name for run in find_runs(tmp_path / "demo")] == [
        "barlow_twins",
        "linear",
        "simclr",
        "vicreg",
    ]
    assert report.read_text().lower().startswith("<!doctype html>")
    assert "predicted" in capsys.readouterr().out


@pytest.mark.slow
def test_an_earlier_demonstration_is_replaced_only_when_asked_for(tmp_path):
    out = tmp_path / "demo"
    demonstrate(out, threads=1)
    before = (out / "report.html").stat().st_mtime_ns
    with pytest.raises(FileExistsError, match="--overwrite"):
        demonstrate(out, threads=1)
    assert (out / "report.html").stat().st_mtime_ns == before
    demonstrate(out, overwrite=True, threads=1)
    assert (out / "report.html").stat().st_mtime_ns > before


@pytest.mark.slow
@pytest.mark.parametrize("left", [[], ["config.yaml"], ["config.yaml", "prediction.json"]])
def test_what_a_killed_demonstration_left_is_replaced(tmp_path, left):
    (tmp_path / "demo" / "linear").mkdir(parents=True)
    for name in left:
        (tmp_path / "demo" / "linear" / name).write_text("{}")
    assert demonstrate(tmp_path / "demo", overwrite=True, threads=1).exists()


@pytest.mark.parametrize("foreign", ["thesis.txt", "linear/thesis.txt"])
def test_what_is_not_a_demonstration_is_never_removed(tmp_path, foreign):
    file = tmp_path / "demo" / foreign
    file.parent.mkdir(parents=True)
    file.write_text("years of work")
    if file.parent.name == "linear":
        (file.parent / "metrics.jsonl").touch()
    with pytest.raises(FileExistsError, match="another --out"):
        demonstrate(tmp_path / "demo", overwrite=True, threads=1)
    assert file.read_text() == "years of work"


def test_a_demonstration_in_a_folder_that_is_written_is_refused(tmp_path):
    lock = FolderLock(tmp_path)
    with pytest.raises(FolderInUse, match=f"{tmp_path} is written by process"):
        demonstrate(tmp_path, overwrite=True, threads=1)
    assert lock.is_held
