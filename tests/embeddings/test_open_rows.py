import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch

from eigenstep.embeddings import open_rows

KINDS = (".npy", ".npz", ".pt", ".safetensors", ".parquet")
VALUES = np.random.default_rng(0).normal(size=(25, 3)).astype(np.float32)


def read(path, column=None, size=7):
    blocks = list(open_rows(path, column).blocks(size))
    assert [len(block) for block in blocks[:-1]] == [size] * (len(blocks) - 1)
    return torch.cat(blocks).double().numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_all_rows_are_read_in_order_from_any_file_and_type(save, kind, dtype):
    values = (10 * VALUES).astype(dtype)
    np.testing.assert_array_equal(read(save(kind, z=values)), values)


@pytest.mark.parametrize("kind", [".npy", ".npz"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">f4", ">f8", "<u4", "longdouble", "bool"])
def test_order_of_axes_and_bytes_does_not_matter(save, kind, order, dtype):
    values = np.asarray(10 * VALUES**2, dtype=dtype, order=order)
    np.testing.assert_array_equal(read(save(kind, z=values)), values.astype(float))


def test_a_compressed_archive_is_read(tmp_path):
    np.savez_compressed(tmp_path / "z.npz", z=VALUES)
    np.testing.assert_array_equal(read(tmp_path / "z.npz"), VALUES)


@pytest.mark.parametrize("where", [0.5, 0.7])
def test_an_archive_damaged_in_its_rows_is_refused_by_its_name(tmp_path, where):
    path = tmp_path / "z.npz"
    np.savez_compressed(path, z=np.random.default_rng(0).normal(size=(500, 3)))
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 255
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"z\.npz is damaged: z\.npy cannot be read"):
        read(path)


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.int16(), 3)]
)
def test_lists_of_any_kind_are_vectors_and_a_row_without_one_is_nan(tmp_path, kind):
    rows = np.round(10 * VALUES).tolist()
    table = pa.table({"z": pa.array([*rows[:9], None, *rows[9:]], kind)})
    parquet.write_table(table, tmp_path / "z.parquet", row_group_size=4)
    found = read(tmp_path / "z.parquet")
    assert np.isnan(found[9]).all()
    np.testing.assert_array_equal(np.delete(found, 9, axis=0), rows)


def test_tensors_are_named_by_their_keys_and_places(tmp_path):
    tensor = torch.from_numpy(VALUES)
    torch.save({"state": {"layers": [tensor, 2 * tensor]}, "epoch": 3}, tmp_path / "z.pt")
    np.testing.assert_array_equal(read(tmp_path / "z.pt", "state.layers.1"), 2 * VALUES)
    torch.save(torch.nn.Parameter(tensor.bfloat16()), tmp_path / "z.pth")
    assert open_rows(tmp_path / "z.pth").column is None
    torch.save(tensor, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    np.testing.assert_array_equal(read(tmp_path / "old.pt"), VALUES)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_column_is_the_only_one_that_fits_or_the_embedding_or_the_one_that_is_named(save, kind):
    labels = np.arange(25)
    assert open_rows(save(kind, z=VALUES, label=labels)).column == "z"
    path = save(kind, features=2 * VALUES, embedding=VALUES, label=labels)
    rows = open_rows(path)
    assert (rows.column, rows.others, rows.count, rows.dim) == ("embedding", ("features",), 25, 3)
    np.testing.assert_array_equal(read(path, "features"), 2 * VALUES)
    path = save(kind, a=VALUES, b=VALUES.copy())
    with pytest.raises(
        ValueError, match=r"several columns of vectors; name one as column: a \(25×3 of .*\), b \("
    ):
        open_rows(path)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_such_file_is_refused_in_one_line(tmp_path, kind):
    for content in (b"", b"something else", b"\x93NUMPY\x01\x00", b"PK\x03\x04"):
        path = tmp_path / f"z{kind}"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"^{path}") as refused:
            open_rows(path)
        assert "weights_only" not in str(refused.value)


