"""Tables: columns of vectors, or a column a dimension, of Parquet, Arrow and text."""

import decimal
import gzip
import tracemalloc

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch

from eigenstep.embeddings import open_rows

VALUES = np.random.default_rng(0).normal(size=(40, 12))
LABELS = np.arange(40) % 3
ROWS = VALUES.tolist()
NAMED = pd.DataFrame(VALUES, columns=[f"f{place}" for place in range(12)])
COUNTED = pd.DataFrame(VALUES)
BY_ID = NAMED.set_index(pd.Index([f"img{row}" for row in range(40)], name="id"))


def read(path, column=None, size=7):
    blocks = list(open_rows(path, column).blocks(size))
    assert all(len(block) <= size for block in blocks)
    return torch.cat(blocks).double().numpy()


def as_stream(table, path):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=9)


@pytest.mark.parametrize(
    "column",
    [
        pa.FixedShapeTensorArray.from_numpy_ndarray(VALUES),
        pa.FixedShapeTensorArray.from_numpy_ndarray(VALUES[:, None]),
        pa.array(list(VALUES.astype("f2")), pa.list_(pa.float16())),
        pa.array([[decimal.Decimal(f"{value:.4f}") for value in row] for row in ROWS]),
        pa.array([[row] for row in ROWS]),
        pa.array([[[value] for value in row] for row in ROWS]),
        pa.array(ROWS, pa.large_list(pa.float32())),
    ],
    ids=lambda column: str(column.type)[:40],
)
@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrow"])
def test_columns_of_vectors_of_any_kind_are_read(tmp_path, column, suffix):
    path, table = tmp_path / f"z{suffix}", pa.table({"z": column, "label": LABELS})
    if suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=9)
    elif suffix == ".feather":
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=9)
    else:
        as_stream(table, path)
    np.testing.assert_allclose(read(path), VALUES, atol=2e-3)
    np.testing.assert_array_equal(open_rows(path).labels()[0], LABELS)


def test_what_datasets_writes_is_read(tmp_path):
    datasets.disable_progress_bars()
    columns = {"z": VALUES[:, None].tolist(), "label": LABELS.tolist()}
    features = datasets.Features(
        {"z": datasets.Array2D((1, 12), "float64"), "label": datasets.Value("int64")}
    )
    made = datasets.Dataset.from_dict(columns, features=features)
    made.to_parquet(tmp_path / "z.parquet")
    made.save_to_disk(tmp_path / "folder")
    for path in (tmp_path / "z.parquet", *(tmp_path / "folder").glob("*.arrow")):
        np.testing.assert_array_equal(read(path), VALUES)
        assert open_rows(path).taken == "40×1×12 without axes of length one"


def test_arrays_of_two_axes_are_no_vectors(tmp_path):
    column = pa.FixedShapeTensorArray.from_numpy_ndarray(VALUES.reshape(40, 3, 4))
    parquet.write_table(pa.table({"z": column}), tmp_path / "z.parquet")
    with pytest.raises(
        ValueError, match=r"expected numbers of shape \(rows, dimensions\), got 40×3×4 of double"
    ):
        open_rows(tmp_path / "z.parquet")


WIDE = {
    "names": (NAMED, {"index": False}, "12 columns, f0 to f11"),
    "index": (NAMED, {}, "12 columns, f0 to f11; not taken: "),
    "ids": (BY_ID, {}, "12 columns, f0 to f11; not taken: id"),
    "label": (NAMED.assign(label=LABELS), {"index": False}, "12 columns, f0 to f11; not taken: label"),
    "score": (NAMED.assign(score=0.5), {"index": False}, "12 columns, f0 to f11; not taken: score"),
    "counted": (COUNTED.rename(columns=str), {"index": False}, "12 columns, 0 to 11"),
    "words": (
        pd.DataFrame(VALUES, columns=list("abcdefghijkl")).assign(label=LABELS / 2),
        {"index": False},
        "12 columns, a to l; not taken: label",
    ),
}


