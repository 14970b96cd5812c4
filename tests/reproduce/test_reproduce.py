import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from eigenstep.cli import main
from eigenstep.machine import set_threads
from eigenstep.record import FolderInUse, FolderLock, read_record
from eigenstep.reproduce import (
    EXPERIMENTS,
    Choices,
    LinearModelExperiment,
    TwoLayerExperiment,
    hypothesis_images,
    loss_configuration,
    meanings_configuration,
    network_configuration,
    participation,
    read_outcome,
    reproduce,
    way_configuration,
    ways_for,
)
from eigenstep.training import ImagesConfig

pytestmark = pytest.mark.slow

TINY = Choices(threads=1)


@pytest.fixture(autouse=True, scope="module")
def _tiny():
    """Every experiment as it is, but with fewer images, pixels, steps and runs."""
    linear, two_layers = LinearModelExperiment, TwoLayerExperiment
    configuration, network, meant = loss_configuration, network_configuration, meanings_configuration
    of_way, judging, all_ways = way_configuration, hypothesis_images, ways_for
    e1, e2, e3, e4, e6, e7 = (
        f"eigenstep.reproduce._{name}"
        for name in (
            *("e1_linear_model", "e2_three_losses", "e3_initialisation", "e4_agreement", "e6_meanings"),
            "e7_hypothesis",
        )
    )

    def shorter(config, steps):
        return dataclasses.replace(
            config,
            backbone="convnet",
            steps=steps,
            batch_size=64,
            images=ImagesConfig(size=16, patches=256),
            record=dataclasses.replace(config.record, every=2),
        )

    def few_steps(config):
        checkpoint = dataclasses.replace(config.checkpoint, every=1)
        return dataclasses.replace(config, steps=8, batch_size=32, checkpoint=checkpoint)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{e1}.IMAGES", 40)
        patch.setattr(f"{e3}.IMAGES", 30)
        patch.setattr(f"{e3}.LINEAR_SCALES", (1e-5, 1e-2))
        patch.setattr(f"{e3}.NETWORK_SCALES", (1e-2, 1.0))
        patch.setattr(
            f"{e1}.LinearModelExperiment",
            lambda **given: linear(**given | {"records": 60, "crop": 8, "dim": 4}),
        )
        patch.setattr(
            f"{e3}.LinearModelExperiment", lambda **options: linear(**options | {"dim": 3, "crop": 6})
        )
        patch.setattr(
            f"{e4}.TwoLayerExperiment",
            lambda **options: two_layers(**options | {"width": 512, "steps": 30, "crop": 6, "records": 20}),
        )
        patch.setattr(
            f"{e2}.loss_configuration", lambda loss, choices: shorter(configuration(loss, choices), 30)
        )
        patch.setattr(
            f"{e3}.network_configuration", lambda scale, choices: shorter(network(scale, choices), 20)
        )
        patch.setattr(
            f"{e6}.meanings_configuration",
            lambda loss, seed, choices: shorter(meant(loss, seed, choices), 40),
        )
        few = ("barlow_twins", "simclr", "autoencoder")
        patch.setattr(
            f"{e7}.ways_for", lambda labelled: [way for way in all_ways(labelled) if way.loss in few]
        )
        patch.setattr(f"{e7}.SEEDS", 2)
        patch.setattr(f"{e7}.HELD_OUT", 64)
        patch.setattr(
            f"{e7}.hypothesis_images",
            lambda choices: dataclasses.replace(judging(choices), size=16, patches=192, limit=128),
        )
        patch.setattr(
            f"{e7}.way_configuration",
            lambda way, seed, choices, images: few_steps(of_way(way, seed, choices, images)),
        )
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory, _tiny):
    """The folder of all experiments, and what was told and returned of them."""
    out, told = tmp_path_factory.mktemp("reproduce") / "out", []
    return out, told, reproduce(EXPERIMENTS, TINY, out, tell=told.append)


@pytest.fixture(scope="module")
def done(made):
    return made[0]


def files(folder, pattern):
    return {path: path.stat().st_mtime_ns for path in folder.rglob(pattern)}


