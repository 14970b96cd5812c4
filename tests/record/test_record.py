import json

import numpy as np
import pytest

from eigenstep.record import FollowedRun, RecordWriter, find_runs, is_run, read_record


def write(path, steps, dim=3, probe=4):
    writer = RecordWriter(path, dim, features=2, probe=probe, directions=2)
    writer.write_probe(np.full((probe, 5, 5, 3), 7, np.uint8))
    for step in steps:
        append(writer, step, dim, probe)
    return writer


def append(writer, step, dim=3, probe=4):
    values = step + np.arange(dim, dtype=float)
    writer.append(
        step,
        0.1 * step,
        {"cross_correlation": values, "covariance": 2 * values, "features": np.array([step, 0.5])},
        np.full((probe, 2), step),
        terms={"invariance": step / 2},
        loss=10.0 - step,
        learning_rate=0.1,
    )


def contents(path):
    return {file.name: file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def test_what_is_written_is_read_back(tmp_path):
    write(tmp_path, [0, 10, 20])
    record = read_record(tmp_path)
    assert record.metrics["step"].tolist() == [0, 10, 20]
    assert record.metrics["loss"].tolist() == [10, 0, -10]
    assert record.metrics["terms/invariance"].tolist() == [0, 5, 10]
    assert record.eigenvalues["cross_correlation"][1].tolist() == [10, 11, 12]
    assert record.eigenvalues["time"].tolist() == [0, 1, 2]
    assert record.projections["points"].shape == (3, 4, 2)
    assert record.probe.shape == (4, 5, 5, 3)
    assert record.summary is None
    assert record.config == {}


def test_the_documented_lines_read_a_table_without_eigenstep(tmp_path):
    write(tmp_path, [0, 10])
    layout = json.loads((tmp_path / "spectrum/eigenvalues.json").read_text())
    dtype = np.dtype([(name, kind, tuple(shape)) for name, kind, shape in layout["columns"]])
    rows = np.fromfile(tmp_path / "spectrum/eigenvalues.bin", dtype)
    assert rows["step"].tolist() == [0, 10]
    assert rows["covariance"][0].tolist() == [0, 2, 4]


def test_files_cut_at_any_byte_still_open_with_their_complete_rows(tmp_path):
    write(tmp_path, [0, 10, 20])
    for name in ("metrics.jsonl", "spectrum/eigenvalues.bin", "spectrum/projections.bin"):
        whole = (tmp_path / name).read_bytes()
        for cut in range(1, len(whole), 7):
            (tmp_path / name).write_bytes(whole[:cut])
            record = read_record(tmp_path)
            lengths = [len(record.metrics.get("step", [])), len(record.eigenvalues), len(record.projections)]
            assert sorted(lengths)[1:] == [3, 3]
            assert min(lengths) == min(3, 3 * cut // len(whole)) or name == "metrics.jsonl"
        (tmp_path / name).write_bytes(whole)


def test_a_record_cut_back_and_continued_equals_an_uninterrupted_one(tmp_path):
    write(tmp_path / "whole", range(0, 50, 10))
    writer = write(tmp_path / "cut", range(0, 50, 10))
    for name in ("metrics.jsonl", "spectrum/eigenvalues.bin", "spectrum/projections.bin"):
        with open(tmp_path / "cut" / name, "ab") as file:
            file.write(b'{"torn')
    writer = RecordWriter(tmp_path / "cut", 3, features=2, probe=4, directions=2)
    writer.truncate(20)
    for step in range(20, 50, 10):
        append(writer, step)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_a_loss_that_is_not_finite_is_written_as_json_null_and_read_as_nan(tmp_path):
    writer = RecordWriter(tmp_path, 1)
    writer.append(0, 0.0, {"cross_correlation": np.ones(1), "covariance": np.ones(1)}, loss=float("nan"))
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["loss"] is None
    assert (
        "loss" not in read_record(tmp_path).metrics or np.isnan(read_record(tmp_path).metrics["loss"]).all()
    )


def test_a_folder_of_another_layout_is_refused_and_kept(tmp_path):
    write(tmp_path, [0])
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="use another run folder"):
        RecordWriter(tmp_path, dim=5)
    assert contents(tmp_path) == before


def test_runs_are_found_in_a_folder_by_name_and_foreign_folders_are_passed_over(tmp_path):
    for name in ("b", "a"):
        write(tmp_path / name, [0])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("not a run")
    assert [run.name for run in find_runs(tmp_path)] == ["a", "b"]
    assert find_runs(tmp_path / "a") == [tmp_path / "a"]
    assert not is_run(tmp_path / "notes")


@pytest.mark.parametrize("read", [read_record, find_runs])
def test_a_folder_without_runs_is_refused_in_one_line(tmp_path, read):
    with pytest.raises(FileNotFoundError, match=r"expected a (run )?folder"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing")


def test_a_damaged_line_is_left_out_and_named(tmp_path):
    write(tmp_path, [0, 10, 20])
    lines = (tmp_path / "metrics.jsonl").read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b'"time": ', b'"time": 1')  # which is JSON all the same
    (tmp_path / "metrics.jsonl").write_bytes(b"nonsense\n" + b"\n".join(lines))
    record = read_record(tmp_path)
    assert record.metrics["step"].tolist() == [0, 20]
    assert [problem.partition(" (")[0] for problem in record.problems] == [
        "metrics.jsonl: line 1 is damaged and left out",
        "metrics.jsonl: line 3 is damaged and left out",
    ]


def test_a_damaged_row_is_left_out_and_counted(tmp_path):
    write(tmp_path, [0, 10, 20])
    file = tmp_path / "spectrum" / "eigenvalues.bin"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    record = read_record(tmp_path)
    assert record.eigenvalues["step"].tolist() == [0, 20]
    assert record.problems == ("eigenvalues.bin: 1 of 3 rows are damaged and left out",)


def test_rows_are_in_the_order_of_their_steps_and_the_last_of_each_counts(tmp_path):
    writer = RecordWriter(tmp_path, 2)
    for number, step in enumerate([0, 20, 10, 20, 30]):
        row = {"cross_correlation": np.full(2, number), "covariance": np.ones(2)}
        writer.append(step, step / 10, row, loss=float(number))
    record = read_record(tmp_path)
    assert record.metrics["step"].tolist() == record.eigenvalues["step"].tolist() == [0, 10, 20, 30]
    assert (
        record.metrics["loss"].tolist()
        == record.eigenvalues["cross_correlation"][:, 0].tolist()
        == [0, 2, 3, 4]
    )
    writer.truncate(20)
    assert read_record(tmp_path).eigenvalues["step"].tolist() == [0, 10]


def test_a_record_of_a_version_without_checksums_is_read_and_gone_on_with(tmp_path):
    (tmp_path / "spectrum").mkdir()
    columns = [["step", "<i8", []], ["time", "<f8", []]]
    columns += [["cross_correlation", "<f8", [2]], ["covariance", "<f8", [2]]]
    layout = tmp_path / "spectrum" / "eigenvalues.json"
    layout.write_text(json.dumps({"columns": columns}))
    rows = np.ones(2, [(name, kind, tuple(shape)) for name, kind, shape in columns])
    rows["step"] = [0, 10]
    rows.tofile(layout.with_suffix(".bin"))
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "time": 0.0}\n{"step": 10, "time": 1.0}\n')
    np.testing.assert_array_equal(read_record(tmp_path).eigenvalues, rows)
    writer = RecordWriter(tmp_path, 2, start=10)
    writer.append(10, 1.0, {"cross_correlation": np.zeros(2), "covariance": np.zeros(2)}, loss=0.0)
    record = read_record(tmp_path)
    assert record.eigenvalues["cross_correlation"].tolist() == [[1, 1], [0, 0]]
    assert record.metrics["step"].tolist() == [0, 10]
    assert record.problems == ()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.yaml", "a: [1", "holds no configuration"),
        ("config.yaml", "hello", "holds no configuration .*got str"),
        ("summary.json", "[1]", "is not a JSON object .*got list"),
        ("prediction.json", "{", "is no closed form"),
        ("spectrum/eigenvalues.json", "{}", "does not describe a table's columns"),
        ("spectrum/eigenvalues.json", '{"columns": [1]}', "does not describe a table's columns"),
        ("spectrum/probe.npy", "", "holds no array"),
        ("metrics.jsonl", "3\n", "a line that is not a JSON object, and no other .*got int"),
        ("metrics.jsonl", '{"step": 0, "terms": [1]}\n', "names and values as terms, got list"),
        ("metrics.jsonl", '{"step": 0, "terms": {"a": "b"}}\n', "a value that is not a number"),
    ],
)
def test_a_file_in_another_form_is_refused_by_its_name(tmp_path, name, content, message):
    write(tmp_path, [0])
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_record(tmp_path)
    assert str(tmp_path / name) in str(caught.value)


