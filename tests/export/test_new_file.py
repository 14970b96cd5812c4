import os

import pytest

from eigenstep.export import new_file


class Killed(BaseException):
    """What stands for a process that ends here."""


def test_a_file_is_there_once_it_is_whole(tmp_path):
    out = tmp_path / "out.bin"
    with new_file(out) as aside:
        aside.write_bytes(b"half")
        assert not out.exists()
        assert aside.parent == tmp_path
        aside.write_bytes(b"whole")
    assert out.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("call", ["fsync", "replace", None])
def test_an_end_half_way_leaves_what_was_there(tmp_path, monkeypatch, call):
    out = tmp_path / "out.bin"
    out.write_bytes(b"before")

    def end(*_, **__):
        raise Killed

    def write(aside):
        aside.write_bytes(b"half")
        if not call:
            end()

    if call:
        monkeypatch.setattr(os, call, end)
    with pytest.raises(Killed), new_file(out, overwrite=True) as aside:
        write(aside)
    assert out.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_gets_the_rights_that_new_files_get(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    with new_file(tmp_path / "out") as aside:
        aside.write_bytes(b"")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("name", "overwrite", "message"),
    [
        ("there", False, "there exists; use --overwrite to replace it, or another --out"),
        ("folder", False, "folder is a folder; expected the name of a file"),
        ("folder", True, "folder is a folder; expected the name of a file"),
        ("nowhere/out", True, r"nowhere/out cannot be written: there is no folder .*nowhere"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_done(tmp_path, name, overwrite, message):
    (tmp_path / "there").write_bytes(b"before")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=message), new_file(tmp_path / name, overwrite):
        pytest.fail("the file was opened")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "there"]
    assert (tmp_path / "there").read_bytes() == b"before"
