import json

import numpy as np
import pytest

from eigenstep.record import GrowingLines, GrowingTable, Table


@pytest.fixture
def lines(tmp_path):
    return GrowingLines(tmp_path / "metrics.jsonl")


def append(lines, text):
    with open(lines.path, "a") as file:
        file.write(text)


def test_only_complete_lines_are_read_and_later_ones_as_they_come(lines):
    assert lines.refresh() is False
    assert len(lines) == 0
    append(lines, '{"step": 0}\n{"step": 5}\n{"st')
    assert lines.refresh() is False
    assert lines.read(range(len(lines))) == [{"step": 0}, {"step": 5}]
    append(lines, 'ep": 10}\n')
    assert lines.refresh() is False
    assert lines.read([2]) == [{"step": 10}]


def test_what_is_no_object_is_a_line_without_content(lines):
    append(lines, 'not json\n[1]\n{"step": 1}\n\n\x00\n')
    lines.refresh()
    assert lines.read(range(len(lines))) == [None, None, {"step": 1}, None, None]


def test_a_long_file_is_read_in_pieces(tmp_path):
    lines = GrowingLines(tmp_path / "metrics.jsonl", chunk=7)
    append(lines, "".join(json.dumps({"step": step}) + "\n" for step in range(200)))
    lines.refresh()
    assert [row["step"] for row in lines.read(range(200))] == list(range(200))


@pytest.mark.parametrize("change", ["cut", "replaced", "cut and grown past where it was", "removed"])
def test_a_file_that_is_no_longer_the_one_read_begins_anew(lines, change):
    append(lines, '{"step": 0}\n{"step": 5}\n{"step": 10}\n')
    lines.refresh()
    if change == "removed":
        lines.path.unlink()
        assert lines.refresh() is True
        assert len(lines) == 0
        return
    if change == "replaced":
        (lines.path.parent / "aside").write_text('{"step": 0}\n{"step": 5}\n{"step": 10}\n{"step": 15}\n')
        (lines.path.parent / "aside").replace(lines.path)
    else:
        lines.path.write_text('{"step": 1}\n')
        if change.endswith("was"):
            append(lines, "".join(f'{{"step": {step}}}\n' for step in range(2, 30)))
    assert lines.refresh() is True
    assert [row["step"] for row in lines.read(range(len(lines)))][:1] == [0 if change == "replaced" else 1]
    assert lines.refresh() is False


def test_a_file_only_appended_to_never_begins_anew(lines):
    for step in range(50):
        append(lines, f'{{"step": {step}, "text": "{"x" * step}"}}\n'[: None if step % 3 else -1])
        append(lines, "" if step % 3 else "\n")
        assert lines.refresh() is False
        assert lines.read([step])[0]["step"] == step


@pytest.fixture
def table(tmp_path):
    return GrowingTable(tmp_path / "eigenvalues")


def fill(path, steps):
    rows = Table(path, {"values": ("<f8", (3,))})
    for step in steps:
        rows.append(step=step, time=0.1 * step, values=np.full(3, step))
    return rows


def test_rows_of_a_table_are_read_by_index_and_a_torn_one_is_left_out(table, tmp_path):
    assert table.refresh() is False
    fill(tmp_path / "eigenvalues", range(5))
    with open(table.rows, "ab") as file:
        file.write(b"torn")
    assert table.refresh() is False
    assert len(table) == 5
    assert table.read([0, 3])["values"].tolist() == [[0.0] * 3, [3.0] * 3]


def test_a_table_that_a_resumed_run_cut_short_begins_anew(table, tmp_path):
    rows = fill(tmp_path / "eigenvalues", range(5))
    table.refresh()
    rows.truncate(3)
    assert table.refresh() is True
    assert len(table) == 3
    fill(tmp_path / "eigenvalues", [3])
    assert table.refresh() is False
    rows.truncate(2)
    fill(tmp_path / "eigenvalues", [20, 21, 22])
    assert table.refresh() is True
    assert table.read(range(len(table)))["step"].tolist() == [0, 1, 20, 21, 22]


def test_rows_cut_away_between_look_and_reading_are_left_out(table, tmp_path):
    rows = fill(tmp_path / "eigenvalues", range(5))
    table.refresh()
    rows.truncate(2)
    assert table.read(range(5))["step"].tolist() == [0, 1]


@pytest.mark.parametrize(
    "layout", ["{", "{}", '{"columns": [["step", "O", []]]}', '{"columns": [["a", "<f8", []]]}']
)
def test_a_layout_that_is_not_in_the_documented_form_is_told(table, tmp_path, layout):
    fill(tmp_path / "eigenvalues", range(5))
    table.layout.path.write_text(layout)
    with pytest.raises(ValueError, match=r"eigenvalues\.json cannot be read"):
        table.refresh()
    assert len(table) == 0