@pytest.mark.parametrize("name", ["e1", "e2", "e3", "e4", "e5", "e6", "e7"])
def test_an_experiment_goes_from_data_to_figures_tables_and_a_report(name, made):
    done, told, outcomes = made
    assert told == outcomes
    (outcome,) = (outcome for outcome in outcomes if outcome.name == name)
    assert outcome.rows
    for figure in outcome.figures:
        with Image.open(done / name / figure) as picture:
            assert picture.width > 900
        assert (done / name / figure).with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert (done / name / "report.html").exists() == (name != "e5")
    section = (done / "results.md").read_text().split(f"## {name.upper()}: ")[1]
    assert outcome.rows[0].cells()[0] in section
    assert f"]({name}/" in section
    stored = {tree["name"]: tree for tree in json.loads((done / "results.json").read_text())}
    assert stored[name]["command"] == f"eigenstep reproduce {name} --size small --threads 1"


def test_what_is_finished_is_not_done_again(done):
    before = files(done, "*")
    again = reproduce(EXPERIMENTS, TINY, done, resume=True)
    assert [outcome.name for outcome in again] == list(EXPERIMENTS)
    after = files(done, "*")
    assert {path for path in after if after[path] != before.get(path) and path.is_file()} <= {
        done / "results.json",
        done / "results.md",
        *(done / name / "choices.json" for name in EXPERIMENTS),
    }


