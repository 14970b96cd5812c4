"""SIGTERM, as a cluster sends it before it takes a machine back."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from eigenstep.training import Preempted, train


def terminate_at(step):
    def tell(progress):
        if progress.stage == "training" and progress.done == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return tell


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 5, 9, 22])
def test_a_run_writes_a_checkpoint_of_the_next_step_and_resumes_to_the_same_record(
    small_config, tmp_path, folder_bytes, step
):
    train(small_config(), tmp_path / "whole")
    with pytest.raises(Preempted, match=f"a checkpoint of step {step + 1} is written, --resume") as stopped:
        train(small_config(), tmp_path / "run", progress=terminate_at(step))
    assert stopped.value.step == step + 1
    assert max(path.name for path in (tmp_path / "run/checkpoints").glob("step_*")) == f"step_{step + 1:08d}"
    train(small_config(), tmp_path / "run", resume=True)
    found, whole = (folder_bytes(tmp_path / name) for name in ("run", "whole"))
    assert {name: found[name] for name in whole if not name.startswith("checkpoints/step_00000021")} == {
        name: whole[name] for name in whole if not name.startswith("checkpoints/step_00000021")
    }


@pytest.mark.slow
def test_at_the_last_step_a_run_just_ends(small_config, tmp_path):
    record = train(small_config(steps=6), tmp_path / "run", progress=terminate_at(5))
    assert record.summary["state"] == "finished"


@pytest.mark.slow
def test_what_happened_on_sigterm_before_happens_again_afterwards(small_config, tmp_path):
    def before(*_):
        pass

    original = signal.signal(signal.SIGTERM, before)
    try:
        with pytest.raises(Preempted):
            train(small_config(steps=6), tmp_path / "run", progress=terminate_at(1))
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, original)


@pytest.mark.slow
def test_a_run_in_another_thread_trains_on(small_config, tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(train(small_config(steps=2), tmp_path / "run")))
    thread.start()
    thread.join()
    assert found[0].summary["state"] == "finished"


ARGUMENTS = [
    *("train", "--threads", "1", "--device", "cpu", "--steps", "4000", "--batch-size", "16", "--images.size"),
    *("16", "--images.patches", "64", "--record.every", "3", "--checkpoint.every", "1000000", "--resume"),
]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_the_command_ends_with_a_code_of_its_own(tmp_path, processes):
    """Of two processes only one may be told: both stop at the same step."""
    start = [sys.executable, "-m", "eigenstep"]
    if processes == 2:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        start = [sys.executable, *launcher, "-m", "eigenstep"]
    command = [*start, *ARGUMENTS, "--out", str(tmp_path / "run")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, text=True
    )
    deadline = time.monotonic() + 100
    while not (tmp_path / "run" / "spectrum" / "projections.bin").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    told = process.pid if processes == 1 else last_descendant(process.pid)
    os.kill(told, signal.SIGTERM)
    _, errors = process.communicate(timeout=100)
    (checkpoint,) = (tmp_path / "run" / "checkpoints").glob("step_*")
    step = int(checkpoint.name.removeprefix("step_"))
    assert 0 < step < 4000
    line = f"eigenstep: stopped by SIGTERM; a checkpoint of step {step} is written, --resume goes on from it"
    assert errors.count(line) == 1
    if processes == 1:
        assert process.returncode == 75
        assert errors == line + "\n"
    else:
        assert "exitcode  : 75" in errors
    assert not (tmp_path / "run" / "summary.json").exists()


def last_descendant(pid):
    """The second of the processes that torchrun has started."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[-1])


class Telling:
    """An objective that has SIGTERM sent at its first call, which is the try before the first step."""

    def __init__(self, swallows=False):
        self.swallows, self.told = swallows, False

    def __call__(self, z_a, z_b):
        if not self.told:
            self.told = True
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except BaseException:
                if not self.swallows:
                    raise
        return (z_a - z_b).square().mean()


def terminate_while_reading(progress):
    if progress.stage == "reading":
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["reading", "building"])
def test_before_the_first_step_a_run_ends_at_once_and_can_be_started_again(
    small_config, tmp_path, folder_bytes, labelled_folder, moment
):
    config = small_config(data=str(labelled_folder), steps=4)
    objective = None if moment == "reading" else Telling()
    options = {"progress": terminate_while_reading} if moment == "reading" else {"objective": objective}
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Preempted, match="SIGTERM before the first step") as stopped:
        train(config, tmp_path / "run", **options)
    assert stopped.value.step is None
    assert signal.getsignal(signal.SIGTERM) is before
    if objective is not None:
        objective.told = True
    for name, resume in (("run", True), ("whole", False)):
        train(config, tmp_path / name, resume=resume, objective=objective)
    assert folder_bytes(tmp_path / "run") == folder_bytes(tmp_path / "whole")


@pytest.mark.slow
def test_what_another_library_catches_is_heeded_at_the_first_step(small_config, tmp_path):
    with pytest.raises(Preempted, match="a checkpoint of step 0 is written"):
        train(small_config(), tmp_path / "run", objective=Telling(swallows=True))


# Has SIGTERM sent when a module is imported, or when a file whose name ends so is opened.
TERMINATED = """
import os, signal, sys
moment = sys.argv.pop(1)
def tell(event, arguments):
    where = str(arguments[0])
    if event in ("import", "open") and (where.endswith(moment) or ("/" in moment and moment in where)):
        os.kill(os.getpid(), signal.SIGTERM)
sys.addaudithook(tell)
from eigenstep.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["torch", "eigenstep.methods", "/_loop.", "china.jpg"])
def test_the_command_ends_likewise_while_it_imports_and_reads(tmp_path, moment):
    """`/_loop.` is the trainer's file, which is imported when it is used; `china.jpg` is a photograph."""
    command = [sys.executable, "-c", TERMINATED, moment, *ARGUMENTS, "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 75
    assert done.stderr.startswith("eigenstep: stopped by SIGTERM")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_command_that_is_ended_while_it_writes_leaves_nothing_unfinished(write_run, tmp_path):
    run = write_run(data="photos")
    command = [sys.executable, "-c", TERMINATED, ".aside", "embed", str(run), "--out", "new.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (75, "eigenstep: stopped by SIGTERM; start it again\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
