"""Large blocks of memory that are freed wait for the next step, where there is room, and no longer."""

import os
import subprocess
import sys

import pytest

# What is in memory of a freed block of 64 MiB: at first, when kept, after the end.
CODE = """
import sys
import torch
from eigenstep.machine import _keeping as keeping
keeping.ROOM = float(sys.argv[1])
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
def of_a_freed_block():
    before = resident()
    block = torch.ones(2**24)
    del block
    return resident() - before
found = [of_a_freed_block()]
began = resident()
with keeping.keep_memory() as keep:
    found.append(of_a_freed_block())
    keep()
    found.append(of_a_freed_block())
found += [resident() - began, of_a_freed_block()]
print(*(round(each / 2**26) for each in found))
"""
PLENTY, NEVER_ENOUGH = "0", "1e9"

pytestmark = pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}) or not os.path.exists("/proc/self/statm"),
    reason="for glibc on Linux",
)


def blocks_in_memory(room, **environment):
    """At first, before `keep`, after it, after the end, and of another block then."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", CODE, room], capture_output=True, text=True, env=clean | environment
    )
    assert done.returncode == 0, done.stderr
    return [int(number) for number in done.stdout.split()]


def test_a_freed_block_is_kept_from_the_first_step_to_the_end():
    assert blocks_in_memory(PLENTY) == [0, 0, 1, 0, 0]


def test_where_memory_is_short_nothing_is_kept():
    assert blocks_in_memory(NEVER_ENOUGH) == [0] * 5


@pytest.mark.parametrize(
    ("name", "value"), [("MALLOC_MMAP_MAX_", "65536"), ("GLIBC_TUNABLES", "glibc.malloc.perturb=0")]
)
def test_what_the_user_says_of_malloc_is_left_so(name, value):
    assert blocks_in_memory(PLENTY, **{name: value}) == [0] * 5


# Pages that the system finds anew for a step.
TRAIN = """
import resource, sys, tempfile
from eigenstep.training import ImagesConfig, TrainConfig, train
faults = []
def follow(progress):
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
images = ImagesConfig(size=32, patches=320)
config = TrainConfig(steps=6, batch_size=320, threads=1, device="cpu", images=images)
train(config, sys.argv[1], progress=follow)
print(min(after - before for before, after in zip(faults[-4:], faults[-3:])))
"""


@pytest.mark.slow
def test_steps_of_a_training_use_the_memory_of_those_before(tmp_path):
    def faults_of_a_step(name, **environment):
        done = subprocess.run(
            [sys.executable, "-c", TRAIN, str(tmp_path / name)],
            capture_output=True,
            text=True,
            env=os.environ | environment,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    given_back = faults_of_a_step("given-back", GLIBC_TUNABLES="glibc.malloc.perturb=0")
    assert faults_of_a_step("kept") < 0.5 * given_back
    same = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("given-back", "kept")]
    assert same[0] == same[1]
