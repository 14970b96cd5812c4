import pytest
import torch

from eigenstep import SpectrumMonitor
from eigenstep.encoders import find_checkpoint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("last", "step_00000100"),
        ("best", "best_00000007"),
        ("20", "step_00000020"),
        (20, "step_00000020"),
        ("00000020", "step_00000020"),
        ("7", "best_00000007"),
    ],
)
def test_a_checkpoint_is_found_by_its_place_or_its_step(write_run, asked, found):
    run = write_run(steps=(20, 100, 3), best=7)
    assert find_checkpoint(run, asked) == run / "checkpoints" / found
    assert find_checkpoint(str(run), asked).name == found


def test_the_last_one_is_taken_where_none_is_named(write_run):
    assert find_checkpoint(write_run(steps=(20, 100, 3))).name == "step_00000100"


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["21", "bst", "", "-20", "step_00000020"])
def test_an_unknown_checkpoint_is_refused_naming_those_that_exist(write_run, asked):
    with pytest.raises(ValueError, match=rf"has no checkpoint '{asked}'; it has last, best, 3, 20$"):
        find_checkpoint(write_run(steps=(3, 20), best=3), asked)


def test_a_run_without_a_best_one_says_so(write_run):
    with pytest.raises(ValueError, match=r"has no checkpoint 'best'; it has last, 3$"):
        find_checkpoint(write_run(steps=(3,)), "best")


def test_a_run_that_has_only_a_best_one_yet_has_no_last_one(write_run):
    run = write_run(steps=(), best=3)
    assert find_checkpoint(run, "best").name == "best_00000003"
    with pytest.raises(ValueError, match=r"has no checkpoint 'last'; it has best, 3$"):
        find_checkpoint(run)


def test_a_run_before_its_first_checkpoint_is_refused(write_run):
    run = write_run(steps=())
    with pytest.raises(FileNotFoundError, match="run has no checkpoint yet"):
        find_checkpoint(run)
    (run / "checkpoints" / ".step_00000005.aside").mkdir()
    with pytest.raises(FileNotFoundError, match="run has no checkpoint yet"):
        find_checkpoint(run)


def test_the_record_of_a_watched_loop_is_told_to_keep_none(tmp_path):
    SpectrumMonitor(tmp_path / "watched").update(torch.randn(8, 3), torch.randn(8, 3))
    with pytest.raises(FileNotFoundError, match="keeps no checkpoints, as the record of a loop"):
        find_checkpoint(tmp_path / "watched")


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_that_is_no_run_is_refused(tmp_path, made):
    if made:
        (tmp_path / "other").mkdir()
    with pytest.raises(FileNotFoundError, match=r"there is no run in .*other"):
        find_checkpoint(tmp_path / "other")
