import json
import subprocess
import sys

from eigenstep.methods import METHODS
from eigenstep.record import read_record
from eigenstep.report import facts


def test_names_are_written_as_their_authors_write_them(write_run):
    record = read_record(write_run(config={"loss": "simclr", "backbone": "resnet18"}))
    assert facts.sentence(record, 16).startswith(
        "A resnet18 trained with SimCLR on photos, 16 embedding dimensions, 300 steps"
    )


def test_every_method_is_known_by_its_title(write_run):
    for name, method in METHODS.items():
        assert facts.loss_name(read_record(write_run(name, config={"loss": name}))) == method.title


def test_titles_are_known_without_torch(write_run):
    code = (
        "import sys; from eigenstep.record import read_record; from eigenstep.report import facts\n"
        "print(facts.loss_name(read_record(sys.argv[1])), 'torch' in sys.modules)"
    )
    folder = write_run(config={"loss": "w_mse"})
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    assert done.stdout == "W-MSE False\n", done.stderr


def test_a_path_is_cut_to_its_last_part_and_a_hub_name_is_not(write_run):
    assert facts.data_name(read_record(write_run("a", config={"data": "/far/away/cifar10/"}))) == "cifar10"
    assert (
        facts.data_name(read_record(write_run("b", config={"data": "uoft-cs/cifar10"}))) == "uoft-cs/cifar10"
    )


def test_a_run_without_configuration_or_summary_is_still_described(write_run):
    folder = write_run()
    (folder / "config.yaml").unlink()
    (folder / "summary.json").unlink()
    record = read_record(folder)
    assert facts.sentence(record, None) == "An encoder in training, 300 steps to t = 1.50."
    assert facts.configuration(record) == ""
    assert "still goes on" in facts.counts(record)[0][1]


def test_counts_are_the_leaves_of_the_summary(write_run):
    folder = write_run()
    summary = {
        "state": "finished",
        "rises": [{"mode": 0}],
        "images": {"used": 2048, "broken_names": ["a.png"]},
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    assert facts.counts(read_record(folder)) == [
        ("state", "finished"),
        ("images used", "2,048"),
        ("images broken names", "a.png"),
    ]


def test_what_the_last_probes_found_is_told(write_run):
    folder = write_run()
    rows = [
        {"step": 0, "time": 0.0, "knn_features": 0.3, "ridge_embeddings": 0.1},
        {"step": 20, "time": 0.1, "knn_features": 0.412, "ridge_embeddings": 0.25},
    ]
    (folder / "probes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert facts.counts(read_record(folder))[-2:] == [
        ("features, k-NN probe", "41.2% of test images right"),
        ("embeddings, ridge probe", "25.0% of test images right"),
    ]
