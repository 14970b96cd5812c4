import json

import pytest

from eigenstep.reproduce import Outcome, OutcomeTable, Row, markdown, read_outcome


def test_an_outcome_is_read_back_as_it_was_written(tmp_path):
    outcome = Outcome(
        "e1",
        "Title",
        "Setting.",
        [Row("a", 1.0, 2.0, 2.1), Row("b", "0.4 to 1.3", None, 3)],
        [OutcomeTable("More", ("", "x"), [["row", 1.5], ["other", None]])],
        ["Note."],
        ["figure.png"],
    )
    outcome.write(tmp_path / "result.json", seconds=3)
    again, facts = read_outcome(tmp_path / "result.json")
    assert again == outcome
    assert facts == {"seconds": 3}


def test_what_is_not_a_number_is_null_in_json_and_a_dash_in_tables(tmp_path):
    row = Row("a", None, 2.0, float("nan"))
    assert row.cells() == ["a", "–", "2", "–", "–"]
    Outcome("e1", "", "", [row]).write(tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text())["rows"][0]["measured"] is None


def test_the_error_is_relative_to_the_prediction():
    assert Row("a", 5.0, 2.0, 2.1).cells() == ["a", "5", "2", "2.1", "+5.00 %"]
    assert Row("a", None, 0.0, 2.1).error is None
    assert Row("a", 2.0, None, 2.1).error is None


def test_markdown_aligns_numbers_to_the_right():
    assert markdown("T", ("", "x"), [["a", "1"]]) == "T:\n\n|  | x |\n| --- | ---: |\n| a | 1 |"


def test_a_file_that_is_no_result_is_refused(tmp_path):
    (tmp_path / "result.json").write_text('{"name": "e1"}')
    with pytest.raises(ValueError, match="not the result of an experiment"):
        read_outcome(tmp_path / "result.json")