def test_a_measurement_without_its_step_is_left_out(tmp_path):
    write(tmp_path, [0, 10])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"time": 3.0, "loss": 1.0}\n')
    assert read_record(tmp_path).metrics["step"].tolist() == [0, 10]


def test_timings_are_read_as_columns_and_are_empty_where_none_were_written(tmp_path):
    write(tmp_path, [0])
    assert read_record(tmp_path).timings == {}
    (tmp_path / "timings.jsonl").write_text('{"step": 0, "seconds": 1.5}\n{"step": 9, "seconds": 3.0}\n')
    assert read_record(tmp_path).timings["seconds"].tolist() == [1.5, 3.0]


def test_a_writer_that_begins_writes_its_configuration_and_one_that_goes_on_forgets_how_it_ended(tmp_path):
    write(tmp_path, [0, 10, 20])
    RecordWriter(tmp_path, 3, features=2, probe=4, directions=2, config="a: 1").finish(
        "stopped", 20, images=3
    )
    record = read_record(tmp_path)
    assert record.config == {"a": 1}
    assert record.summary == {"state": "stopped", "step": 20, "images": 3}
    RecordWriter(tmp_path, 3, features=2, probe=4, directions=2, config="a: 2", start=20)
    record = read_record(tmp_path)
    assert (record.config, record.summary) == ({"a": 2}, None)
    assert record.metrics["step"].tolist() == record.eigenvalues["step"].tolist() == [0, 10]


