import numpy as np
import pytest

from eigenstep.side_by_side import parse_input
from eigenstep.side_by_side._inputs import described_data, read_rows


def test_kinds_and_checkpoints_are_told_from_the_name(made, tmp_path):
    assert [parse_input(made / name).kind for name in ("bt", "foreseen", "bt.npz")] == [
        "run",
        "prediction",
        "file",
    ]
    assert parse_input(f"{made}/bt").at is None
    assert [parse_input(f"{made}/bt@{at}").at for at in ("init", "3", "final")] == ["init", "3", "last"]


def test_a_path_with_an_at_sign_is_a_path(tmp_path):
    np.save(tmp_path / "a@b.npy", np.eye(3))
    assert parse_input(tmp_path / "a@b.npy").kind == "file"


def test_what_is_nothing_to_compare_is_refused(made, tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(FileNotFoundError, match="there is no nowhere: expected a run"):
        parse_input("nowhere")
    with pytest.raises(ValueError, match=r"notes.txt: expected a file of embeddings, .npz"):
        parse_input(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match="expected a run folder, a prediction or a file"):
        parse_input(tmp_path)
    with pytest.raises(ValueError, match="only a run has checkpoints to choose from"):
        parse_input(f"{made}/foreseen@3")


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
