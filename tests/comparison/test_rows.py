import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from eigenstep.comparison import compare
from eigenstep.comparison._rows import described_data, read_rows

ROWS = np.random.default_rng(0).normal(size=(6, 2))
NAMES = np.array([f"{row:016x}" for row in range(6)])


def test_files_of_all_kinds_hold_the_same_rows(made, tmp_path):
    npz, parquet = (read_rows(made / name, "embedding") for name in ("bt.npz", "bt.parquet"))
    np.testing.assert_array_equal(npz.values, parquet.values)
    np.testing.assert_array_equal(npz.image_hash, parquet.image_hash)
    assert read_rows(made / "bt.npz", "features").values.shape == (60, 256)
    assert described_data(made / "bt.npz") == described_data(made / "bt.parquet") == ("photos", "train")
    np.save(tmp_path / "rows.npy", npz.values)
    assert described_data(tmp_path / "rows.npy") is None
    np.savez(tmp_path / "other.npz", z=npz.values)
    with pytest.raises(ValueError, match=r"other.npz has no embedding; it has z"):
        read_rows(tmp_path / "other.npz", "embedding")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"embedding": ROWS[:4], "image_hash": NAMES}, r"a name of each of the 4 rows .* of shape \(6,\)"),
        (
            {"embedding": ROWS, "image_hash": np.arange(6)},
            "a name of each of the 6 rows .* got int64",
        ),
        ({"embedding": ROWS[:, 0]}, r"expected embedding of real numbers, .* got float64 of shape \(6,\)"),
        ({"embedding": ROWS.astype(str)}, "expected embedding of real numbers, .* got <U"),
        ({"embedding": ROWS.astype(complex)}, "expected embedding of real numbers, .* got complex128"),
        ({"embedding": ROWS.astype(object)}, "cannot be read: it is damaged, or holds objects"),
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


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet"])
@pytest.mark.parametrize("how", ["empty", "no such file", "cut off", "another kind"])
def test_files_that_are_damaged_or_of_another_kind_are_refused_by_path(tmp_path, suffix, how):
    path = tmp_path / f"rows{suffix}"
    _write(path, suffix)
    content = path.read_bytes()
    if how == "another kind":
        _write(path, {".npy": ".npz", ".npz": ".npy", ".parquet": ".npz"}[suffix])
    else:
        path.write_bytes({"empty": b"", "no such file": b"words", "cut off": content[:-40]}[how])
    with pytest.raises(ValueError, match="cannot be read: ") as refused:
        read_rows(path, "embedding")
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)
    assert "trust" not in str(refused.value)


def _write(path, kind):
    """The rows as a file of this kind, whatever the path's suffix."""
    with path.open("wb") as file:
        if kind == ".npy":
            np.save(file, ROWS)
        elif kind == ".npz":
            np.savez(file, embedding=ROWS)
        else:
            pyarrow.parquet.write_table(pyarrow.table({"embedding": ROWS.tolist()}), file)


def test_columns_of_lists_of_several_lengths_are_refused_by_path(tmp_path):
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"embedding": [[1.0, 2.0], [3.0]]}), path)
    with pytest.raises(ValueError, match=r"rows.parquet cannot be read: "):
        read_rows(path, "embedding")


def test_a_description_of_someone_else_tells_nothing(tmp_path):
    for description in (np.array("no JSON"), np.array("[1]"), np.array([{}], dtype=object)):
        np.savez(tmp_path / "rows.npz", embedding=ROWS, description=description)
        assert described_data(tmp_path / "rows.npz") is None
