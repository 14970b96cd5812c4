import dataclasses

import pytest

from eigenstep.prediction import PredictConfig, predict, read_predicted
from eigenstep.training import ImagesConfig, ProjectorConfig, TrainConfig, train

TINY = PredictConfig(
    pairs=8, probe=6, threads=1, images=ImagesConfig(size=8, patches=8), projector=ProjectorConfig(dim=2)
)


@pytest.fixture
def folder(tmp_path):
    predict(TINY, tmp_path / "out")
    return tmp_path / "out"


def test_a_prediction_is_replaced_on_demand_alone(folder):
    before = (folder / "metrics.jsonl").read_text()
    other = dataclasses.replace(TINY, seed=1)
    with pytest.raises(FileExistsError, match="use --overwrite to replace it"):
        predict(other, folder)
    assert (folder / "metrics.jsonl").read_text() == before
    predict(other, folder, overwrite=True)
    assert (folder / "metrics.jsonl").read_text() != before
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


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


def test_a_prediction_that_fails_leaves_the_old_one(folder, monkeypatch):
    from eigenstep.prediction import _folder

    before = read_predicted(folder).end

    def broken(*_args, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr(_folder.RecordWriter, "append", broken)
    with pytest.raises(KeyboardInterrupt):
        predict(TINY, folder, overwrite=True)
    assert (read_predicted(folder).end == before).all()


def test_a_folder_without_a_prediction_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no prediction in"):
        read_predicted(tmp_path)
