import json
import shutil

import numpy as np
import pytest

from eigenstep.live import state_of
from eigenstep.record import ROWS_KEPT, FollowedRun, read_record


def look(path):
    run = FollowedRun(path, path.name)
    run.refresh()
    return run


def indices(run):
    return [index for index, _ in run.kept["eigenvalues"].since(0)]


def test_a_short_run_is_kept_whole_as_read_record_reads_it(grow_run):
    run = grow_run(rows=40)
    followed, record = look(run.path), read_record(run.path)
    kept = followed.record(eigenvalues=indices(followed), projections=indices(followed))
    assert followed.problems == []
    assert list(kept.metrics) == list(record.metrics)
    for name, column in record.metrics.items():
        np.testing.assert_array_equal(kept.metrics[name], column)
    np.testing.assert_array_equal(kept.eigenvalues, record.eigenvalues)
    np.testing.assert_array_equal(kept.projections, record.projections)


def test_following_a_run_row_by_row_keeps_what_reading_it_at_the_end_keeps(grow_run, monkeypatch):
    monkeypatch.setattr("eigenstep.record._followed_run.ROWS_KEPT", 16)
    assert ROWS_KEPT > 16
    run = grow_run(rows=1)
    followed = look(run.path)
    for rows in (1, 5, 30, 1, 60):
        run.append(rows)
        followed.refresh()
    at_the_end = look(run.path)
    for name, kept in followed.kept.items():
        assert kept.stride == at_the_end.kept[name].stride
        np.testing.assert_array_equal(kept.rows(), at_the_end.kept[name].rows())
    assert len(followed.kept["metrics"].rows()) <= 17


def test_a_measure_that_comes_later_is_a_column_with_gaps_before(grow_run):
    run = grow_run(rows=3)
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": 6, "time": 0.6, "loss": 1, "measures": {"rank_me": 2.5}}) + "\n")
    metrics = look(run.path).record().metrics
    np.testing.assert_array_equal(metrics["measures/rank_me"], [np.nan, np.nan, np.nan, 2.5])


def test_a_run_that_went_back_to_a_checkpoint_is_another_generation(grow_run):
    run = grow_run(rows=20)
    followed = look(run.path)
    before = followed.generation
    followed.refresh()
    assert followed.generation == before
    run.writer.truncate(10)
    run.step = 10
    run.append(2, loss=77.0)
    followed.refresh()
    assert followed.generation != before
    assert followed.record().metrics["loss"][-2:].tolist() == [77.0, 77.0]
    assert followed.record().metrics["step"].tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_a_folder_that_is_deleted_and_made_again_is_read_anew(grow_run, writer):
    run = grow_run(rows=20)
    followed = look(run.path)
    shutil.rmtree(run.path)
    followed.refresh()
    assert followed.kept["metrics"].count == 0
    writer(run.path).append(5)
    followed.refresh()
    assert followed.record().metrics["step"].tolist() == [0, 2, 4, 6, 8]


BROKEN = {
    "config.yaml": "a: [1",
    "summary.json": '{"state": "fin',
    "prediction.json": "[]",
    "spectrum/eigenvalues.json": "{",
    "spectrum/projections.json": '{"columns": 3}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_costs_one_line_and_the_rest_is_shown(grow_run, name):
    run = grow_run(rows=5)
    (run.path / name).write_text(BROKEN[name])
    followed = look(run.path)
    assert len(followed.problems) == 1
    assert "\n" not in followed.problems[0]
    assert name.rsplit("/", 1)[-1] in followed.problems[0]
    assert followed.kept["metrics"].count == 5


@pytest.mark.parametrize(
    "text",
    [
        '{"epoch": 1, "accuracy": 0.5}\n' * 3,
        "not json\n",
        '{"step": "three"}\n{"step": [1]}\n',
        '{"step": 1' + "0" * 400 + "}\n",
        "[" * 100_000 + "\n",
        "\x00\x01\n",
    ],
    ids=["other names", "no json", "no numbers", "too large a number", "too deep", "bytes"],
)
def test_a_foreign_file_is_told_in_a_line(tmp_path, text):
    (tmp_path / "metrics.jsonl").write_text(text)
    run = look(tmp_path)
    assert len(run.problems) >= 1
    assert all("\n" not in problem for problem in run.problems)
    assert state_of(run, 1e12) == "unreadable"


def test_a_torn_line_in_the_middle_leaves_the_others(grow_run):
    run = grow_run(rows=4)
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write('{"step": 8, "lo{"step": 8}\n')
    run.step = 10
    run.append(2)
    followed = look(run.path)
    assert followed.problems == []
    assert followed.damage == ["metrics.jsonl: 1 of 7 lines are damaged and left out"]
    assert followed.count("metrics") == 6
    assert followed.record().metrics["step"].tolist() == [0, 2, 4, 6, 10, 12]


def test_a_damaged_row_is_neither_drawn_nor_judged_nor_counted_and_is_told(grow_run):
    run = grow_run(rows=5)
    file = run.path / "spectrum" / "eigenvalues.bin"
    content = bytearray(file.read_bytes())
    content[2 * len(content) // 5 + 20] ^= 1
    file.write_bytes(content)
    followed = look(run.path)
    assert followed.damage == ["eigenvalues.bin: 1 of 5 rows are damaged and left out"]
    assert followed.count("eigenvalues") == 4
    assert followed.record(eigenvalues=indices(followed)).eigenvalues["step"].tolist() == [0, 2, 6, 8]


def test_a_damaged_row_of_projections_is_left_out_and_told_once_it_was_read(grow_run):
    run = grow_run(rows=5)
    file = run.path / "spectrum" / "projections.bin"
    content = bytearray(file.read_bytes())
    content[2 * len(content) // 5 + 20] ^= 1
    file.write_bytes(content)
    followed = look(run.path)
    before = followed.fingerprint
    record = followed.record(projections=range(5))
    assert record.projections["step"].tolist() == [0, 2, 6, 8]
    told = "projections.bin: at least 1 of 5 rows are damaged and left out"
    assert followed.damage == [told]
    assert told in record.problems
    assert followed.fingerprint != before


def test_a_damaged_last_line_does_not_make_a_run_diverge(grow_run):
    run = grow_run(rows=5)
    lines = (run.path / "metrics.jsonl").read_bytes().split(b"\n")
    lines[-2] = lines[-2].replace(b'"loss": ', b'"loss": 1')
    (run.path / "metrics.jsonl").write_bytes(b"\n".join(lines))
    followed = look(run.path)
    assert followed.latest("metrics")[0] == 6
    assert state_of(followed, followed.modified) == "running"


def test_rows_out_of_order_are_judged_in_the_order_of_their_steps(grow_run):
    run = grow_run(rows=3)
    run.step = 2
    run.append(1, loss=77.0)
    record = look(run.path).record(eigenvalues=range(4), projections=range(4))
    assert record.metrics["step"].tolist() == [0, 2, 4]
    assert record.eigenvalues["step"].tolist() == record.projections["step"].tolist() == [0, 2, 4]
    assert record.metrics["loss"][1] == 77.0
