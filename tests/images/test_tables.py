"""Tables of images as other tools write them, read where they lie."""

import csv
import io
import json
import os
import pickle
import shutil

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from eigenstep.images import ImagesConfig, find_source, load_images

COUNT = 7


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def contents(png):
    return [png(row) for row in range(COUNT)]


def rows(data, rows_of, **options):
    found = load_images(str(data), ImagesConfig(size=4, **options))
    assert found.broken == []
    return rows_of(found.images)


def write_arrow(new):
    def write(table, path):
        with new(str(path), table.schema) as stream:
            stream.write_table(table, max_chunksize=3)

    return write


WRITERS = {
    "a.parquet": lambda table, path: parquet.write_table(table, path, row_group_size=3),
    "b.arrow": write_arrow(pa.ipc.new_stream),
    "c.arrow": write_arrow(pa.ipc.new_file),
    "d.feather": lambda table, path: feather.write_feather(table, path, compression="lz4", chunksize=3),
    "without suffix": lambda table, path: parquet.write_table(table, path),
    "misnamed.txt": write_arrow(pa.ipc.new_file),
    "misnamed.parquet": write_arrow(pa.ipc.new_file),
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_tables_are_read_as_pyarrow_reads_them(name, folder, contents, rows_of):
    WRITERS[name](pa.table({"i": [{"bytes": content, "path": None} for content in contents]}), folder / name)
    assert rows(folder, rows_of) == rows(folder / name, rows_of) == list(range(COUNT))


ENCODED = {
    "binary": pa.binary(), "large binary": pa.large_binary(), "binary view": pa.binary_view(),
    "dictionary": None, "struct": pa.struct({"path": pa.string(), "bytes": pa.large_binary()}),
}  # fmt: skip


@pytest.mark.parametrize("kind", ENCODED)
@pytest.mark.parametrize("nested", [False, True])
def test_encoded_images_are_found_in_columns_of_any_kind(kind, nested, folder, contents, rows_of):
    values = [{"bytes": content, "path": "x"} for content in contents] if kind == "struct" else contents
    if kind == "dictionary":
        column = pa.array(values)
    else:
        column = pa.array(values, ENCODED[kind])
    other = pa.array([b"no image"] * COUNT)
    if nested:
        column, other = (pa.StructArray.from_arrays([each], ["within"]) for each in (column, other))
    table = pa.table({"blob": other, "photo": column, "text": ["x"] * COUNT})
    write_arrow(pa.ipc.new_file)(table, folder / "b.arrow")
    if kind != "binary view":  # which pyarrow does not write in structs
        dictionary = kind == "dictionary"
        parquet.write_table(table, folder / "a.parquet", use_dictionary=dictionary, row_group_size=2)
    for path in folder.iterdir():
        assert rows(path, rows_of) == list(range(COUNT))
        assert rows(path, rows_of, column="photo.within" if nested else "photo") == list(range(COUNT))


def test_rows_in_any_order_are_those_rows(folder, contents):
    parquet.write_table(pa.table({"i": contents}), folder / "a.parquet", row_group_size=2)
    write_arrow(pa.ipc.new_stream)(pa.table({"i": contents}), folder / "b.arrow")
    opened = find_source(str(folder)).open(ImagesConfig())
    both = contents * 2
    for order in np.random.default_rng(0).integers(2 * COUNT, size=(20, 5)).tolist():
        assert [record.content for record in opened.records(order)] == [both[row] for row in order]
    again = pickle.loads(pickle.dumps(opened))
    assert [record.content for record in again.records([13, 2])] == [both[13], both[2]]
    assert len(pickle.dumps(opened)) < 10_000


def test_few_rows_are_read_of_few_groups_and_what_is_kept_is_bounded(folder, monkeypatch):
    generator = np.random.default_rng(0)
    contents = [b"\x89PNG\r\n\x1a\n" + generator.bytes(1000) for _ in range(100)]
    parquet.write_table(pa.table({"i": contents}), folder / "a.parquet", row_group_size=10)
    read, whole = [], parquet.ParquetFile.read_row_group
    monkeypatch.setattr("eigenstep.images.sources._table_rows.CACHE_BYTES", 35_000)
    monkeypatch.setattr(
        parquet.ParquetFile, "read_row_group", lambda file, i, **kw: read.append(i) or whole(file, i, **kw)
    )
    opened = find_source(str(folder)).open(ImagesConfig())
    read.clear()
    assert [record.content for record in opened.records([5, 95, 3, 99])] == [
        contents[i] for i in (5, 95, 3, 99)
    ]
    assert read == [0, 9]
    opened.records([1, 91])
    assert read == [0, 9]
    opened.records(list(range(20, 60)))
    opened.records([1])
    assert read == [0, 9, 2, 3, 4, 5, 0]


def test_a_table_is_not_copied_and_a_replaced_one_is_seen_whatever_its_time(
    folder, contents, rows_of, monkeypatch
):
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: pytest.fail("the library was asked"))
    before = sorted(os.listdir(datasets.config.HF_DATASETS_CACHE))
    for chosen in (contents, contents[::-1]):
        parquet.write_table(pa.table({"i": chosen}), folder / "a.parquet")
        os.utime(folder / "a.parquet", (1e9, 1e9))
        assert rows(folder, rows_of) == [contents.index(content) for content in chosen]
    assert sorted(os.listdir(datasets.config.HF_DATASETS_CACHE)) == before


