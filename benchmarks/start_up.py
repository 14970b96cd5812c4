"""Processor seconds, user and system, of what a person waits for at the start; least of some turns.

    python benchmarks/start_up.py [--turns 3] [--source FOLDER]

Each command runs in a process of its own, on one thread. "first step" is a training of one step on the
photographs, with the small network, from start to end. --source: the `src` of another version to measure.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

OWN = Path(__file__).parents[1] / "src"
STEP = "--steps 1 --batch-size 16 --device cpu --threads 1"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--source", type=Path, default=OWN)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, command in commands(Path(folder)).items():
            print(f"{name:28} {min(seconds(command, options.source) for _ in range(options.turns)):.2f} s")


def commands(folder: Path) -> dict[str, list[str]]:
    eigenstep = ["-m", "eigenstep"]
    out = ["--out", str(folder / "run"), "--overwrite", "--quiet"]
    sgd = "import torch; p = torch.nn.Parameter(torch.ones(1)); torch.optim.SGD([p], lr=1.0).step()"
    return {
        "import eigenstep": ["-c", "import eigenstep"],
        "eigenstep --help": [*eigenstep, "--help"],
        "eigenstep train --help": [*eigenstep, "train", "--help"],
        "eigenstep check": [*eigenstep, "check", *STEP.split()],
        "eigenstep train, first step": [*eigenstep, "train", *STEP.split(), *out],
        "the same with a resnet18": [*eigenstep, "train", "--backbone", "resnet18", *STEP.split(), *out],
        "torch alone": ["-c", "import torch"],
        "torch alone, a step of SGD": ["-c", sgd],
    }


def seconds(command: list[str], source: Path) -> float:
    environment = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # 1: a check has found something
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
