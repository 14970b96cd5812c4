import functools
import json
import re

import pytest

from eigenstep.modes.augmentations import ShortTraining
from eigenstep.record import FolderInUse, FolderLock, find_runs
from eigenstep.reproduce import LinearModelExperiment, demonstrate
from eigenstep.training import ImagesConfig, TrainConfig

RUNS = ["barlow_twins", "barlow_twins-muon", "linear", "simclr", "vicreg"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    experiment = functools.partial(LinearModelExperiment, dim=2, crop=4, records=30, probe=6)
    config = functools.partial(TrainConfig, images=ImagesConfig(size=16, patches=120))
    for name, value in {
        "_demo.LinearModelExperiment": experiment,
        "_demo.TrainConfig": config,
        "_demo.STEPS": dict.fromkeys((run for run in RUNS if run != "linear"), 4),
        "_demo.BATCH": 16,
        "_demo_wings.IMAGES": 96,
        "_demo_wings.DIGITS": 120,
        "_demo_wings.TRAININGS": 6,
        "_demo_wings.SHORT": ShortTraining(steps=2, batch_size=16, width=4),
        "_demo_wings.DIRECTIONS": 16,
    }.items():
        monkeypatch.setattr(f"eigenstep.reproduce.{name}", value)


@pytest.fixture
def without_wings(monkeypatch):
    for name in ("meanings", "fast_beside_plain", "which_augmentations"):
        monkeypatch.setattr(f"eigenstep.reproduce._demo.{name}", lambda *folders: FakeWing())


class FakeWing:
    title, about, table = "A wing", "What is seen.", None
    link, linked, command = "report.html", "more", "eigenstep report"
    found, names, cards, stairs = [], [], [], []

    def say(self):
        print("said")


@pytest.mark.slow
def test_five_runs_and_one_page_with_all_wings_come_out(tmp_path, capsys):
    page = demonstrate(tmp_path / "demo", threads=1)
    assert [run.name for run in find_runs(tmp_path / "demo")] == RUNS
    text, said = page.read_text(), capsys.readouterr().out
    assert text.lower().startswith("<!doctype html>")
    for link in re.findall(r'<a href="([^"]+)"', text):
        assert (page.parent / link).is_file(), link
    assert "predicted" in said
    titles = [
        "What the first modes mean",
        "The same modes sooner: barlow_twins-muon beside barlow_twins",
        "Which augmentations serve",
    ]
    for title in titles:
        assert title in text
        assert title in said
    assert text.count('<article class="mode">') == 6
    [first, *_] = json.loads((page.parent / "modes.json").read_text())["modes"]
    assert first["sentence"] in said
    assert all(f'<th scope="row">{name}</th>' in text for name in ("full", "gentle", "crop alone"))


@pytest.mark.slow
@pytest.mark.usefixtures("without_wings")
def test_an_earlier_demonstration_is_replaced_only_when_asked_for(tmp_path):
    out = tmp_path / "demo"
    demonstrate(out, threads=1)
    before = (out / "index.html").stat().st_mtime_ns
    with pytest.raises(FileExistsError, match="--overwrite"):
        demonstrate(out, threads=1)
    assert (out / "index.html").stat().st_mtime_ns == before
    demonstrate(out, overwrite=True, threads=1)
    assert (out / "index.html").stat().st_mtime_ns > before


@pytest.mark.slow
@pytest.mark.usefixtures("without_wings")
@pytest.mark.parametrize(
    "left",
    [
        "linear/",
        "linear/config.yaml",
        "linear/prediction.json",
        "modes.html",
        "comparison.html",
    ],
)
def test_what_a_killed_demonstration_left_is_replaced(tmp_path, left):
    file = tmp_path / "demo" / left
    (file if left.endswith("/") else file.parent).mkdir(parents=True)
    if not left.endswith("/"):
        file.write_text("{}")
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
