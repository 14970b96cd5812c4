"""One writer a run folder, for as long as its process lives."""

import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from eigenstep import SpectrumMonitor
from eigenstep.record import FolderInUse, FolderLock, found_entries, read_record

HOLD = """
import sys, time
from pathlib import Path
from eigenstep.record import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that writes in the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_told_who_writes_and_since_when(tmp_path, holder):
    since = time.strftime("%Y-%m-%d")
    with pytest.raises(FolderInUse) as caught:
        FolderLock(tmp_path)
    told = str(caught.value)
    assert told.startswith(
        f"{tmp_path} is written by process {holder.pid} on {socket.gethostname()} since {since}"
    )
    assert "\n" not in told


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_killed_gives_its_folder_back(tmp_path, holder, number):
    holder.send_signal(number)
    holder.wait()
    assert FolderLock(tmp_path).is_held


def test_in_one_process_too_the_second_writer_is_refused_or_the_first_is_told(tmp_path):
    first = FolderLock(tmp_path)
    with pytest.raises(FolderInUse, match=f"process {os.getpid()} "):
        FolderLock(tmp_path)
    second = FolderLock(tmp_path, replaces_own=True)
    assert (first.is_held, second.is_held) == (False, True)
    first.release()  # of what it no longer has
    with pytest.raises(FolderInUse):
        FolderLock(tmp_path)


def test_what_is_released_or_forgotten_can_be_taken_and_nothing_is_left(tmp_path):
    FolderLock(tmp_path).release()
    assert not list(tmp_path.iterdir())
    lock = FolderLock(tmp_path)
    assert found_entries(tmp_path) == []
    del lock
    gc.collect()
    FolderLock(tmp_path).release()
    assert not list(tmp_path.iterdir())


def test_a_forked_process_that_lives_on_does_not_hold_the_folder(tmp_path):
    program = HOLD.replace("time.sleep(60)", "import os\nif os.fork() == 0:\n    time.sleep(60)\nos._exit(0)")
    subprocess.run([sys.executable, "-c", program, tmp_path], stdout=subprocess.DEVNULL, check=True)
    deadline = time.monotonic() + 10
    while (lock := attempt(tmp_path)) is None:  # the child gives it up as it begins
        assert time.monotonic() < deadline
    assert lock.is_held


def test_a_writer_of_another_machine_is_told_and_can_be_taken_over(tmp_path):
    told = {"host": "elsewhere", "process": 7, "since": "2026-01-01 00:00:00", "command": "eigenstep train"}
    (tmp_path / ".writer.lock").write_text(json.dumps(told))
    with pytest.raises(FolderInUse, match=r"process 7 on elsewhere since 2026-01-01 00:00:00 .*--take-over"):
        FolderLock(tmp_path)
    assert json.loads((tmp_path / ".writer.lock").read_text()) == told
    assert FolderLock(tmp_path, take_over=True).is_held
    (tmp_path / ".writer.lock").write_text("nonsense")


@pytest.mark.parametrize("content", ["", "nonsense", "[1]", '{"host": null}', "\x00" * 100])
def test_a_lock_that_says_nothing_is_taken(tmp_path, content):
    (tmp_path / ".writer.lock").write_text(content)
    assert FolderLock(tmp_path).is_held


def test_a_folder_that_is_made_anew_is_another_folder(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    before = FolderLock(folder)
    shutil.move(folder, tmp_path / "moved")
    folder.mkdir()
    after = FolderLock(folder)
    before.release()
    assert after.is_held
    with pytest.raises(FolderInUse):
        FolderLock(folder)


def test_of_two_monitors_in_one_folder_one_writes(tmp_path):
    first, second = (SpectrumMonitor(tmp_path, every=1) for _ in range(2))
    first.update(torch.randn(9, 3))
    with pytest.raises(FileExistsError):
        second.update(torch.randn(9, 3))
    resumed = SpectrumMonitor(tmp_path, every=1, resume=True)
    resumed.update(torch.randn(9, 3))
    with pytest.warns(UserWarning, match="a later monitor of this process writes"):
        first.update(torch.randn(9, 3))
    resumed.update(torch.randn(9, 3))
    first.close()
    resumed.close()
    record = read_record(tmp_path)
    assert record.metrics["step"].tolist() == record.eigenvalues["step"].tolist() == [1, 2, 3]
    assert record.summary["step"] == 3


def test_a_monitor_in_a_folder_that_another_process_writes_is_refused(tmp_path, holder):
    monitor = SpectrumMonitor(tmp_path, every=1)
    with pytest.raises(FolderInUse, match=f"process {holder.pid} "):
        monitor.update(torch.randn(9, 3))


def test_of_many_threads_one_gets_the_folder(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(lambda _: attempt(tmp_path), range(64)))
    assert sum(lock is not None for lock in taken) == 1


def attempt(folder):
    try:
        return FolderLock(folder)
    except FolderInUse:
        return None


def test_who_reads_all_files_of_the_folder_does_not_give_it_back(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    lock = FolderLock(run)
    shutil.copytree(run, tmp_path / "copy")
    other = subprocess.run([sys.executable, "-c", HOLD, run], capture_output=True, text=True)
    assert f"is written by process {os.getpid()} " in other.stderr
    assert lock.is_held


def test_a_forked_process_neither_has_the_folder_nor_gives_it_back(tmp_path):
    lock = FolderLock(tmp_path)
    child = os.fork()
    if not child:
        refused = attempt(tmp_path) is None
        lock.release()
        os._exit(0 if refused and not lock.is_held else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert lock.is_held
    assert (tmp_path / ".writer.lock").exists()


def test_a_process_that_ends_without_a_word_leaves_no_lock(tmp_path):
    program = HOLD.replace("time.sleep(60)", "pass")
    subprocess.run([sys.executable, "-c", program, tmp_path], stdout=subprocess.DEVNULL, check=True)
    assert not list(tmp_path.iterdir())


def test_a_monitor_that_could_not_open_its_record_does_not_hold_the_folder(tmp_path):
    with SpectrumMonitor(tmp_path, every=1) as monitor:
        monitor.update(torch.randn(9, 3))
    other = SpectrumMonitor(tmp_path, every=1, resume=True)
    with pytest.raises(ValueError, match="holds rows of") as kept:
        other.update(torch.randn(9, 4))
    SpectrumMonitor(tmp_path, every=1, resume=True).update(torch.randn(9, 3))
    assert kept.value is not None
