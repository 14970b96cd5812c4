import json

import pytest

from eigenstep.record import read_record
from eigenstep.report import RunSection, write_report
from eigenstep.terminal import print_runs

LANDMARKS = [("chance", 20.0, "all are <alike>"), ("floor", 0.0, "views are one")]


@pytest.fixture
def placed(forge):
    record = forge("placed", [10.0, 20.0])
    listed = [dict(zip(("name", "value", "says"), mark, strict=True)) for mark in LANDMARKS]
    (record.path / "landmarks.json").write_text(json.dumps({"loss": "mine", "landmarks": listed}))
    forge("unplaced", [10.0])
    return forge.folder


def test_the_page_says_where_the_loss_stands_and_between_what(placed):
    context = RunSection(read_record(placed / "placed")).context()["standing"]
    assert context["sentence"].endswith(".")
    assert context["short"].endswith("from chance to the floor")
    assert context["landmarks"] == [("chance", "20", "all are <alike>"), ("floor", "0", "views are one")]
    page = write_report(placed / "placed").read_text()
    assert context["sentence"] in page
    assert "all are &lt;alike&gt;" in page


def test_of_a_run_without_landmarks_nothing_is_said(placed):
    assert RunSection(read_record(placed / "unplaced")).context()["standing"] is None


def test_the_terminal_says_it_after_the_table(placed, capsys):
    record = read_record(placed / "placed")
    print_runs([record])
    sentence = RunSection(record).context()["standing"]["sentence"]
    assert f"placed: loss {sentence.rstrip('.')}" in capsys.readouterr().out