def test_lines_beside_the_measurements_are_read_as_columns_and_forgotten_with_them(tmp_path):
    writer = write(tmp_path, [0, 10])
    for step in (0, 10):
        writer.append_to("timings", {"step": step, "seconds": 0.5})
        writer.append_to("probes", {"step": step, "time": 0.1, "knn_features": 0.25})
    record = read_record(tmp_path)
    assert record.timings["seconds"].tolist() == [0.5, 0.5]
    assert record.probes["knn_features"].tolist() == [0.25, 0.25]
    writer.truncate(10)
    record = read_record(tmp_path)
    assert record.timings["step"].tolist() == record.probes["step"].tolist() == [0]


def test_a_closed_form_is_kept_as_it_is_and_refused_with_numbers_that_json_lacks(tmp_path):
    writer = RecordWriter(tmp_path, 1)
    writer.write_prediction({"gamma": [2.0, 1.0]})
    assert read_record(tmp_path).prediction == {"gamma": [2.0, 1.0]}
    with pytest.raises(ValueError, match="JSON"):
        writer.write_prediction({"half_times": [float("inf")]})
    assert read_record(tmp_path).prediction == {"gamma": [2.0, 1.0]}


def test_a_metric_that_nobody_knows_is_a_column_for_who_reads_and_for_who_follows(tmp_path):
    line = {"step": 0, "time": 0.0, "loss": 1.0, "novel": 2.5, "advice": {"risk": 0.5, "note": "x"}}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    followed = FollowedRun(tmp_path, "run")
    followed.refresh()
    for record in (read_record(tmp_path), followed.record()):
        assert {name: column.tolist() for name, column in record.metrics.items()} == {
            "step": [0],
            "time": [0.0],
            "loss": [1.0],
            "novel": [2.5],
            "advice/risk": [0.5],
        }


