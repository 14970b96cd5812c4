"""Eight trainings at once in one folder, and what becomes of it: python benchmarks/one_writer.py --turns 20.

Four ways: without --out, with one new --out, with --overwrite of a run, with --resume of a run that lacks its
last checkpoint. Each process is forked from one that has imported everything, so that they really begin
together. A run is sound if each step was recorded once, and nothing of it is damaged. Prints how many
trainings ended well and how many were refused, how many runs were sound, and what the refused ones said.
"""

import argparse
import os
import re
import shutil
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import torch

from eigenstep.cli import main
from eigenstep.record import read_record

AT_ONCE, STEPS = 8, 6
TRAIN = (
    f"train --images.patches 16 --images.size 8 --batch-size 4 --steps {STEPS} --threads 1 --record.every 1"
    " --checkpoint.every 3 --quiet"
).split()


def at_once(folder: Path, options: list[str]) -> list[tuple[int, str]]:
    """The exit code of each of eight commands, and what it said."""
    children = []
    for number in range(AT_ONCE):
        child = os.fork()
        if not child:
            os.chdir(folder)
            said = os.open(f"said{number}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(said, 1)
            os.dup2(said, 2)
            try:
                code = main([*TRAIN, *options])
            except BaseException:
                traceback.print_exc()
                code = 99
            os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return [(code, (folder / f"said{number}").read_text()) for number, code in enumerate(codes)]


def is_sound(run: Path) -> bool:
    record, steps = read_record(run), list(range(STEPS + 1))
    lines = (run / "metrics.jsonl").read_text().splitlines()
    found = [record.metrics["step"].tolist(), record.eigenvalues["step"].tolist()]
    return found == [steps, steps] and len(lines) == len(steps) and not record.problems


def turn(counts: Counter[str], said: Counter[str]) -> None:
    """Once each of the four ways."""
    folder = Path(tempfile.mkdtemp())
    for way, options in {
        "no --out": [],
        "one --out": ["--out", "runs/one"],
        "--overwrite": ["--out", "runs/one", "--overwrite"],
        "--resume": ["--out", "runs/one", "--resume"],
    }.items():
        if way == "--resume":
            shutil.rmtree(folder / "runs" / "one" / "checkpoints" / f"step_{STEPS:08d}")
        ended = at_once(folder, options)
        for code, text in ended:
            kind = {0: "ended well", 2: "refused"}.get(code, f"code {code}")
            counts[f"{way}: {kind}"] += 1
            if code:
                said[f"{way}: {re.sub('[0-9]+', 'N', text.strip())}"] += 1
        for run in sorted((folder / "runs").iterdir()):
            if way == "no --out" or run.name == "one":
                counts[f"{way}: run {'sound' if is_sound(run) else 'NOT SOUND'}"] += 1
    shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=20)
    turns = parser.parse_args().turns
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as first:  # which imports what is imported late
        main([*TRAIN, "--out", f"{first}/run"])
    counts, said = Counter[str](), Counter[str]()
    for number in range(1, turns + 1):
        turn(counts, said)
        print(f"turn {number} of {turns}: {counts.total()} things counted", flush=True)
    print(f"{turns} turns of {AT_ONCE} processes")
    for what, number in sorted(counts.items()):
        print(f"{number:6d}  {what}")
    for what, number in said.most_common():
        print(f"{number:6d}  {what}")
