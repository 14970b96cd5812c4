"""Runs that are really killed, and what is left of them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eigenstep.cli import main

pytestmark = pytest.mark.slow

STEPS = 120
ARGUMENTS = [
    *("train", "--threads", "1", "--device", "cpu", "--steps", str(STEPS), "--batch-size", "16"),
    *("--images.size", "16", "--images.patches", "64", "--record.every", "3", "--record.probe", "8"),
    *("--optimizer.schedule", "cosine", "--optimizer.warmup-steps", "10", "--checkpoint.every", "2"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nobody killed."""
    out = tmp_path_factory.mktemp("killed") / "whole"
    assert main([*ARGUMENTS, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def start(whole):
    """`start(arguments)`: the command in a process of its own, forked from one that has imported all."""
    context = multiprocessing.get_context("forkserver")
    needed = ("eigenstep", "torch", "timm", "PIL", "safetensors", "tyro", "rich", "yaml")
    context.set_forkserver_preload([name for name in sys.modules if name.partition(".")[0] in needed])

    def run(arguments):
        process = context.Process(target=main, args=(arguments,))
        process.start()
        return process

    return run


def latest(out: Path) -> int:
    found = (out / "checkpoints").glob("step_*")
    return max((int(path.name.removeprefix("step_")) for path in found), default=0)


def wait(reached: Callable[[], bool], alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached() and alive():
        assert time.monotonic() < deadline, "the run does not get on"
        time.sleep(2e-4)


def test_killed_at_any_moment_a_run_resumes_to_the_same_record(start, whole, tmp_path, folder_bytes):
    out = tmp_path / "run"
    written = out / "checkpoints"
    moments = [
        lambda: out.exists(),
        lambda: (out / "config.yaml").exists(),
        lambda: (out / "metrics.jsonl").exists(),
        lambda: (out / "spectrum" / "projections.bin").exists(),
        lambda: any(written.glob(".*")),
        *(lambda step=step: latest(out) >= step for step in (6, 10, 14, 18, 24, 30, 36, 43, 50)),
        *(
            lambda step=step: latest(out) >= step and any(written.glob(".*"))
            for step in (58, 64, 71, 78, 85, 92)
        ),
    ]
    killed, delays = [], np.random.default_rng(0).uniform(0, 0.03, len(moments))
    for number, (moment, delay) in enumerate(zip(moments, delays, strict=True)):
        process = start([*ARGUMENTS, "--out", str(out), "--resume"])
        wait(moment, process.is_alive)
        if number % 2:  # otherwise the very moment that it was seen
            time.sleep(delay)
        process.kill()
        process.join()
        killed.append((process.exitcode, latest(out)))
    assert len(moments) == 20
    assert sum(code == -signal.SIGKILL for code, _ in killed) >= 18
    assert len({step for _, step in killed}) >= 12
    assert not (out / "summary.json").exists()
    process = start([*ARGUMENTS, "--out", str(out), "--resume"])
    process.join()
    assert process.exitcode == 0
    assert folder_bytes(out) == folder_bytes(whole)


def test_the_command_itself_killed_while_it_starts_and_while_it_writes_resumes_to_the_same_record(
    whole, tmp_path, folder_bytes
):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "eigenstep", *ARGUMENTS, "--out", str(out), "--resume"]
    written = out / "checkpoints"
    moments = [lambda: True, lambda: latest(out) >= 40 and any(written.glob(".*"))]
    for moment, delay in zip(moments, (1.0, 0.0), strict=True):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait(moment, lambda process=process: process.poll() is None)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert latest(out) >= 40
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    assert folder_bytes(out) == folder_bytes(whole)
    assert finished.stderr == ""
    assert "\x1b" not in finished.stdout
    assert all(character.isprintable() or character == "\n" for character in finished.stdout)