@pytest.mark.parametrize("number", ["1" + "0" * 400, "[" * 100_000])
def test_a_number_or_a_depth_beyond_all_bounds_is_refused_by_the_files_name(tmp_path, number):
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": {number}}}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl has a"):
        read_record(tmp_path)


def test_a_measure_that_was_renamed_is_read_under_its_new_name(tmp_path):
    rows = [{"step": step, "time": step, "loss": 1.0, "measures": {"learned_modes": 2.0}} for step in (0, 1)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    metrics = read_record(tmp_path).metrics
    assert metrics["measures/modes_past_half"].tolist() == [2.0, 2.0]
    assert "measures/learned_modes" not in metrics


def test_a_resumed_run_drops_the_damaged_row_and_keeps_those_behind_it(tmp_path):
    writer = write(tmp_path, [0, 5, 10])
    file = tmp_path / "spectrum" / "eigenvalues.bin"
    size = file.stat().st_size // 3
    content = bytearray(file.read_bytes())
    content[size + 3] ^= 1
    file.write_bytes(content)
    writer.truncate(10)
    append(writer, 10)
    record = read_record(tmp_path)
    assert record.eigenvalues["step"].tolist() == [0, 10]
    assert record.problems == ()


@pytest.mark.parametrize(
    "broken",
    [{"loss": object()}, {"eigenvalues": {"cross_correlation": np.ones(7)}}, {"points": np.ones((9, 9))}],
)
def test_a_measurement_that_cannot_be_written_leaves_nothing(tmp_path, broken):
    write(tmp_path, [0])
    writer = RecordWriter(tmp_path, 3, features=2, probe=4, directions=2)
    given = {
        "eigenvalues": {"cross_correlation": np.ones(3)},
        "points": np.ones((4, 2)),
        "loss": 1.0,
    } | broken
    with pytest.raises((TypeError, ValueError)):
        writer.append(np.int64(5), 0.5, given.pop("eigenvalues"), given.pop("points"), **given)
    record = read_record(tmp_path)
    for rows in (record.metrics, record.eigenvalues, record.projections):
        assert rows["step"].tolist() == [0]
    append(writer, np.int64(5))
    assert read_record(tmp_path).metrics["step"].tolist() == [0, 5]


@pytest.mark.parametrize("name", ["metrics.jsonl", "timings.jsonl"])
def test_a_run_whose_only_line_is_damaged_can_be_gone_on_with(tmp_path, name):
    writer = write(tmp_path, [0])
    writer.append_to("timings", {"step": 0, "seconds": 1.0})
    file = tmp_path / name
    file.write_bytes(file.read_bytes().replace(b'"step"', b'"stop"'))
    resumed = RecordWriter(tmp_path, 3, features=2, probe=4, directions=2, start=0)
    append(resumed, 0)
    assert read_record(tmp_path).metrics["step"].tolist() == [0]


def test_a_probe_batch_larger_than_what_is_read_back_is_left_out_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr("eigenstep.record._writer.THUMBNAIL_BYTES", 20_000)
    writer = RecordWriter(tmp_path / "run", 2, features=0, probe=8, directions=2)
    with pytest.warns(UserWarning, match=r"the 8 images of the probe batch .* --record\.probe"):
        writer.write_probe(np.zeros((8, 40, 40, 3), np.uint16))
    assert read_record(tmp_path / "run").probe is None
    writer.write_probe(np.zeros((8, 8, 8, 12), np.uint16))
    assert read_record(tmp_path / "run").probe.shape == (8, 8, 8, 12)
