import numpy as np
import pyarrow.parquet as parquet
import pytest

from eigenstep.export import Columns, open_columns


def block(start, labels):
    rows = np.arange(start, start + len(labels))
    vectors = np.outer(rows, [1.0, 2.0, 3.0]).astype(np.float32)
    paths = [f"{row}.png" if row % 2 else None for row in rows]
    hashes = np.array([f"{row:016x}" for row in rows])
    return Columns(rows, hashes, paths, np.array(labels), vectors, -vectors[:, :2])


@pytest.fixture
def write(tmp_path):
    def write_blocks(suffix):
        file = open_columns(tmp_path / "aside", suffix, {"run": "a"})
        for part in (block(0, [4, -1]), block(2, [-1, 0, 3])):
            file.write(part)
        file.close()
        return tmp_path / "aside"

    return write_blocks


def test_a_missing_label_or_path_is_null_in_parquet(write):
    table = parquet.read_table(write(".parquet")).to_pydict()
    assert table["index"] == [0, 1, 2, 3, 4]
    assert table["image_hash"] == [f"{row:016x}" for row in range(5)]
    assert table["label"] == [4, None, None, 0, 3]
    assert table["path"] == [None, "1.png", None, "3.png", None]
    assert table["features"] == [[row, 2 * row, 3 * row] for row in range(5)]
    assert table["embedding"] == [[-row, -2 * row] for row in range(5)]


def test_a_missing_label_is_minus_one_and_a_missing_path_empty_in_npz(write):
    arrays = np.load(write(".npz"), allow_pickle=False)
    assert arrays["label"].tolist() == [4, -1, -1, 0, 3]
    assert arrays["path"].tolist() == ["", "1.png", "", "3.png", ""]
    assert arrays["embedding"][4].tolist() == [-4, -8]
    assert arrays["description"] == '{"run": "a"}'


def test_an_npy_file_is_the_features(write):
    assert np.load(write(".npy"))[:, 2].tolist() == [0, 3, 6, 9, 12]
