import dataclasses
import os

import pytest

from eigenstep.prediction import PredictConfig, predict, read_predicted
from eigenstep.record import RecordWriter, read_record
from eigenstep.training import ImagesConfig, ProjectorConfig, TrainConfig, train

TINY = PredictConfig(
    pairs=8, probe=6, threads=1, images=ImagesConfig(size=8, patches=8), projector=ProjectorConfig(dim=2)
)


@pytest.fixture
def folder(tmp_path):
    predict(TINY, tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.slow
def test_a_prediction_is_replaced_on_demand_alone(folder):
    before = (folder / "metrics.jsonl").read_text()
    other = dataclasses.replace(TINY, seed=1)
    with pytest.raises(FileExistsError, match="use --overwrite to replace it"):
        predict(other, folder)
    assert (folder / "metrics.jsonl").read_text() == before
    predict(other, folder, overwrite=True)
    assert (folder / "metrics.jsonl").read_text() != before
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


@pytest.mark.slow
def test_what_is_no_prediction_alone_is_never_replaced(folder, tmp_path):
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is no prediction alone"):
        predict(TINY, folder, overwrite=True)
    run = tmp_path / "run"
    train(TrainConfig(steps=1, batch_size=8, threads=1, device="cpu", images=TINY.images), run)
    with pytest.raises(FileExistsError, match="is no prediction alone"):
        predict(TINY, run, overwrite=True)
    assert (folder / "notes.txt").exists()
    assert (run / "summary.json").exists()


@pytest.mark.slow
def test_a_prediction_that_fails_leaves_the_old_one(folder, monkeypatch):
    before = read_predicted(folder).end

    def broken(*_args, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr(RecordWriter, "append", broken)
    with pytest.raises(KeyboardInterrupt):
        predict(TINY, folder, overwrite=True)
    assert (read_predicted(folder).end == before).all()


def meanwhile(do):
    """Progress that does something when the prediction has nearly been computed."""
    return lambda stage: do() if stage == "following the course" else None


@pytest.mark.slow
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_has_come_to_the_folder_since_the_start_is_left_alone(tmp_path, overwrite):
    def come():
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "notes.txt").write_text("mine")

    with pytest.raises(FileExistsError, match="out exists"):
        predict(TINY, tmp_path / "out", overwrite=overwrite, progress=meanwhile(come))
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "notes.txt"]


@pytest.mark.slow
def test_two_predictions_of_one_name_at_once_are_both_kept(tmp_path, monkeypatch):
    write, other = RecordWriter.write_prediction, dataclasses.replace(TINY, seed=1)
    order = []

    def slow(writer, prediction):
        order.append(writer)
        if len(order) == 1:  # while the first is written the second begins and ends
            order.append(predict(other, tmp_path / "out", numbered=True).path)
        write(writer, prediction)

    monkeypatch.setattr(RecordWriter, "write_prediction", slow)
    first = predict(TINY, tmp_path / "out", numbered=True)
    assert first.path == tmp_path / "out-2"
    assert (first.config["seed"], read_record(tmp_path / "out").config["seed"]) == (0, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out-2"]


@pytest.mark.slow
def test_a_prediction_that_cannot_be_moved_into_place_leaves_the_old_one(folder, monkeypatch):
    before, rename = read_predicted(folder).end, os.rename

    def broken(path, target):
        if os.path.basename(path) == "new":
            raise OSError("no space")
        return rename(path, target)

    monkeypatch.setattr(os, "rename", broken)
    with pytest.raises(OSError, match="no space"):
        predict(TINY, folder, overwrite=True)
    assert (read_predicted(folder).end == before).all()
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_computed(tmp_path):
    (tmp_path / "file").write_text("mine")
    told = []
    with pytest.raises(NotADirectoryError, match="file is a file"):
        predict(TINY, tmp_path / "file" / "out", progress=told.append)
    assert told == []


@pytest.mark.slow
def test_a_damaged_prediction_is_told(folder):
    content = (folder / "predicted.npz").read_bytes()
    for damaged in (b"", b"words", content[:-40]):
        (folder / "predicted.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"out/predicted.npz is damaged; predict it anew"):
            read_predicted(folder)


def test_a_folder_without_a_prediction_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no prediction in"):
        read_predicted(tmp_path)