def test_python_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "sprung"), "w")

    np.save(tmp_path / "z.npy", np.array([Trap(), 1], object))
    np.savez(tmp_path / "z.npz", z=np.array([[Trap(), 1]] * 3, object))
    torch.save({"z": Trap()}, tmp_path / "z.pt")
    for name, message in [
        ("z.npy", "expected numbers of shape .*, got 2 of Python objects"),
        ("z.npz", "expected numbers of shape .*, got 3×2 of Python objects"),
        ("z.pt", "holds Python objects, which are not loaded"),
    ]:
        with pytest.raises(ValueError, match=message):
            open_rows(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.arange(5.0), r"expected numbers of shape \(rows, dimensions\), got 5 of"),
        (np.zeros((0, 4)), "expected two rows or more, got 0×"),
        (np.zeros((1, 4)), "expected two rows or more, got 1×4"),
    ],
)
def test_arrays_that_are_no_embeddings_are_refused(save, kind, values, message):
    with pytest.raises(ValueError, match=message):
        open_rows(save(kind, z=values))


def test_arrays_of_more_axes_or_of_words_are_refused(save):
    for values, got in [
        (np.zeros((5, 4, 3)), "5×4×3 of float64"),
        (np.zeros((5, 4), complex), "5×4 of complex128"),
        (np.full((5, 4), "a"), "5×4 of <U1"),
    ]:
        with pytest.raises(ValueError, match=f"got {got}"):
            open_rows(save(".npy", z=values))


def test_a_name_that_is_not_there_is_answered_by_those_that_are(save):
    with pytest.raises(
        ValueError, match=r"has no column 'y'; it has z \(25×3 of float32\), label \(25 of int64\)"
    ):
        open_rows(save(".npz", z=VALUES, label=np.arange(25)), "y")
    with pytest.raises(ValueError, match="has no column 'y'; it has 25×3 of float32"):
        open_rows(save(".npy", z=VALUES), "y")


def test_a_file_that_was_cut_off_is_refused(tmp_path, save):
    path = save(".npy", z=VALUES)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="was not written to its end"):
        open_rows(path)


def test_lists_of_several_lengths_are_refused(tmp_path):
    parquet.write_table(pa.table({"z": [[1.0, 2.0], [1.0], [1.0, 2.0]]}), tmp_path / "z.parquet")
    with pytest.raises(ValueError, match=r"z.parquet, z: row 1 has 1 numbers, expected 2 in every row"):
        read(tmp_path / "z.parquet")


def test_a_path_must_be_a_file_of_a_known_kind(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        open_rows(tmp_path / "nowhere.npy")
    (tmp_path / "z.txt").write_text("1,2\n")
    with pytest.raises(
        ValueError, match=r"ends in .npy, .npz, .pt, .pth, .safetensors, .parquet, .*, got .*z.txt"
    ):
        open_rows(tmp_path / "z.txt")


@pytest.mark.parametrize("shape", [(25, 3, 1, 1), (25, 1, 3), (25, 1, 3, 1), (25, 3, 1)])
@pytest.mark.parametrize("kind", KINDS[:4])
def test_axes_of_length_one_are_left_out_and_told(save, kind, shape):
    path = save(kind, z=VALUES.reshape(shape))
    np.testing.assert_array_equal(read(path), VALUES)
    assert open_rows(path).taken == f"{'×'.join(map(str, shape))} without axes of length one"


def test_the_case_of_a_suffix_does_not_matter(tmp_path):
    with (tmp_path / "Z.NPY").open("wb") as file:
        np.save(file, VALUES)
    np.testing.assert_array_equal(read(tmp_path / "Z.NPY"), VALUES)


def test_an_archive_member_that_is_no_array_is_not_a_column(tmp_path, save):
    path = save(".npz", z=VALUES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("readme.txt", "hello")
    assert open_rows(path).column == "z"