@pytest.mark.parametrize("kind", ["list", "fixed", "hf array"])
def test_columns_of_pixels_are_images(kind, folder, noise):
    images = [noise(5, 4, 3, seed=seed) for seed in range(3)]
    if kind == "hf array":
        features = datasets.Features(
            {"i": datasets.Array3D((5, 4, 3), "uint8"), "y": datasets.Value("int64")}
        )
        rows = {"i": [image.tolist() for image in images], "y": [0, 1, 2]}
        datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / "a.parquet")
    else:
        inner = pa.list_(pa.uint8(), 3) if kind == "fixed" else pa.list_(pa.uint8())
        column = pa.array([image.tolist() for image in images], pa.list_(pa.list_(inner)))
        parquet.write_table(pa.table({"i": column, "vector": [[0.5, 1.5]] * 3}), folder / "a.parquet")
    opened = find_source(str(folder)).open(ImagesConfig())
    for record, image in zip(opened.records([0, 1, 2]), images, strict=True):
        assert record.dtype == np.uint8
        assert np.array_equal(record, image)


@pytest.fixture
def saved(contents):
    """A data set of the library, with described classes."""
    features = datasets.Features({"i": datasets.Image(), "y": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {
        "i": [{"bytes": content, "path": None} for content in contents],
        "y": [row % 2 for row in range(COUNT)],
    }
    return datasets.Dataset.from_dict(rows, features=features)


def test_a_saved_data_set_is_read_with_its_classes(saved, folder, rows_of):
    saved.save_to_disk(folder / "one", num_shards=2)
    shutil.copy(folder / "one" / "data-00000-of-00002.arrow", folder / "one" / "cache-123.arrow")
    assert rows(folder / "one", rows_of) == list(range(COUNT))
    source = find_source(str(folder / "one"))
    assert source.splits() == ["train"]
    assert source.labels(ImagesConfig()).names == ["cat", "dog"]
    assert source.open(ImagesConfig()).passed_over.reasons.keys() == {
        "a table that state.json beside it does not name", "what describes the tables",
    }  # fmt: skip


def test_a_saved_dictionary_of_data_sets_has_its_splits_whatever_their_names(saved, folder, rows_of):
    chosen = {"train": [0, 1], "unsupervised": [2, 5, 3], "test": [4]}
    parts = {name: saved.select(rows) for name, rows in chosen.items()}
    datasets.DatasetDict(parts).save_to_disk(folder / "all")
    assert find_source(str(folder / "all")).splits() == list(chosen)
    for name, expected in chosen.items():
        assert rows(folder / "all", rows_of, split=name) == expected


def test_a_saved_selection_is_said_plainly_to_be_none(saved, folder):
    saved.save_to_disk(folder)
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"_indices_data_files": [{"filename": "x.arrow"}]}))
    with pytest.raises(ValueError, match=r"selection by indices, .* Dataset\.flatten_indices\(\)"):
        find_source(str(folder))


@pytest.fixture
def files(folder, contents):
    (folder / "sub dir").mkdir()
    for row, content in enumerate(contents):
        (folder / "sub dir" / f"{row},é.png").write_bytes(content)
    return [f"sub dir/{row},é.png" for row in range(COUNT)]


def write_csv(rows, path, **options):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), **options)
        writer.writeheader()
        writer.writerows(rows)


