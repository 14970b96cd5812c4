"""Within its bounds a record is read, and one step beyond it is refused."""

import json
import os

import pytest

from eigenstep.record import check_bounded, read_bounded, read_record, read_tree

ROW = '{"step": 0, "time": 0, "loss": 1}\n'


@pytest.fixture
def read(tmp_path):
    """`read("config.yaml", text)`: the record of a run with such a file."""

    def write(name: str, text: str):
        (tmp_path / "metrics.jsonl").write_text(ROW)
        (tmp_path / name).write_text(text)
        return read_record(tmp_path)

    return write


def nested(levels: int) -> str:
    return '{"a": ' * levels + "1" + "}" * levels


BOUNDS = [
    ("config.yaml", lambda more: "# " + "x" * (2**16 - 8 + more) + "\na: 1\n", "characters"),
    ("config.yaml", lambda more: f"steps: {2**1024 - 1 + more}", "whole number"),
    ("summary.json", lambda more: nested(32 + more), "nested"),
    ("summary.json", lambda more: json.dumps({"a": [0] * (999_999 + more)}), "values"),
    ("prediction.json", lambda more: json.dumps({"gamma": [1.0] * (16_384 + more)}), "entries"),
]


@pytest.mark.parametrize(("name", "text", "word"), BOUNDS)
def test_what_is_at_the_bound_is_read_and_one_more_is_refused(read, name, text, word):
    read(name, text(0))
    with pytest.raises(ValueError, match=rf"{name}.*{word}"):
        read(name, text(1))


def test_a_line_of_a_megabyte_is_read_and_a_longer_one_is_left_out(read):
    start, end = '{"step": 1, "time": 1, "loss": 1, "note": "', '"}'
    text = start + "x" * (2**20 - len(start) - len(end) - 1) + end
    assert len(read("metrics.jsonl", ROW + text + "\n").metrics["step"]) == 2
    record = read("metrics.jsonl", ROW + text.replace("x", "xxx", 1) + "\n" + ROW.replace("0", "2"))
    assert record.metrics["step"].tolist() == [0, 2]
    assert "line 2" in record.problems[0]


def test_aliases_count_as_what_they_stand_for(tmp_path):
    file = tmp_path / "config.yaml"
    thousand = f"a: &a [{', '.join('1' * 990)}]\n"
    file.write_text(thousand + f"b: [{', '.join(['*a'] * 1000)}]\n")
    assert len(read_tree(file)["b"]) == 1000
    file.write_text(thousand + f"b: [{', '.join(['*a'] * 1020)}]\n")
    with pytest.raises(ValueError, match="written out"):
        read_tree(file)


def test_a_file_is_inside_its_folder_wherever_it_lies_and_however_it_is_named(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "real.txt").write_text("inside")
    (tmp_path / "secret.txt").write_text("outside")
    (tmp_path / "run" / "link.txt").symlink_to("real.txt")
    (tmp_path / "again").symlink_to("run")
    (tmp_path / "run" / "up").symlink_to("..")
    for folder in (tmp_path / "run", tmp_path / "again"):
        assert read_bounded(folder / "link.txt", folder=folder) == b"inside"
        for name in ("../secret.txt", "up/secret.txt", str(tmp_path / "secret.txt")):
            with pytest.raises(ValueError, match="leads out of the run folder"):
                read_bounded(folder / name, folder=folder)


def test_a_size_is_that_of_the_file_and_not_of_its_blocks(tmp_path):
    file = tmp_path / "sparse"
    file.touch()
    os.truncate(file, 1000)
    check_bounded(file, 1000)
    with pytest.raises(ValueError, match="has 1,000 bytes; expected at most 999"):
        check_bounded(file, 999)
