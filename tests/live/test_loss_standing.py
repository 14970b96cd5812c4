import json

from eigenstep.analysis import loss_standing
from eigenstep.live import detail

LANDMARKS = [
    {"name": "chance", "value": 20.0, "says": "all are alike"},
    {"name": "floor", "value": 0.0, "says": "views are one"},
]


def test_a_run_and_its_row_say_where_its_loss_stands(forge, look):
    record = forge("run", [10.0], steps=30)
    (record.path / "landmarks.json").write_text(json.dumps({"landmarks": LANDMARKS}))
    entry = look()
    said = f"{loss_standing(entry.run.record()).sentence}."
    assert "of the way from chance, 20.0, to the floor, 0.00" in said
    assert detail(entry, {})["analysis"]["standing"] == said
    entry.card.update(entry.run, entry.analysis, now=0.0)
    assert entry.card.content["standing"] == said


def test_without_landmarks_nothing_is_said(forge, look):
    forge("run", [10.0], steps=30)
    assert detail(look(), {})["analysis"]["standing"] == ""


def test_damaged_landmarks_are_told_and_hide_nothing_else(forge, look):
    record = forge("run", [10.0], steps=30)
    (record.path / "landmarks.json").write_text("{")
    entry = look()
    assert entry.analysis.verdict is not None
    assert any("landmarks.json" in problem for problem in entry.run.problems)
