"""What modes mean, on the live page, from `modes.json` in the run folder."""

import json

import pytest

from eigenstep.live import Analyst, RunsFolder, detail

FOUND = {
    "modes": [
        {"first": 1, "last": 1, "name": "brightness", "statistics": ["brightness"]},
        {"first": 2, "last": 2, "name": "unnamed", "statistics": []},
        {"first": 3, "last": 4, "name": "chroma and extent", "statistics": ["chroma", "extent"]},
    ],
    "readable": {"in": "steps", "known_from": {"chroma": 4000, "brightness": 0, "edge strength": None}},
}


@pytest.fixture
def run(grow_run, tmp_path, monkeypatch):
    for name in ("LOOK_SECONDS", "LOOKS_APART"):
        monkeypatch.setattr(f"eigenstep.live._run_folder.{name}", 0)
    folder, path = RunsFolder(tmp_path), grow_run(rows=30).path

    def look(known=None):
        folder.refresh()
        (entry,) = folder.entries.values()
        Analyst(folder).judge(entry)
        return detail(entry, known or {})

    return path, look


def test_names_and_what_is_known_appear_when_they_are_written(run):
    path, look = run
    before = look()
    assert before["facts"]["meanings"] is None
    (path / "modes.json").write_text(json.dumps(FOUND))
    known = {"generation": before["generation"], "facts": before["facts"]["version"]}
    assert look(known)["facts"]["meanings"] == {
        "names": ["1 brightness", "3–4 chroma and extent"],
        "known": ["brightness from step 0", "chroma from step 4,000"],
    }


def test_of_a_name_without_end_the_page_gets_its_beginning(run):
    path, look = run
    endless = FOUND | {"modes": [{"first": 1, "last": 1, "name": "x" * 10**6, "statistics": ["x"]}]}
    (path / "modes.json").write_text(json.dumps(endless))
    (name,) = look()["facts"]["meanings"]["names"]
    assert len(name) <= 102
    assert name.startswith("1 xxx")


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        '{"modes": 3}',
        '{"modes": [], "readable": {"known_from": [1]}}',
        json.dumps(FOUND | {"modes": [{"first": 1, "last": 1, "name": [1], "statistics": [1]}]}),
    ],
)
def test_a_file_of_someone_else_says_nothing(run, content):
    path, look = run
    (path / "modes.json").write_text(content)
    assert look()["facts"]["meanings"] is None
