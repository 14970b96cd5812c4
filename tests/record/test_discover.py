import os

import pytest

from eigenstep.record import RunFinder


@pytest.fixture
def make(tmp_path):
    def make(name):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "metrics.jsonl").touch()

    return make


def test_runs_are_found_at_any_depth_also_in_runs(make, tmp_path):
    for name in ("a", "sweep/b", "sweep/deep/er/c", "a/layer1"):
        make(name)
    assert list(RunFinder(tmp_path).find()) == ["a", "a/layer1", "sweep/b", "sweep/deep/er/c"]


def test_the_folder_itself_may_be_a_run(make, tmp_path):
    make("run")
    assert list(RunFinder(tmp_path / "run").find()) == ["run"]


def test_hidden_folders_and_a_runs_own_folders_are_left_out(make, tmp_path):
    for name in (".hidden/a", "a", "a/checkpoints/x", "a/loggers/y", "checkpoints/z"):
        make(name)
    assert list(RunFinder(tmp_path).find()) == ["a", "checkpoints/z"]


def test_links_that_lead_in_circles_are_followed_once(make, tmp_path):
    make("a")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "a")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    assert len(RunFinder(tmp_path).find()) == 1


def test_a_link_to_itself_hides_no_run(make, tmp_path):
    make("a")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a" / "loop").symlink_to("loop")
    assert list(RunFinder(tmp_path).find()) == ["a"]


def test_what_appears_and_what_goes_is_seen_at_the_next_look(make, tmp_path, make_old):
    make("a")
    make_old(tmp_path, 100)
    finder = RunFinder(tmp_path)
    assert list(finder.find()) == ["a"]
    make("b")
    make("a/layer")
    assert list(finder.find()) == ["a", "a/layer", "b"]
    (tmp_path / "a" / "metrics.jsonl").unlink()
    assert list(finder.find()) == ["a/layer", "b"]


def test_a_folder_that_may_not_be_read_or_is_gone_holds_no_runs(make, tmp_path):
    make("a")
    assert RunFinder(tmp_path / "nowhere").find() == {}
    os.chmod(tmp_path / "a", 0)
    try:
        RunFinder(tmp_path).find()
    finally:
        os.chmod(tmp_path / "a", 0o700)


def test_a_tree_of_very_many_folders_is_left_after_a_while_and_that_is_told(make, tmp_path):
    for number in range(5):
        make(f"few/{number}")
    finder = RunFinder(tmp_path, most=10)
    finder.find()
    assert finder.complete
    for number in range(20):
        make(f"many/{number}")
    finder.find()
    assert not finder.complete
