"""`eigenstep modes`: of a data set, of a run with its snapshots, of a file of embeddings; what it refuses."""

import dataclasses
import json

import numpy as np
import pyarrow.parquet as parquet
import pytest

from eigenstep.cli import main
from eigenstep.export import embed
from eigenstep.training import (
    CheckpointConfig,
    ImagesConfig,
    ProjectorConfig,
    RecordConfig,
    TrainConfig,
    train,
)

SMALL = ["--images.size", "16", "--count", "120", "--components", "6", "--n-views", "2"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs that differ in their seed, with checkpoints at steps 3 and 6 and 150 patches."""
    folder = tmp_path_factory.mktemp("runs")
    config = TrainConfig(
        steps=6,
        batch_size=20,
        threads=1,
        device="cpu",
        images=ImagesConfig(size=8, patches=150),
        projector=ProjectorConfig(dim=4),
        record=RecordConfig(every=1, probe=20),
        checkpoint=CheckpointConfig(every=3),
    )
    train(config, folder / "one")
    train(dataclasses.replace(config, seed=1), folder / "two")
    return folder


def told(path):
    return json.loads((path / "modes.json").read_text())


@pytest.mark.slow
def test_a_data_set_gets_a_table_and_a_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["modes", "photos", *SMALL]) == 0
    said = capsys.readouterr().out
    found = told(tmp_path / "runs" / "photos-modes")
    for mode in found["modes"]:
        assert mode["sentence"] in said
    assert "left out: red-cyan" not in said
    assert (tmp_path / "runs" / "photos-modes" / "modes.html").exists()
    assert found["images"] == 40


def test_channels_are_chosen_read_and_shown_by_the_options_of_training(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = (rng.random((120, 16, 16, 5)) * rng.random((120, 1, 1, 5)) * 4095).astype(np.uint16)
    np.save(tmp_path / "rows.npy", rows)
    options = ["--images.take", "4,2", "--images.range", "0", "4095", "--images.show", "2", *SMALL]
    assert main(["modes", str(tmp_path / "rows.npy"), *options, "--out", str(tmp_path / "out")]) == 0
    found = told(tmp_path / "out")
    assert "mean of channel 2" in found["readable"]["r2"]
    assert "mean of channel 3" not in found["readable"]["r2"]
    assert not [note for note in found["notes"] if "--images.range" in note]
    one = ["--images.channels", "1", "--images.take", "4", *SMALL]
    assert main(["modes", str(tmp_path / "rows.npy"), *one, "--out", str(tmp_path / "one")]) == 0
    assert "mean of channel 1" not in told(tmp_path / "one")["readable"]["r2"]


@pytest.mark.slow
def test_a_run_is_explained_at_each_of_its_snapshots(runs, capsys):
    assert main(["modes", str(runs / "one"), "--beside", str(runs / "two")]) == 0
    found = told(runs / "one")
    assert found["readable"]["in"] == "steps"
    assert found["readable"]["places"] == [0, 3, 6]
    assert [each["step"] for each in found["snapshots"]] == [0, 3, 6]
    assert str(runs / "two") in found["found_again_by"]
    assert main(["modes", str(runs / "one")]) == 0
    assert "only other images were tried" in capsys.readouterr().out
    assert main(["modes", str(runs / "one"), "--images.size", "16"]) == 2
    assert "whose network takes 8 pixels and 3 channels" in capsys.readouterr().err
    assert main(["modes", str(runs / "one"), "--images.limit", "120"]) == 0
    assert (told(runs / "one")["images"], found["images"]) == (40, 50)
    assert main(["modes", str(runs / "one"), "--order", "invariance"]) == 2
    assert "options for a data set" in capsys.readouterr().err
    before = told(runs / "one")
    assert main(["modes", "photos", *SMALL, "--out", str(runs / "one")]) == 2
    assert "is a run" in capsys.readouterr().err
    assert told(runs / "one") == before


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_a_file_that_embed_wrote_says_itself_of_which_images_it_is(runs, tmp_path, suffix):
    embed(runs / "one", tmp_path / f"rows.{suffix}")
    out = tmp_path / "out"
    assert main(["modes", str(tmp_path / f"rows.{suffix}"), "--out", str(out)]) == 0
    of_file = told(out)
    assert main(["modes", str(runs / "one"), "--out", str(out)]) == 2  # it is of the file
    assert told(out) == of_file
    assert main(["modes", str(runs / "one"), "--out", str(tmp_path / "run")]) == 0
    assert of_file["modes"] == told(tmp_path / "run")["modes"]


@pytest.mark.parametrize("content", ['{"name": "elsewhere/photos"}', "[]", "mine"])
@pytest.mark.parametrize("command", ["modes", "augmentations"])
def test_what_is_said_of_another_source_is_not_written_over(tmp_path, capsys, command, content):
    (tmp_path / f"{command}.json").write_text(content)
    assert main([command, "photos", "--out", str(tmp_path)]) == 2
    assert "choose another folder with --out" in capsys.readouterr().err
    assert (tmp_path / f"{command}.json").read_text() == content


@pytest.mark.slow
def test_bad_input_is_one_line(tmp_path, capsys):
    for arguments, words in (
        (["photos", "--count", "50"], "at least 96 images"),
        (["photos", "--count", "0"], "at least 1 image"),
        (["photos", "--what", "features", *SMALL], "--what is an option for a run"),
        (["photos", "--views.own", "x:y", *SMALL], "--views.own x:y has no effect"),
        (["photos", "--backbone", "resnet18", *SMALL], "set --kernel features"),
        (["photos", "--kernel", "random-conv", *SMALL], "invalid choice"),
        (["photos", "--column", "image", *SMALL], "--images.column"),
        (["photos", "--data", "photos", *SMALL], "--data names the images of a run"),
        (["photos", "--labels", "yes", *SMALL], "no labels"),
        (["photos", "--beside", "elsewhere", *SMALL], "--beside is an option for a run"),
        (["nowhere"], "nowhere"),
        (["photos", "--table", "missing.csv", *SMALL], "missing.csv"),
        (["photos", *SMALL, "--components", "0"], "--components: expected at least 1, got 0"),
        (["photos", *SMALL, "--images.show", "4"], "three of the channels 1 to 3, got 4"),
        (["photos", "--n-views", "1", "--images.size", "16", "--count", "120"], "--n-views"),
    ):
        assert main(["modes", *arguments, "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err.strip()
        assert words in error
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "out" / "modes.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["embedding", "features"])
def test_scores_of_a_runs_modes_are_columns_of_its_embeddings(runs, tmp_path, what):
    out = tmp_path / "out"
    assert main(["modes", str(runs / "one"), "--count", "150", "--what", what, "--out", str(out)]) == 0
    modes = ["--modes", str(out / "modes.json")]
    assert main(["embed", str(runs / "one"), "--out", str(tmp_path / "rows.npz"), *modes]) == 0
    assert main(["embed", str(runs / "one"), "--out", str(tmp_path / "rows.parquet"), *modes]) == 0
    rows = dict(np.load(tmp_path / "rows.npz"))
    found = told(out)
    count = len(found["strengths"])
    scores = np.stack([rows[f"mode_{k}"] for k in range(1, count + 1)], axis=1)
    assert scores.dtype == np.float32
    assert f"mode_{count + 1}" not in rows

    # The images that modes are learned from, and there the principal directions but for their signs.
    order = np.random.default_rng([0, 2]).permutation(150)[:50]
    learned = rows[what][order].astype(np.float64)
    centred = rows[what].astype(np.float64) - learned.mean(0)
    _, _, axes = np.linalg.svd(learned - learned.mean(0), full_matrices=False)
    expected = centred @ axes[:count].T
    expected *= np.sign((expected * scores).sum(0))
    assert np.allclose(scores, expected, atol=1e-4 * np.abs(expected).max())
    assert np.allclose(scores[order].var(0), found["strengths"], rtol=1e-3)

    table = parquet.read_table(tmp_path / "rows.parquet")
    assert np.array_equal(table["mode_1"].to_numpy(), rows["mode_1"])
    named = json.loads(table.schema.metadata[b"eigenstep"])["modes"]
    assert named == json.loads(str(rows["description"]))["modes"]
    assert list(named) == [f"mode_{k}" for k in range(1, count + 1)]
    assert named["mode_1"] == found["modes"][0]["name"]


@pytest.mark.slow
def test_scores_along_modes_of_another_network_are_refused(runs, tmp_path, capsys):
    assert main(["modes", str(runs / "one"), "--count", "150", "--out", str(tmp_path)]) == 0
    modes, rows = tmp_path / "modes.json", tmp_path / "rows.npz"
    capsys.readouterr()

    def refused(run, *options, out=rows):
        assert main(["embed", str(runs / run), "--out", str(out), "--modes", str(modes), *options]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert not rows.exists()
        return said

    assert f"got those of {runs / 'one'} at step 6" in refused("two")
    assert "expected modes of" in refused("one", "--checkpoint", "3")
    assert "features alone" in refused("one", out=tmp_path / "rows.npy")
    (tmp_path / "modes.npz").write_bytes(b"PK")
    assert "a damaged file" in refused("one")
    (tmp_path / "modes.npz").unlink()
    assert "got no modes.npz" in refused("one")
    modes.unlink()
    assert "there is no file" in refused("one")


@pytest.mark.slow
def test_modes_of_anything_but_a_run_leave_no_directions(runs, tmp_path):
    embed(runs / "one", tmp_path / "rows.npz")
    out = tmp_path / "out"
    assert main(["modes", str(tmp_path / "rows.npz"), "--out", str(out)]) == 0
    assert not (out / "modes.npz").exists()
    # Directions that an earlier source of that name has left are not those of these rows.
    (out / "modes.npz").write_bytes(b"earlier")
    assert main(["modes", str(tmp_path / "rows.npz"), "--out", str(out)]) == 0
    assert not (out / "modes.npz").exists()
