"""Clocks that stand still or run backwards, as in frozen and migrated machines."""

import re
import subprocess
import sys

import pytest

# Each reading of the clocks is later by so much than the one before; SECONDS may be 0 or negative.
CLOCKS = """
import itertools, sys, time
seconds = float(sys.argv.pop(1))
readings = itertools.count(1e9, seconds)
for name in ("time", "monotonic", "perf_counter"):
    setattr(time, name, lambda: next(readings))
from eigenstep.cli import main
sys.exit(main(sys.argv[1:]))
"""
TRAIN = (
    "train --steps 4 --batch-size 8 --threads 1 --device cpu --images.size 8 --images.patches 16 --out run"
)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", ["0", "-3"])
def test_trainings_and_reports_do_not_need_the_clock(seconds, tmp_path):
    for line in (TRAIN, f"{TRAIN} --resume", "report run"):
        done = subprocess.run(
            [sys.executable, "-c", CLOCKS, seconds, *line.split()],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert re.search(r"\bnan\b|\binf\b|-\d+:\d\d", done.stdout) is None


@pytest.mark.slow
@pytest.mark.parametrize("seconds", ["0", "-3"])
def test_neither_do_kernels(seconds):
    code = CLOCKS.partition("from eigenstep")[0] + (
        "import numpy as np, torch\n"
        "from eigenstep import ContrastiveKernelPCA\n"
        "from eigenstep.kernel.ntk import empirical_ntk\n"
        "x = np.random.default_rng(0).normal(size=(40, 3))\n"
        "for solver in ('dense', 'krylov', 'nystrom'):\n"
        "    ContrastiveKernelPCA(2, solver=solver, n_landmarks=10, verbose=1).fit(x)\n"
        "print(empirical_ntk(torch.nn.Linear(3, 2), torch.from_numpy(x).float()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, seconds], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"-\d+(\.\d+)? s", done.stderr + done.stdout) is None
