import json
import re
from pathlib import Path

import pytest

from eigenstep.cli import main


def shown(text):
    """The table's rows: the cells of each, by their first."""
    cells = [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in text.splitlines()]
    return {row[0]: row[1:] for row in cells if len(row) > 1}


@pytest.mark.slow
def test_the_table_shows_what_is_kept(run, capsys):
    assert main(["probe", "run"]) == 0
    output = capsys.readouterr()
    kept = json.loads((run / "probes.json").read_text())
    assert kept["checkpoint"] == "step_00000004"
    assert shown(output.out) == {"": ["k-NN", "ridge", "logistic"]} | {
        what: [f"{row[kind]:.1%}" for kind in ("knn", "ridge", "logistic")]
        for what, row in kept["accuracies"].items()
    }
    assert output.out.endswith("probes: run/probes.json\n")
    assert output.err == ""


@pytest.mark.slow
def test_kinds_checkpoint_and_limits_are_chosen(run, capsys):
    options = ["--kinds", "ridge", "knn", "--checkpoint", "2", "--train-limit", "15", "--test-limit", "7"]
    assert main(["probe", "run", *options, "--neighbours", "3"]) == 0
    kept = json.loads((run / "probes.json").read_text())
    assert kept["checkpoint"] == "step_00000002"
    assert (kept["train"]["images"], kept["test"]["images"], kept["neighbours"]) == (15, 7, 3)
    rows = shown(capsys.readouterr().out)
    assert rows[""] == ["ridge", "k-NN"]
    assert all(len(row) == 2 for row in rows.values())


@pytest.mark.slow
def test_splits_and_data_are_chosen(run, data):
    assert (
        main(["probe", "run", "--data", f"./{data}", "--train-split", "test", "--test-split", "train"]) == 0
    )
    kept = json.loads((run / "probes.json").read_text())
    assert (kept["data"], kept["train"]["split"], kept["test"]["split"]) == ("./data", "test", "train")


@pytest.mark.slow
def test_a_probed_run_is_still_a_run(run, capsys):
    assert main(["probe", "run", "--kinds", "knn"]) == 0
    assert main(["train", "--resume", "--out", "run"]) == 0
    assert (run / "probes.json").exists()
    assert main(["train", "--config", "run/config.yaml", "--out", "run", "--overwrite"]) == 0
    assert not (run / "probes.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["probe"], "Missing from eigenstep probe: PATH"),
        (["probe", "nowhere"], "there is no run in nowhere"),
        (["probe", "run", "--checkpoint", "3"], "run has no checkpoint '3'; it has last, best, 2, 4"),
        (["probe", "run", "--kinds", "svm"], "invalid choice 'svm' for argument '--kinds'"),
        (["probe", "run", "--kinds"], "expected at least one of knn, ridge and logistic"),
        (["probe", "run", "--data", "photos"], "photos have no splits and no labels; set --data to"),
        (["probe", "run", "--test-split", "dev"], "data has no split 'dev'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_probed_is_refused_in_one_line(run, refused, arguments, message):
    assert message in refused(arguments)
    assert not (run / "probes.json").exists()


@pytest.fixture
def labelled(run, capsys):
    """`embeddings.parquet` and `tested.parquet`, of the run's training and test images, with labels."""
    for out, split in (("embeddings", "train"), ("tested", "test")):
        assert main(["embed", "run", "--split", split, "--out", f"{out}.parquet"]) == 0
    capsys.readouterr()


@pytest.mark.slow
@pytest.mark.usefixtures("labelled")
def test_a_file_of_embeddings_is_probed_by_every_fifth_row_of_each_class(tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert main(["probe", "embeddings.parquet"]) == 0
    output = capsys.readouterr().out
    rows = shown(output)
    assert list(rows) == ["", "features", "embedding"]
    assert rows[""] == ["k-NN", "ridge", "logistic"]
    assert "learned from 18 rows of embeddings.parquet, tested on 5: every fifth row of each class" in output
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.usefixtures("labelled")
def test_a_file_is_probed_by_another_one_as_its_run_is(capsys):
    options = ["--kinds", "ridge", "knn", "--neighbours", "3"]
    out = ["--test", "tested.parquet", "--out", "found.json"]
    assert main(["probe", "embeddings.parquet", *options, *out]) == 0
    output = capsys.readouterr().out
    assert "learned from 23 rows of embeddings.parquet, tested on 12: tested.parquet" in output
    assert output.endswith("probes: found.json\n")
    found = json.loads(Path("found.json").read_text())
    assert main(["probe", "run", *options]) == 0
    of_run = shown(capsys.readouterr().out)
    for ours, theirs in (("features", "features"), ("embedding", "embeddings")):
        assert [f"{found['accuracies'][ours][kind]:.1%}" for kind in ("ridge", "knn")] == of_run[theirs]
    assert main(["probe", "embeddings.parquet", *options, "--column", "features"]) == 0
    assert list(shown(capsys.readouterr().out)) == ["", "features"]


@pytest.mark.slow
@pytest.mark.usefixtures("labelled")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.npz"], "there is no file nowhere.npz"),
        (["embeddings.parquet", "--data", "./data"], "--data is an option for a run, and embeddings.parquet"),
        (["embeddings.parquet", "--checkpoint", "2"], "--checkpoint is an option for a run"),
        (["run", "--test", "tested.parquet"], "--test is an option for a file of embeddings, and run is no"),
        (["embeddings.parquet", "--label", "class"], "has no labels: no column 'class'; it has class_name"),
        (["embeddings.parquet", "--column", "path"], "path: expected numbers of shape (rows, dimensions)"),
        (["embeddings.parquet", "--kinds"], "expected at least one of knn, ridge and logistic"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_file_that_cannot_be_probed_is_refused_in_one_line(refused, arguments, message):
    assert message in refused(["probe", *arguments])
