import numpy as np
import pytest

from eigenstep.comparison import parse_input


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
    with pytest.raises(ValueError, match=r"notes.txt: expected a file of embeddings, .npy, .npz"):
        parse_input(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match="expected a run folder, a prediction or a file"):
        parse_input(tmp_path)
    with pytest.raises(ValueError, match="only a run has checkpoints to choose from"):
        parse_input(f"{made}/foreseen@3")