def test_an_interrupted_experiment_goes_on_with_the_runs_that_it_lacks(done, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(done / "e3", out / "e3")
    (out / "e3" / "result.json").unlink()
    # A linear run that was killed half-way: lines of a record, and no summary.
    (out / "e3" / "linear-0.01" / "summary.json").unlink()
    kept = files(out / "e3" / "linear-1e-05", "*") | files(out / "e3" / "network-1", "*")
    (outcome,) = reproduce(["e3"], TINY, out, resume=True)
    assert kept == files(out / "e3" / "linear-1e-05", "*") | files(out / "e3" / "network-1", "*")
    first = read_outcome(done / "e3" / "result.json")[0]
    assert [row.cells() for row in outcome.rows] == [row.cells() for row in first.rows]
    steps = read_record(out / "e3" / "linear-0.01").metrics["step"]
    assert len(set(steps)) == len(steps)


def test_the_hypothesis_is_asked_of_ways_without_labels_where_there_are_none(made):
    (outcome,) = (outcome for outcome in made[2] if outcome.name == "e7")
    assert "Ways that need labels are left out: photos have no labels." in outcome.notes
    table = next(table for table in outcome.tables if table.title.startswith("All pairs"))
    assert table.header[1:4] == ("Barlow Twins", "SimCLR", "autoencoder")
    assert len(table.rows) == len(table.header) - 1
    verdicts = next(table for table in outcome.tables if table.title.startswith("Which families"))
    assert [row[0] for row in verdicts.rows][:2] == [
        "within joint embedding",
        "joint embedding and reconstruction",
    ]


def test_other_choices_than_those_of_the_folder_are_refused(done):
    with pytest.raises(ValueError, match=r"made with --size small, --seed 0, got --size small, --seed 1"):
        reproduce(["e1"], dataclasses.replace(TINY, seed=1), done, resume=True)


def test_a_network_that_was_cut_off_ends_the_same_with_another_number_of_threads(done, tmp_path):
    out, run = tmp_path / "out", tmp_path / "out" / "e3" / "network-1"
    shutil.copytree(done / "e3", out / "e3")
    (out / "e3" / "result.json").unlink()
    (run / "summary.json").unlink()
    shutil.rmtree(run / "checkpoints")  # killed before the first of them
    try:
        reproduce(["e3"], dataclasses.replace(TINY, threads=2), out, resume=True)
    finally:
        set_threads(1)
    first = read_record(done / "e3" / "network-1")
    np.testing.assert_array_equal(read_record(run).metrics["loss"], first.metrics["loss"])
    assert read_record(run).config["threads"] == 1


@pytest.mark.parametrize(
    ("names", "changes", "message"),
    [
        (["e1"], {"data": "typo"}, "unknown data set 'typo'"),
        (["e2"], {"data": "./nowhere"}, "there is no folder ./nowhere"),
        (["e1"], {"threads": 0}, "--threads is too small: expected at least 1, got 0"),
        (["e1"], {"seed": -1}, "--seed is too small: expected at least 0, got -1"),
        (["e1", "e2", "e3"], {}, "e3 is not the folder of an experiment"),
        (["e5"], {"seed": 1}, r"e2 was made with --size small, --seed 0, got .*--seed 1"),
    ],
    ids=["data", "training's data", "threads", "seed", "a foreign folder", "other runs that are needed"],
)
def test_nothing_is_removed_or_written_where_anything_is_refused(tmp_path, names, changes, message, outline):
    outline(tmp_path)
    before = files(tmp_path, "*")
    with pytest.raises((ValueError, OSError), match=message):
        reproduce(names, dataclasses.replace(TINY, **changes), tmp_path, overwrite=True)
    assert files(tmp_path, "*") == before


@pytest.fixture
def outline():
    """Write folders of e1, e2 and e5 that look finished, and a foreign e3."""

    def write(out):
        for name in ("e1", "e2", "e5"):
            (out / name).mkdir()
            (out / name / "choices.json").write_text(json.dumps({"size": "small", "data": None, "seed": 0}))
            (out / name / "result.json").write_text("{}")
        (out / "e3").mkdir()
        (out / "e3" / "notes.txt").write_text("mine")

    return write


def test_a_typo_locks_no_folder(tmp_path):
    with pytest.raises(ValueError, match="unknown data set 'typo'"):
        reproduce(["e4"], dataclasses.replace(TINY, data="typo"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    # Nor does what an experiment has left that was killed before its first run.
    (tmp_path / "e4").mkdir()
    (tmp_path / "e4" / "choices.json").write_text('{"size": "small", "data": "typo", "seed": 0}')
    (outcome,) = reproduce(["e4"], TINY, tmp_path, resume=True)
    assert outcome.rows
    assert json.loads((tmp_path / "e4" / "choices.json").read_text())["data"] is None


def test_results_are_not_overwritten_unasked(done, capsys):
    assert main(["reproduce", "e1", "--out", str(done), "--threads", "1"]) == 2
    assert "use --resume to go on, --overwrite to replace it" in capsys.readouterr().err


def test_a_folder_that_is_no_experiments_is_left_alone(tmp_path):
    (tmp_path / "e1").mkdir()
    (tmp_path / "e1" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not the folder of an experiment"):
        reproduce(["e1"], TINY, tmp_path, overwrite=True)
    assert (tmp_path / "e1" / "notes.txt").read_text() == "mine"


def test_unknown_experiments_and_contradictions_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected experiments of e1, e2, e3, e4, e5, e6, e7, got e9"):
        reproduce(["e9"], TINY, tmp_path)
    with pytest.raises(ValueError, match="expected one of --resume and --overwrite"):
        reproduce(["e1"], TINY, tmp_path, resume=True, overwrite=True)


def test_too_few_images_are_refused(tmp_path):
    for index in range(3):
        Image.new("RGB", (32, 32), (80 * index, 0, 0)).save(tmp_path / f"{index}.png")
    with pytest.raises(ValueError, match="expected at least 40 images, got 3"):
        reproduce(["e1"], Choices(data=str(tmp_path), threads=1), tmp_path / "out")


def test_principal_directions_of_runs_made_otherwise_are_not_taken_for_these(done, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(done / "e2", out / "e2")
    with pytest.raises(ValueError, match=r"e2 was made with --size small, --seed 0, got .*--seed 1"):
        reproduce(["e5"], dataclasses.replace(TINY, seed=1), out)


def test_participation_counts_directions_that_are_alike():
    assert participation(np.array([3.0, 3.0, 3.0, 0.0])) == pytest.approx(3)
    assert participation(np.array([5.0, 0.0])) == pytest.approx(1)


def test_experiments_in_a_folder_that_is_written_are_refused(tmp_path):
    lock = FolderLock(tmp_path)
    with pytest.raises(FolderInUse, match=f"{tmp_path} is written by process"):
        reproduce(["e1"], TINY, tmp_path)
    lock.release()
    assert not list(tmp_path.iterdir())
