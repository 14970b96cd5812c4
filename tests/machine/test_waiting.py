"""Threads that wait for each other give up their core, also where torch is loaded already."""

import os
import subprocess
import sys

import pytest

# Parallel work with pauses between: threads that spin through these take processor time.
CODE = """
import os, sys, time, resource
import torch
from eigenstep.machine import _waiting as waiting
torch.set_num_threads(2)
def threads():
    return len(os.listdir("/proc/self/task"))
def processor_time():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
numbers = torch.zeros(2**17)
numbers.add_(1)
before = threads()
waiting.LOOK_EVERY, waiting.CROWDED_SHARE = 0.01, float(sys.argv[1])
with waiting.calm_threads():
    time.sleep(0.3)
    within = threads()
    began = processor_time()
    for _ in range(60):
        numbers.add_(1)
        time.sleep(0.005)
    used = processor_time() - began
for _ in range(50):  # a team ends a moment after its thread
    if threads() == before:
        break
    time.sleep(0.1)
print(before, within, threads(), torch.get_num_threads(), used)
"""
CROWDED, NEVER = "-1", "2"


def in_new_process(share, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", CODE, share], capture_output=True, text=True, env=clean | environment
    )
    assert done.returncode == 0, done.stderr
    *counts, used = done.stdout.split()
    return [int(count) for count in counts], float(used)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="not told by this system"),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="on one core no thread spins beside another"),
]


@pytest.fixture(autouse=True)
def every_core():
    """A worker of the tests has one core to itself, on which no thread would spin beside another."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count()))
    yield
    os.sched_setaffinity(0, before)


def test_waiting_threads_take_no_processor_time_on_a_crowded_machine():
    (before, within, after, count), calm = in_new_process(CROWDED)
    _, spinning = in_new_process(NEVER)
    assert calm < 0.5 * spinning
    assert count == 2
    assert within > before + 1  # the watcher and its team
    assert after == before


def test_with_cores_for_itself_nothing_changes():
    (before, within, after, _), _ = in_new_process(NEVER)
    assert within == before + 1
    assert after == before


def test_what_the_user_says_is_left_so():
    (before, within, _, _), _ = in_new_process(CROWDED, OMP_WAIT_POLICY="passive")
    assert within == before
