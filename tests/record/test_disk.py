import os

import pytest

from eigenstep.record import (
    atomic_file,
    atomic_folder,
    atomic_remove,
    atomic_write,
    free_folder,
    is_aside,
    remove_asides,
    replace_folder,
)


class Killed(BaseException):
    """What stands for a process that ends here: not an error that anyone handles."""


@pytest.fixture
def fail_at(monkeypatch):
    """`fail_at("replace")` makes the next calls of os.replace end the process, so to say."""

    def fail(name):
        def end(*_, **__):
            raise Killed

        monkeypatch.setattr(os, name, end)

    return fail


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def fill(path, content="new"):
    with atomic_folder(path) as aside:
        (aside / "weights").write_text(content)


@pytest.mark.parametrize("data", ["größer\n", b"\x00\xff\r\n"])
def test_a_file_holds_exactly_what_was_written_and_nothing_is_left_aside(tmp_path, data):
    path = tmp_path / "file"
    path.write_text("something older and longer than the new content")
    atomic_write(path, data)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert names(tmp_path) == ["file"]


def test_a_file_gets_the_permissions_of_any_new_file(tmp_path):
    atomic_write(tmp_path / "atomic", "")
    (tmp_path / "plain").touch()
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("step", ["fsync", "write", "replace"])
def test_a_write_that_ends_before_the_rename_leaves_the_old_file(tmp_path, fail_at, step):
    path = tmp_path / "file"
    path.write_text("old")
    fail_at(step)
    with pytest.raises(Killed):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_file_in_a_folder_that_does_not_exist_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere$"):
        atomic_write(tmp_path / "nowhere" / "file", "")


def test_a_folder_appears_only_once_it_is_complete(tmp_path):
    path = tmp_path / "step"
    with atomic_folder(path) as aside:
        (aside / "weights").write_text("half")
        assert not path.exists()
        (aside / "weights").write_text("whole")
    assert (path / "weights").read_text() == "whole"
    assert names(tmp_path) == ["step"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_folder_whose_writing_fails_does_not_appear(tmp_path, fail_at, step):
    fail_at(step)
    with pytest.raises(Killed):
        fill(tmp_path / "step")
    assert names(tmp_path) == []


def test_what_a_killed_process_left_of_a_folder_is_not_taken_into_the_next_one(tmp_path):
    seen = []
    with atomic_folder(tmp_path / "step") as aside:
        seen.append(aside)
    (tmp_path / "step").rmdir()
    seen[0].mkdir()
    (seen[0] / "torn").write_text("left by a killed process")
    fill(tmp_path / "step")
    assert names(tmp_path) == ["step"]
    assert names(tmp_path / "step") == ["weights"]


def test_a_folder_that_exists_is_refused_and_kept(tmp_path):
    fill(tmp_path / "step", "old")
    with pytest.raises(FileExistsError, match="exists already"):
        fill(tmp_path / "step", "new")
    assert (tmp_path / "step" / "weights").read_text() == "old"


def test_files_folders_and_links_are_removed_and_what_a_link_points_to_is_kept(tmp_path):
    fill(tmp_path / "folder")
    fill(tmp_path / "target")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("folder", "file", "link", "not there"):
        atomic_remove(tmp_path / name)
    assert names(tmp_path) == ["target"]
    assert (tmp_path / "target" / "weights").exists()


def test_a_removal_that_ends_half_way_leaves_no_half_folder_under_the_name(tmp_path, fail_at):
    fill(tmp_path / "step")
    (tmp_path / "step" / "more").touch()
    fail_at("rmdir")
    with pytest.raises(Killed):
        atomic_remove(tmp_path / "step")
    assert not (tmp_path / "step").exists()
    assert all(name.startswith(".") for name in names(tmp_path))


def test_everything_left_aside_is_found_again_and_nothing_else(tmp_path, fail_at, monkeypatch):
    (tmp_path / "deep").mkdir()
    for name in (".hidden", "deep/.gitignore", "deep/left.aside"):
        (tmp_path / name).touch()
    fill(tmp_path / "deep" / "step")
    with monkeypatch.context() as patch:  # a killed process cleans nothing up
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        patch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
        fail_at("replace")
        for write in (lambda: atomic_write(tmp_path / "deep" / "file", ""), lambda: fill(tmp_path / "other")):
            with pytest.raises(Killed):
                write()
    assert len(names(tmp_path)) == 3
    assert len(names(tmp_path / "deep")) == 4
    remove_asides(tmp_path)
    assert names(tmp_path) == [".hidden", "deep"]
    assert names(tmp_path / "deep") == [".gitignore", "left.aside", "step"]


def test_what_is_aside_is_hidden_and_ends_so():
    assert is_aside(".step.aside")
    assert not is_aside("step.aside")
    assert not is_aside(".step")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_file_that_another_writes_appears_when_it_is_whole(tmp_path, fail_at, step):
    path = tmp_path / "file"
    path.write_text("old")
    with atomic_file(path) as aside:
        aside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    fail_at(step)
    with pytest.raises(Killed), atomic_file(path) as aside:
        aside.write_text("newer")
    assert (path.read_text(), names(tmp_path)) == ("new", ["file"])


def writes(content):
    return lambda folder: (folder / "weights").write_text(content)


def test_a_folder_is_replaced_by_one_that_is_whole(tmp_path):
    for content in ("old", "new"):
        assert replace_folder(tmp_path / "run", writes(content)) == tmp_path / "run"
        assert (tmp_path / "run" / "weights").read_text() == content
    assert names(tmp_path) == ["run"]


def test_a_folder_that_may_not_be_replaced_stays_and_the_new_one_goes(tmp_path):
    replace_folder(tmp_path / "run", writes("old"))

    def refuse():
        raise FileExistsError("mine")

    with pytest.raises(FileExistsError, match="mine"):
        replace_folder(tmp_path / "run", writes("new"), check=refuse)
    assert (tmp_path / "run" / "weights").read_text() == "old"
    assert names(tmp_path) == ["run"]


def test_folders_of_one_name_are_numbered_from_two(tmp_path):
    found = [replace_folder(tmp_path / "run", writes(str(n)), numbered=True) for n in range(3)]
    assert [path.name for path in found] == ["run", "run-2", "run-3"]
    assert [(path / "weights").read_text() for path in found] == ["0", "1", "2"]
    assert free_folder(tmp_path, "run").name == "run-4"