@pytest.mark.parametrize("case", WIDE)
@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".csv", ".tsv", ".csv.gz"])
def test_a_column_a_dimension_is_one_array_and_what_was_taken_is_told(tmp_path, case, suffix):
    frame, options, taken = WIDE[case]
    path = tmp_path / f"z{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path, index=options.get("index"))
    elif suffix == ".feather":
        frame.reset_index(drop=options.get("index") is False or case == "index").to_feather(path)
    else:
        frame.to_csv(path, sep="\t" if suffix == ".tsv" else ",", **options)
    np.testing.assert_allclose(read(path), VALUES, rtol=1e-15)
    assert open_rows(path).taken.startswith(taken.partition(";")[0] if case == "index" else taken)


@pytest.mark.parametrize(
    ("frame", "options", "taken"),
    [
        (COUNTED, {"index": False}, "12 columns, 0 to 11"),
        (COUNTED.assign(label=LABELS), {"index": False}, "12 columns, 0 to 11; not taken: 12"),
        (COUNTED, {}, "12 columns, 1 to 12; not taken: 0"),
        (BY_ID, {}, "12 columns, 1 to 12; not taken: 0"),
    ],
    ids=["numbers", "label last", "index first", "ids first"],
)
def test_lines_without_names_are_rows_of_fractions(tmp_path, frame, options, taken):
    frame.to_csv(tmp_path / "z.csv", header=False, **options)
    np.testing.assert_allclose(read(tmp_path / "z.csv"), VALUES, rtol=1e-15)
    assert open_rows(tmp_path / "z.csv").taken == taken


@pytest.mark.parametrize("names", ["x,y,z,notes\n", "x,y,z,\n", ""], ids=["notes", "comma", "no names"])
def test_a_column_of_text_without_any_value_is_no_dimension(tmp_path, names):
    lines = [",".join(map(repr, row[:3])) + ",\n" for row in ROWS]
    (tmp_path / "z.csv").write_text(names + "".join(lines))
    np.testing.assert_array_equal(read(tmp_path / "z.csv"), VALUES[:, :3])


def test_a_missing_value_in_the_first_row_makes_no_names_of_it(tmp_path):
    (tmp_path / "z.csv").write_text("0.1,,0.3\n0.2,0.4,0.5\n0.3,0.1,0.2\n")
    np.testing.assert_array_equal(read(tmp_path / "z.csv")[0], [0.1, np.nan, 0.3])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_the_first_thousand_rows_tell_whether_a_column_has_values(tmp_path, suffix):
    places, values = np.arange(1200), np.random.default_rng(0).normal(size=(1200, 4))
    frame = pd.DataFrame(values, columns=list("xyzw"))
    frame["early"], frame["late"] = (np.where(places < first, np.nan, 0.5) for first in (900, 1100))
    path = tmp_path / f"z{suffix}"
    write = {".csv": frame.to_csv, ".parquet": frame.to_parquet, ".feather": frame.to_feather}[suffix]
    write(path, **({"index": False} if suffix == ".csv" else {}))
    assert open_rows(path).taken == "5 columns, x to early; not taken: late"


def test_a_first_batch_without_values_is_not_all_that_tells(tmp_path):
    frame = NAMED[["f0", "f1", "f2"]].copy()
    frame.loc[:9, "f1"] = np.nan
    as_stream(pa.Table.from_pandas(frame, preserve_index=False), tmp_path / "z.arrow")
    assert open_rows(tmp_path / "z.arrow").taken == "3 columns, f0 to f2"


def test_labels_are_read_without_all_lines_of_the_file_in_memory(tmp_path):
    words = "x" * 500
    with open(tmp_path / "z.csv", "w") as file:
        file.write("f0,f1,label,words\n")
        file.writelines(f"0.5,1.5,{row},{words}\n" for row in range(200_000))
    rows = open_rows(tmp_path / "z.csv")
    tracemalloc.start()
    try:
        labels, _ = rows.labels()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(labels, np.arange(200_000))
    assert peak < 100e6  # all lines are 120 MB and more


