"""Files of embeddings of every kind as inputs of a comparison."""

import gzip
import io

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import save_file

from eigenstep.comparison import compare
from eigenstep.embeddings import SUFFIXES, open_rows

ROWS = np.random.default_rng(0).normal(size=(6, 2))
NAMES = np.array([f"{row:016x}" for row in range(6)])
QUICK = {"resamples": 2, "neighbours": 2}


def test_files_of_all_kinds_hold_the_same_rows(made, tmp_path):
    npz, parquet = (open_rows(made / name, "embedding") for name in ("bt.npz", "bt.parquet"))
    assert torch.equal(npz.whole(), parquet.whole())
    np.testing.assert_array_equal(npz.image_hash, parquet.image_hash)
    assert open_rows(made / "bt.npz", "features").whole().shape == (60, 256)
    for rows in (npz, parquet):
        assert (rows.description["data"], rows.description["split"]) == ("photos", "train")
    np.save(tmp_path / "rows.npy", npz.whole())
    assert open_rows(tmp_path / "rows.npy").description == {}
    np.savez(tmp_path / "other.npz", z=npz.whole())
    with pytest.raises(ValueError, match=r"other.npz has no embedding; it has z"):
        compare([tmp_path / "other.npz", made / "bt.npz"])


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_any_kind_is_compared_with_a_run(made, tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    _write(path, suffix, np.load(made / "bt.npz")["embedding"])
    found = compare([made / "bt", path], **QUICK)
    assert found.inputs[1].kind == "file"
    assert found.images == 60
    assert found.pairs[0].whole["cka"].value == pytest.approx(1, abs=1e-6)


def test_a_column_of_another_name_is_named_after_the_file(made, tmp_path):
    embedding = np.load(made / "bt.npz")["embedding"]
    save_file({"z": torch.from_numpy(embedding), "y": torch.from_numpy(ROWS)}, tmp_path / "z.safetensors")
    found = compare([made / "bt.npz", f"{tmp_path}/z.safetensors@z"], **QUICK)
    assert found.dims == [4, 4]
    assert found.pairs[0].whole["cka"].value == pytest.approx(1, abs=1e-6)
    for name, message in (("w", r"has no column 'w'; it has y \(6×2 of F64\), z"), ("y", "got 6 rows in")):
        with pytest.raises(ValueError, match=message):
            compare([made / "bt.npz", f"{tmp_path}/z.safetensors@{name}"], **QUICK)


def test_the_features_of_a_file_are_never_taken_for_its_embedding(tmp_path):
    np.savez(tmp_path / "rows.npz", features=ROWS, label=np.arange(6))
    torch.save(
        {"features": list(torch.from_numpy(ROWS).split(4)), "label": torch.arange(6)}, tmp_path / "b.pt"
    )
    with pytest.raises(ValueError, match=r"b.pt has no embedding; it has features, label; name another"):
        compare([tmp_path / "b.pt", tmp_path / "b.pt"])
    with pytest.raises(ValueError, match=r"rows.npz has no embedding; it has features, label; name another"):
        compare([tmp_path / "rows.npz"] * 2)
    assert compare([tmp_path / "rows.npz"] * 2, what="features", **QUICK).dims == [2, 2]


def test_embeddings_in_bfloat16_are_read(tmp_path):
    torch.save({"embedding": torch.from_numpy(ROWS).bfloat16()}, tmp_path / "rows.pt")
    assert compare([tmp_path / "rows.pt"] * 2, **QUICK).pairs[0].whole["cka"].value == pytest.approx(1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"embedding": ROWS[:4], "image_hash": NAMES}, r"a name of each of the 4 rows .* of shape \(6,\)"),
        (
            {"embedding": ROWS, "image_hash": np.arange(6)},
            "a name of each of the 6 rows .* got int64",
        ),
        ({"embedding": ROWS[:, 0]}, r"embedding: expected numbers of shape \(rows, .* got 6 of float64"),
        ({"embedding": ROWS.astype(str)}, "embedding: expected numbers of shape .* got 6×2 of <U"),
        ({"embedding": ROWS.astype(complex)}, "embedding: expected numbers of .* got 6×2 of complex128"),
        ({"embedding": ROWS.astype(object)}, "embedding: expected numbers .* got 6×2 of Python objects"),
    ],
    ids=["short", "numbers for names", "one column", "words", "complex", "objects"],
)
def test_what_is_no_matrix_of_real_numbers_with_a_name_each_is_refused_by_path(tmp_path, arrays, message):
    path = tmp_path / "rows.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message) as refused:
        compare([path, path])
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("suffix", "how"),
    [
        (suffix, how)
        for suffix in SUFFIXES
        for how in ("empty", "no such file", "cut off", "another kind")
        if how != "cut off" or suffix not in (".csv", ".tsv")  # a text that ends early has fewer lines
    ],
)
def test_files_that_are_damaged_or_of_another_kind_are_refused_by_path(tmp_path, suffix, how):
    path = tmp_path / f"rows{suffix}"
    _write(path, suffix, ROWS)
    content = path.read_bytes()
    if how == "another kind":
        _write(path, {".npy": ".npz", ".npz": ".npy"}.get(suffix, ".npz"), ROWS)
    else:
        path.write_bytes({"empty": b"", "no such file": b"words", "cut off": content[:-40]}[how])
    with pytest.raises(ValueError) as refused:
        compare([path, path])
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)
    assert "trust" not in str(refused.value)
    assert "weights_only" not in str(refused.value)


def _write(path, kind, rows):
    """The rows as a file of this kind, whatever the path's suffix."""
    with path.open("wb") as file:
        if kind == ".npy":
            np.save(file, rows)
        elif kind == ".npz":
            np.savez(file, embedding=rows)
        elif kind == ".parquet":
            pyarrow.parquet.write_table(pyarrow.table({"embedding": rows.tolist()}), file)
        elif kind in (".feather", ".arrow"):
            table = pyarrow.table({"embedding": rows.tolist()})
            with pyarrow.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
        elif kind.startswith((".csv", ".tsv")):
            text = io.BytesIO()
            np.savetxt(text, rows, delimiter="\t" if kind.startswith(".tsv") else ",")
            file.write(gzip.compress(text.getvalue()) if kind.endswith(".gz") else text.getvalue())
        elif kind == ".safetensors":
            save_file({"embedding": torch.from_numpy(rows)}, path)
        else:
            torch.save({"embedding": torch.from_numpy(rows)}, file)


def test_columns_of_lists_of_several_lengths_are_refused_by_path(tmp_path):
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"embedding": [[1.0, 2.0], [3.0]]}), path)
    with pytest.raises(
        ValueError, match=r"rows.parquet, embedding: row 1 has 1 numbers, expected 2 in every"
    ):
        compare([path, path])


def test_a_description_of_someone_else_tells_nothing(tmp_path):
    for description in (np.array("no JSON"), np.array("[1]"), np.array([{}], dtype=object)):
        np.savez(tmp_path / "rows.npz", embedding=ROWS, description=description)
        assert open_rows(tmp_path / "rows.npz").description == {}
