import functools
import os

import pytest

from eigenstep.record import free_folder, open_folder
from eigenstep.training import TrainConfig, check_folder, dump_config

CONFIG = TrainConfig(seed=3)


class Killed(BaseException):
    """What stands for a process that ends here."""


def write_run(out):
    """A run of CONFIG, with something in every part of it."""
    for name in ("checkpoints/step_00000200", "spectrum"):
        (out / name).mkdir(parents=True)
        (out / name / "data").write_text("data")
    for name in ("metrics.jsonl", "timings.jsonl", "summary.json", "report.html"):
        (out / name).write_text("old")
    (out / "config.yaml").write_text(dump_config(CONFIG))
    return out


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


@pytest.fixture
def listing():
    def read(folder):
        return {
            str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob("*"))
        }

    return read


@pytest.mark.parametrize("where", ["new", "new/and/deep", "empty"])
@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}])
def test_a_folder_with_nothing_in_it_may_be_used_and_is_not_made_by_asking(tmp_path, where, how):
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / where, CONFIG, **({"resume": False, "overwrite": False} | how))
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_a_run_is_neither_resumed_nor_replaced_unasked(run, listing):
    before = listing(run)
    with pytest.raises(FileExistsError, match="use --resume to go on, --overwrite to replace it"):
        check_folder(run, CONFIG, resume=False, overwrite=False)
    check_folder(run, CONFIG, resume=True, overwrite=False)
    check_folder(run, TrainConfig(), resume=False, overwrite=True)
    assert listing(run) == before


def test_resuming_and_replacing_at_once_is_refused(run):
    with pytest.raises(ValueError, match="one of --resume and --overwrite, got both"):
        check_folder(run, CONFIG, resume=True, overwrite=True)


def test_a_run_is_not_resumed_with_another_configuration(run):
    with pytest.raises(ValueError, match=r"another configuration \(seed: 4, not 3\)"):
        check_folder(run, TrainConfig(seed=4), resume=True, overwrite=False)


@pytest.mark.parametrize("how", [{"resume": True, "overwrite": False}, {"resume": False, "overwrite": True}])
@pytest.mark.parametrize(
    "content", [{"notes.txt": "x"}, {"config.yaml": "name: of another program"}, {".git": ""}]
)
def test_a_folder_that_is_not_a_run_is_refused(tmp_path, how, content, listing):
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    before = listing(tmp_path)
    with pytest.raises(FileExistsError, match="is not a run folder"):
        check_folder(tmp_path, CONFIG, **how)
    assert listing(tmp_path) == before


def test_a_run_that_also_holds_something_else_is_not_replaced(run):
    (run / "my-notes.txt").write_text("worth keeping")
    with pytest.raises(FileExistsError, match=r"also holds what no run has written \(my-notes\.txt\)"):
        check_folder(run, CONFIG, resume=False, overwrite=True)
    check_folder(run, CONFIG, resume=True, overwrite=False)


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / "file" / "deep" / "run"):
        with pytest.raises(NotADirectoryError, match=r"file is a file$"):
            check_folder(out, CONFIG, resume=False, overwrite=False)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(PermissionError, match="run cannot be written: Read-only file system"):
        check_folder(tmp_path / "run", CONFIG, resume=False, overwrite=False)


def test_replacing_leaves_the_new_configuration_and_nothing_else(run, listing):
    open_folder(run, dump_config(TrainConfig(seed=4)), overwrite=True)
    assert listing(run) == {"config.yaml": dump_config(TrainConfig(seed=4)).encode()}


def test_resuming_keeps_everything_but_the_summary_of_how_the_run_ended(run, listing):
    before = listing(run)
    (run / ".config.yaml-x.aside").touch()
    (run / "checkpoints" / ".step_00000400.aside").mkdir()
    open_folder(run, dump_config(CONFIG), overwrite=False)
    assert before.pop("summary.json")
    assert listing(run) == before


def end_at_change(monkeypatch, last, act):
    """Whether the process ends, at its change number `last` of the file system, before `act` is done."""
    originals, changes = {name: getattr(os, name) for name in ("replace", "unlink", "rmdir")}, []

    def counted(name):
        def change(*arguments, **named):
            changes.append(name)
            if len(changes) > last:
                raise Killed
            return originals[name](*arguments, **named)

        return change

    with monkeypatch.context() as patch:
        for name in originals:
            patch.setattr(os, name, counted(name))
        try:
            act()
        except Killed:
            return True
    return False


@pytest.mark.slow
def test_wherever_replacing_ends_the_folder_is_still_a_run_and_no_part_of_it_is_torn(
    tmp_path, listing, monkeypatch
):
    for change in range(100):
        run = write_run(tmp_path / str(change))
        before = listing(run)
        replace = functools.partial(open_folder, run, dump_config(TrainConfig(seed=4)), overwrite=True)
        ended = end_at_change(monkeypatch, change, replace)
        check_folder(run, TrainConfig(seed=5), resume=False, overwrite=True)
        if not ended:
            break
        check_folder(run, CONFIG, resume=True, overwrite=False)
        found = {name: content for name, content in listing(run).items() if ".aside" not in name}
        assert found == {name: content for name, content in before.items() if name in found}
        for part in ("checkpoints", "checkpoints/step_00000200", "spectrum"):
            assert part not in found or {name for name in before if name.startswith(part)} <= set(found)
    assert change >= 8


def test_a_folder_left_by_a_process_that_ended_before_its_configuration_was_written_is_as_good_as_empty(
    tmp_path,
):
    (tmp_path / ".config.yaml-abc.aside").write_text("half")
    for how in ({}, {"resume": True}, {"overwrite": True}):
        check_folder(tmp_path, CONFIG, **({"resume": False, "overwrite": False} | how))


def test_a_run_that_ended_before_its_first_measurement_is_resumed_or_replaced(tmp_path):
    open_folder(tmp_path / "run", dump_config(CONFIG), overwrite=False)
    check_folder(tmp_path / "run", CONFIG, resume=True, overwrite=False)
    check_folder(tmp_path / "run", TrainConfig(), resume=False, overwrite=True)


def test_a_free_folder_is_numbered_from_two(tmp_path):
    found = []
    for _ in range(3):
        found.append(free_folder(tmp_path, "run"))
        found[-1].mkdir()
    assert [path.name for path in found] == ["run", "run-2", "run-3"]