def json_columns(rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


LISTS = {
    "list.csv": write_csv,
    "pandas.csv": lambda rows, path: pd.DataFrame(rows).to_csv(path),
    "semicolons.csv": lambda rows, path: write_csv(rows, path, delimiter=";"),
    "list.tsv": lambda rows, path: write_csv(rows, path, delimiter="\t"),
    "bom.csv": lambda rows, path: pd.DataFrame(rows).to_csv(path, index=False, encoding="utf-8-sig"),
    "lines.jsonl": lambda rows, path: path.write_text("".join(json.dumps(row) + "\n" for row in rows)),
    "lines.json": lambda rows, path: path.write_text("".join(json.dumps(row) + "\n" for row in rows)),
    "rows.json": lambda rows, path: path.write_text(json.dumps(rows)),
    "within.json": lambda rows, path: path.write_text(json.dumps({"version": 1, "images": rows})),
    "columns.json": lambda rows, path: path.write_text(json.dumps(json_columns(rows))),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_paths_is_data_with_labels(name, folder, files, rows_of):
    order = [3, 0, 6]
    listed = [{"n": 0.5 * row, "file": files[row], "kind": "ab"[row % 2]} for row in order]
    LISTS[name](listed, folder / name)
    assert rows(folder / name, rows_of) == order
    labels = find_source(str(folder / name)).labels(ImagesConfig(label="kind"))
    assert [labels.names[number] for number in labels.numbers] == ["b", "a", "a"]
    elsewhere = folder.parent / name
    shutil.move(folder / name, elsewhere)
    assert rows(elsewhere, rows_of, root=str(folder)) == order


def test_lists_that_cannot_be_used_say_why(folder, files, png):
    def refused(name, content, **options):
        (folder / name).write_text(content)
        with pytest.raises(ValueError, match=r"\w") as error:
            load_images(str(folder / name), ImagesConfig(size=4, **options))
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "its first line names an image" in refused("a.csv", "x.png,1\ny.png,2\n")
    assert "has no column of images; its columns are x, y" in refused("a.csv", "x,y\n1,2\n")
    assert "image columns (image, mask), got None" in refused("a.csv", "image,mask\na.png,b.png\n")
    assert "if x holds paths, name it with --images.column" in refused("a.csv", "x,y\nhttp://a/1,2\n")
    assert "different names, got x more than once" in refused("a.csv", "x,y,x\na.png,1,a.png\n")
    assert "is damaged" in refused("a.json", "{]")
    assert "expected a list of objects" in refused("a.json", "[1, 2]")
    assert "names '../x.png', which is outside" in refused("a.csv", "path,y\n../x.png,2\n")
    (folder.parent / "x.png").write_bytes(png(0))
    os.symlink(folder.parent / "x.png", folder / "link.png")
    assert "names 'link.png', which is outside" in refused("a.csv", "path,y\nlink.png,2\n")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_list_in_another_encoding_says_which_is_expected(encoding, folder):
    (folder / "list.csv").write_bytes("path\né.png\n".encode(encoding))
    with pytest.raises(ValueError, match=r"expected text in UTF-8, got other bytes"):
        load_images(str(folder / "list.csv"), ImagesConfig(size=4))


def test_paths_without_suffixes_are_read_where_the_column_is_named(folder, png, rows_of):
    for row in range(3):
        (folder / f"00{row}").write_bytes(png(row))
    (folder / "list.csv").write_text("id,y\n002,1\n000,2\n")
    assert rows(folder / "list.csv", rows_of, column="id") == [2, 0]


def test_images_beside_tables_are_named_by_rows_or_passed_over(folder, files, contents, rows_of):
    paths = pa.array([{"bytes": None, "path": path} for path in files[:3]],
                     pa.struct({"bytes": pa.binary(), "path": pa.string()}))  # fmt: skip
    (folder / "tables").mkdir()
    parquet.write_table(pa.table({"i": paths, "y": [1, 2, 3]}), folder / "tables" / "a.parquet")
    assert rows(folder, rows_of) == [0, 1, 2]
    passed = find_source(str(folder)).open(ImagesConfig()).passed_over
    assert passed.reasons["an image file that no row of the tables names"].names == files[3:]
    parquet.write_table(pa.table({"i": [contents[5]]}), folder / "tables" / "a.parquet")
    assert rows(folder, rows_of) == [5]
    assert find_source(str(folder)).open(ImagesConfig()).passed_over.count == COUNT


def test_a_table_without_images_beside_images_is_passed_over(folder, files, contents, rows_of):
    parquet.write_table(pa.table({"file_name": files, "caption": ["x"] * COUNT}), folder / "metadata.parquet")
    assert rows(folder, rows_of) == list(range(COUNT))
    passed = find_source(str(folder)).open(ImagesConfig()).passed_over
    assert passed.reasons["a table without a column of images"].names == ["metadata.parquet"]
    assert rows(folder / "metadata.parquet", rows_of) == list(range(COUNT))
    parquet.write_table(pa.table({"i": contents[:2]}), folder / "images.parquet")
    assert rows(folder, rows_of) == [0, 1]


def test_a_damaged_table_beside_images_is_refused_or_told(folder, files, rows_of):
    (folder / "data.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(ValueError, match=r"data\.parquet is damaged"):
        load_images(str(folder), ImagesConfig(size=4))
    found = load_images(str(folder), ImagesConfig(size=4, broken="pass"))
    assert rows_of(found.images) == list(range(COUNT))
    assert found.damage[0].startswith("data.parquet (")


def test_files_of_a_table_that_have_other_columns_are_named(folder, contents, rows_of):
    parquet.write_table(pa.table({"i": contents[:3], "y": [1, 2, 3]}), folder / "a.parquet")
    parquet.write_table(pa.table({"j": contents[3:]}), folder / "b.parquet")
    parquet.write_table(pa.table({"i": contents[3:5]}), folder / "c.parquet")
    assert rows(folder, rows_of) == [0, 1, 2, 3, 4]
    source = find_source(str(folder))
    assert source.labels(ImagesConfig(label="y")).numbers.tolist() == [1, 2, 3, -1, -1]
    passed = source.open(ImagesConfig()).passed_over
    assert passed.reasons["a table without the column i"].names == ["b.parquet"]


def test_large_groups_of_rows_are_told_to_be_slow(folder, monkeypatch, contents):
    parquet.write_table(pa.table({"i": contents}), folder / "a.parquet")
    assert find_source(str(folder)).open(ImagesConfig()).notes == []
    monkeypatch.setattr("eigenstep.images.sources._table_rows.CACHE_BYTES", 100)
    monkeypatch.setattr("eigenstep.images.sources._table_rows.LARGE_GROUP", 50)
    (note,) = find_source(str(folder)).open(ImagesConfig()).notes
    assert "row groups of some 100 images" in note


@pytest.mark.parametrize("limit", [1, 4, 99])
def test_rows_beyond_the_limit_are_counted(limit, folder, contents):
    parquet.write_table(pa.table({"i": contents}), folder / "a.parquet")
    opened = find_source(str(folder)).open(ImagesConfig(limit=limit))
    assert (opened.count(), opened.passed_over.count) == (min(limit, COUNT), max(COUNT - limit, 0))


def label_numbers(folder, values, kind=None, splits=("train",), metadata=None, **options):
    """The labels of a table with a column y of these values, and their names."""
    image = io.BytesIO()
    Image.new("L", (2, 2)).save(image, "png")
    for split in splits:
        column = pa.array(values, kind) if not isinstance(values, pa.Array) else values
        table = pa.table({"i": [image.getvalue()] * len(values), "y": column}).replace_schema_metadata(
            metadata
        )
        parquet.write_table(table, folder / f"{split}.parquet")
    labels = find_source(str(folder)).labels(ImagesConfig(**options))
    return labels.numbers.tolist(), labels.names


KINDS = {
    "bool": ([True, False, None], None, [1, 0, -1], ["False", "True"]),
    "whole floats": ([0.0, 2.0, None, float("nan")], None, [0, 2, -1, -1], None),
    "int8": ([3, -1, None], pa.int8(), [3, -1, -1], None),
    "uint64": ([2**63 + 5, 3, 5], pa.uint64(), [2, 0, 1], ["3", "5", str(2**63 + 5)]),
    "far apart": (
        [7, 2_000_000_011, 1_000_000_003, -1],
        None,
        [0, 2, 1, -1],
        ["7", "1000000003", "2000000011"],
    ),
    "string": (["dog", "cat", None], None, [1, 0, -1], ["cat", "dog"]),
    "large string": (["dog", "cat"], pa.large_string(), [1, 0], ["cat", "dog"]),
    "string view": (["dog", "cat"], pa.string_view(), [1, 0], ["cat", "dog"]),
    "dictionary": (pa.array(["dog", "cat", "dog"]).dictionary_encode(), None, [1, 0, 1], ["cat", "dog"]),
    "dictionary of numbers": (pa.array([40, 7]).dictionary_encode(), None, [40, 7], None),
}


@pytest.mark.parametrize("named", [None, "y"])
@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_any_kind_are_read(kind, named, folder):
    values, dtype, numbers, names = KINDS[kind]
    assert label_numbers(folder, values, dtype, label=named) == (numbers, names)


def test_numbers_that_are_no_classes_are_refused(folder):
    with pytest.raises(
        ValueError, match=r"column y holds 0\.5, which is the number of no class; .* --images\.label"
    ):
        label_numbers(folder, [1.0, 0.5], label="y")
    with pytest.raises(ValueError, match="has no column of labels; its columns are i, y"):
        label_numbers(folder, [1.0, 0.5])


def test_described_classes_are_read_from_the_schema_as_the_library_reads_them(folder, saved):
    saved.to_parquet(folder / "train.parquet")
    reference = datasets.load_dataset("parquet", data_files=str(folder / "train.parquet"))["train"]
    labels = find_source(str(folder)).labels(ImagesConfig())
    assert (labels.numbers.tolist(), labels.names) == (reference["y"], reference.features["y"].names)


def test_nested_labels_are_named_by_their_place(folder, contents):
    meta = pa.array([{"kind": "ab"[row % 2], "score": 0.5} for row in range(COUNT)])
    parquet.write_table(pa.table({"i": contents, "meta": meta}), folder / "a.parquet")
    for name in (None, "meta.kind"):
        assert find_source(str(folder)).labels(ImagesConfig(label=name)).numbers.tolist() == [
            0,
            1,
            0,
            1,
            0,
            1,
            0,
        ]


def test_tables_that_no_saved_split_names_and_parts_that_are_gone_are_told(saved, folder, contents, rows_of):
    datasets.DatasetDict({"train": saved, "test": saved, "gone": saved}).save_to_disk(
        folder, num_shards={"train": 1, "test": 3, "gone": 1}
    )
    shutil.rmtree(folder / "gone")
    (folder / "test" / "data-00001-of-00003.arrow").unlink()
    (folder / "more").mkdir()
    for name in ("top.parquet", "more/a.parquet"):
        parquet.write_table(pa.table({"i": contents[:2]}), folder / name)
    opened = find_source(str(folder)).open(ImagesConfig())
    reason = "a table in none of the folders that dataset_dict.json names"
    assert opened.passed_over.reasons[reason].names == ["more/a.parquet", "top.parquet"]
    assert rows(folder, rows_of) == list(range(COUNT))
    assert any("not there: test/data-00001-of-00003.arrow, gone/" in note for note in opened.notes)


def test_shards_that_the_numbers_of_others_tell_of_are_told(folder, contents):
    for number in (0, 2):
        name = f"train-{number:05d}-of-00003.parquet"
        parquet.write_table(pa.table({"i": contents[:1]}), folder / name)
    (note,) = find_source(str(folder)).open(ImagesConfig()).notes
    assert note.endswith("not there: train-00001-of-00003.parquet")
    assert find_source(str(folder / "train-00000-of-00003.parquet")).open(ImagesConfig()).notes == []


def test_files_of_a_table_may_keep_its_column_in_different_types(folder, contents, rows_of):
    parquet.write_table(pa.table({"i": contents[:2]}), folder / "a.parquet")
    structs = [{"bytes": content, "path": None} for content in contents[2:4]]
    parquet.write_table(pa.table({"i": structs}), folder / "b.parquet")
    parquet.write_table(pa.table({"i": pa.array(contents[4:5], pa.large_binary())}), folder / "c.parquet")
    assert rows(folder, rows_of) == [0, 1, 2, 3, 4]


def test_a_column_that_begins_with_empty_rows_is_one_of_images(folder, contents):
    column = pa.array([None] * 50 + contents, pa.binary())
    parquet.write_table(
        pa.table({"i": column, "j": [b"x"] * len(column)}), folder / "a.parquet", row_group_size=9
    )
    found = load_images(str(folder), ImagesConfig(size=4))
    assert (len(found), len(found.broken)) == (COUNT, 50)


def test_a_line_of_json_ends_where_its_line_does(folder, png):
    (folder / "a\u2028b.png").write_bytes(png(0))
    (folder / "list.jsonl").write_text('{"path": "a\u2028b.png"}\n', encoding="utf-8")
    assert len(load_images(str(folder / "list.jsonl"), ImagesConfig(size=4))) == 1