def test_a_column_of_vectors_is_not_read_to_know_their_length(tmp_path):
    values = np.random.default_rng(0).normal(size=(100_000, 32))
    table = pa.table({"z": pa.FixedSizeListArray.from_arrays(values.ravel(), 32)})
    parquet.write_table(table.cast(pa.schema({"z": pa.list_(pa.float64())})), tmp_path / "z.parquet")
    before, watched = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(watched)
    try:
        assert open_rows(tmp_path / "z.parquet").dim == 32
    finally:
        pa.set_memory_pool(before)
    assert watched.max_memory() < values.nbytes / 2


def test_a_row_of_another_length_far_down_is_named_by_its_number(tmp_path):
    lines = ["f0,f1,label", *["0.5,1.5,3"] * 70_000, "0.5,1.5"]
    (tmp_path / "z.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="row 70000 has 2 values, expected 3"):
        open_rows(tmp_path / "z.csv").labels()


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
def test_numpys_text_is_read_with_any_separator(tmp_path, separator):
    np.savetxt(tmp_path / "z.csv", VALUES, delimiter=separator)
    np.testing.assert_array_equal(read(tmp_path / "z.csv"), VALUES)


def test_marks_ends_of_lines_and_quotes_of_other_systems_do_not_matter(tmp_path):
    lines = ["id," + ",".join(NAMED), *(f'"a, {row}",' + ",".join(map(repr, row)) for row in ROWS)]
    (tmp_path / "z.csv").write_text("\r\n".join(lines) + "\r\n\r\n", encoding="utf-8-sig")
    np.testing.assert_array_equal(read(tmp_path / "z.csv"), VALUES)


def test_lists_as_texts_are_vectors(tmp_path):
    pd.DataFrame({"label": LABELS, "z": ROWS}).to_csv(tmp_path / "z.csv", index=False)
    np.testing.assert_array_equal(read(tmp_path / "z.csv"), VALUES)
    assert open_rows(tmp_path / "z.csv").column == "z"


def test_labels_and_names_of_a_text_table(tmp_path):
    words = np.array(["cat", "dog", ""])[LABELS]
    BY_ID.assign(label=LABELS, word=words).to_csv(tmp_path / "z.csv")
    rows = open_rows(tmp_path / "z.csv")
    np.testing.assert_array_equal(rows.labels()[0], LABELS)
    found, given = rows.labels("word")
    np.testing.assert_array_equal(found, words)
    np.testing.assert_array_equal(given, words != "")
    assert rows.labels("id")[0][7] == "img7"


def test_two_groups_of_numbered_columns_are_two_arrays(tmp_path):
    other = pd.DataFrame(2 * VALUES, columns=[f"g_{place}" for place in range(12)])
    pd.concat([NAMED, other], axis=1).to_parquet(tmp_path / "z.parquet")
    with pytest.raises(ValueError, match=r"name one as column: f \(40×12 of double\), g \("):
        open_rows(tmp_path / "z.parquet")
    np.testing.assert_array_equal(read(tmp_path / "z.parquet", "g"), 2 * VALUES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected rows of numbers"),
        (b"\x82\xff\x00,1\n" * 9, "is not a table of text"),
        (b"a,a\n1,2\n", "expected a name of its own for each column, got a, a"),
        (b"a,b\nx,y\n", "expected a column of vectors"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(tmp_path, content, message):
    for path, written in ((tmp_path / "z.csv", content), (tmp_path / "z.csv.gz", gzip.compress(content))):
        path.write_bytes(written)
        with pytest.raises(ValueError, match=message):
            open_rows(path)


def test_a_compressed_table_that_was_cut_off_is_refused(tmp_path):
    np.savetxt(tmp_path / "z.csv.gz", VALUES, delimiter=",")
    content = (tmp_path / "z.csv.gz").read_bytes()
    for damaged in (content[:-20], b"1,2\n3,4\n", content[:500] + bytes(100) + content[600:]):
        (tmp_path / "z.csv.gz").write_bytes(damaged)
        with pytest.raises(ValueError, match="is not a table of text"):
            open_rows(tmp_path / "z.csv.gz")
