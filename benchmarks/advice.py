"""Faults injected into trainings: which cause `eigenstep advise` names, and what its advice brings.

    python benchmarks/advice.py --draws 1          # trains what is missing, 10 s a run; go on at any time
    python benchmarks/advice.py --collect          # the signs of all runs, as lines of results/advice
    python benchmarks/advice.py --tables           # confusion, goals and cures, from those lines

Thresholds of `eigenstep.advice` were set on the half "tune" (CIFAR-10; Barlow Twins, SimCLR, SimSiam) and are
judged on the half "held" (Imagenette; VICReg, BYOL, spectral contrastive; other values). Images have 16 px.
"""

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from advice_faults import (
    FAULTS,
    HELD,
    MILD,
    PAIRS,
    STRONG,
    TUNE,
    UNKNOWN,
    UNUSUAL,
    Context,
    Setup,
)

from eigenstep.machine import set_threads, share_cores
from eigenstep.training import train

RUNS = Path("runs/advice")
RESULTS = Path("results/advice")


@dataclass(frozen=True)
class Case:
    """One run: what is wrong with it (nothing, if it is sound), and where."""

    half: str
    faults: tuple[str, ...]
    severity: str
    context: Context
    unusual: str = ""

    @property
    def key(self) -> str:
        parts = [self.half, "+".join(self.faults) or "sound", self.severity or self.unusual, self.context.name]
        return "_".join(part for part in parts if part)

    @property
    def causes(self) -> list[str]:
        return [(FAULTS | UNKNOWN)[name].cause for name in self.faults]

    def setup(self) -> Setup:
        setup = self.context.setup()
        if self.unusual:
            change, value = UNUSUAL[self.unusual]
            setup = change(setup, value)
        for name in self.faults:
            fault = (FAULTS | UNKNOWN)[name]
            setup = fault.change(setup, fault.value(self.half, self.severity))
        steps = setup.config.steps
        assert steps
        return setup.with_config(probes__every=steps, record__every=max(1, steps // 30))


def cases(draws: int) -> Iterator[Case]:
    """What there is to run, the most telling first."""
    for draw in range(draws):
        for half, contexts in (("tune", TUNE), ("held", HELD)):
            for index, context in enumerate(contexts):
                seeded = replace(context, seed=context.seed + 10 * draw)
                yield Case(half, (), "", seeded)
                unusual = list(UNUSUAL)[(len(contexts) * draw + index + 7 * (half == "held")) % len(UNUSUAL)]
                yield Case(half, (), "", context, unusual)
                second = list(UNUSUAL)[(len(contexts) * draw + index + 7 * (half == "tune")) % len(UNUSUAL)]
                yield Case(half, (), "", context, second)
        for number, (name, fault) in enumerate(FAULTS.items()):
            for half in ("tune", "held"):
                allowed = fault.contexts(half)
                for shift, severity in enumerate((STRONG, MILD)):
                    yield Case(half, (name,), severity, allowed[(number + draw + shift) % len(allowed)])
        for number, name in enumerate(UNKNOWN):
            yield Case("held", (name,), STRONG, HELD[(number + draw) % len(HELD)])
        for number, pair in enumerate(PAIRS):
            allowed = [each for each in HELD if all(each in FAULTS[name].contexts("held") for name in pair)]
            yield Case("held", pair, STRONG, allowed[(number + draw) % len(allowed)])


def run(case: Case, folder: Path, setup: Setup | None = None) -> dict[str, Any]:
    """Train into a folder; what came of it."""
    setup = setup or case.setup()
    began = time.process_time()
    shutil.rmtree(folder, ignore_errors=True)
    state = "finished"
    try:
        train(
            setup.config,
            folder,
            images={"train": setup.images, "test": setup.test},
            views=setup.views,
            objective=setup.objective,
        )
    except FloatingPointError:
        state = "diverged"
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return {"key": case.key, "state": state, "seconds": round(time.process_time() - began, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=0, help="runs of each fault and severity, in other places")
    parser.add_argument("--only", default="", help="part of the keys of the runs to make")
    parser.add_argument("--list", action="store_true", help="print the runs that would be made")
    options = parser.parse_args()
    share_cores()
    set_threads(1)
    wanted = {case.key: case for case in cases(options.draws) if options.only in case.key}
    if options.list:
        print("\n".join(wanted), len(wanted), sep="\n")
        return
    for key, case in wanted.items():
        done = RUNS / key / "done.json"
        if done.exists():
            continue
        try:
            found = run(case, RUNS / key)
        except Exception as error:
            print(f"{key}: {type(error).__name__}: {error}", flush=True)
            continue
        done.write_text(json.dumps(found))
        print(key, found, flush=True)


if __name__ == "__main__":
    main()
