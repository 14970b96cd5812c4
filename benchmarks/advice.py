"""Faults injected into trainings: which cause `eigenstep advise` names, and what its advice brings.

    python benchmarks/advice.py --draws 1          # trains what has no line yet, 4 s a run; go on at any time
    python benchmarks/advice.py --collect          # the signs of all runs, as lines of results/advice
    python benchmarks/advice.py --cures            # trains again, with what is advised
    python benchmarks/advice.py --tables           # confusion, goals and cures, from those lines
    python benchmarks/advice.py --cost             # what the signs take
    python benchmarks/advice.py --picture docs/images/advice.png

Thresholds of `eigenstep.advice` were set on the half "tune" (CIFAR-10; Barlow Twins, SimCLR, SimSiam) and are
judged on the half "held" (Imagenette; VICReg, BYOL, spectral contrastive; other values). Images have 16 px.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from advice_faults import (
    FAULTS,
    FITTED,
    HELD,
    MILD,
    PAIRS,
    SPECIAL,
    STRONG,
    TUNE,
    UNKNOWN,
    UNUSUAL,
    Context,
    Setup,
    Views,
    pictures,
)
from advice_tables import (
    advice_of,
    draw_named,
    harmed,
    line_of,
    named,
    print_cures,
    print_tables,
    read_lines_of,
)
from torch import Tensor, nn

from eigenstep import SpectrumMonitor, watch
from eigenstep.encoders import build_encoder, load_encoder
from eigenstep.losses import NTXentLoss
from eigenstep.machine import Stopped, set_threads, share_cores
from eigenstep.probes import knn_probe, ridge_probe
from eigenstep.training import Health, ProjectorConfig, RecordConfig, TrainConfig, train
from eigenstep.views import ViewsConfig

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
        parts = [
            self.half,
            "+".join(self.faults) or "sound",
            self.severity or self.unusual,
            self.context.name,
        ]
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
        return setup.with_config(record__every=max(1, steps // 20))


def cases(draws: int) -> Iterator[Case]:
    """What there is to run: of each draw the sound ones and the strong faults first."""
    halves = (("tune", TUNE), ("held", HELD))
    for draw in range(draws):
        for half, contexts in halves:
            special = [each for found in SPECIAL.values() for each in found[half == "held"]]
            alone = {each: None for each in special if isinstance(each, Context) and each not in contexts}
            for context in (*contexts, *alone):
                yield Case(half, (), "", replace(context, seed=context.seed + 10 * draw))
            yield from _single(half, STRONG, draw)
        for half, contexts in halves:
            for index, context in enumerate(contexts):
                for first in (0, 7):
                    number = (len(contexts) * draw + index + first + (half == "held")) % len(UNUSUAL)
                    yield Case(half, (), "", context, list(UNUSUAL)[number])
        for number, name in enumerate(UNKNOWN):
            yield Case("held", (name,), STRONG, HELD[(number + draw) % len(HELD)])
        for number, pair in enumerate(PAIRS):
            allowed = [each for each in HELD if all(each in FAULTS[name].contexts("held") for name in pair)]
            yield Case("held", pair, STRONG, allowed[(number + draw) % len(allowed)])
        for half, _ in halves:
            yield from _single(half, MILD, draw)


def _single(half: str, severity: str, draw: int) -> Iterator[Case]:
    for number, (name, fault) in enumerate(FAULTS.items()):
        allowed = fault.contexts(half)
        yield Case(half, (name,), severity, allowed[(number + draw + (severity == MILD)) % len(allowed)])


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
            images=setup.images,
            views=setup.views,
            objective=setup.objective,
        )
    except FloatingPointError:
        state = "diverged"
    worth = accuracy(case, setup, folder) if state == "finished" else None
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    seconds = round(time.process_time() - began, 1)
    return {
        "key": case.key,
        "half": case.half,
        "causes": case.causes,
        "faults": case.faults,
        "severity": case.severity,
        "unusual": case.unusual,
        "context": case.context.name,
        "state": state,
        "accuracy": worth,
        "seconds": seconds,
    }


def accuracy(case: Case, setup: Setup, folder: Path) -> float:
    """Mean of what a k-NN and a ridge probe tell right by the features, of images that no fault touched."""
    encoder = load_encoder(folder)
    images, tested = pictures(case.context.data)
    rows = [*images[:FITTED], *tested]
    pixels = torch.stack([torch.from_numpy(image) for image, _ in rows])
    plain = setup.views.plain if isinstance(setup.views, Views) else Views(ViewsConfig()).plain
    with torch.no_grad():
        features = torch.cat([encoder(plain(part))[0] for part in pixels.split(250)])
    labels = torch.tensor([label for _, label in rows])
    split = features[:FITTED], labels[:FITTED], features[FITTED:], labels[FITTED:]
    return round((knn_probe(*split, k=20).accuracy + ridge_probe(*split).accuracy) / 2, 4)


def cure(cases: dict[str, Case]) -> None:
    """Train again, with the advised options, what is harmed and is advised to set some."""
    lines = read_lines_of(RESULTS / "runs.jsonl")
    path = RESULTS / "cures.jsonl"
    known = {line["key"] for line in read_lines_of(path)}
    for line in sorted(lines, key=lambda each: each["half"]):
        changes = advice_of(line).changes
        if line["key"] in known or line["key"] not in cases or not changes or not harmed(line, lines):
            continue
        case = cases[line["key"]]
        setup = case.setup().with_config(
            **{name.replace(".", "__"): value for name, value in changes.items()}
        )
        found = run(case, RUNS / "cured", setup)
        kept = {name: found[name] for name in ("key", "half", "causes", "context", "state", "accuracy")}
        told = {"before": line["accuracy"], "named": named(advice_of(line)), "changes": sorted(changes)}
        with path.open("a") as file:
            file.write(json.dumps(kept | told) + "\n")


def cost(steps: int = 20) -> None:
    """What the signs of a measurement take beside a step: small convnet, 32 px, a batch of 256."""
    config = TrainConfig(
        loss="simclr", steps=2 * steps, threads=1, device="cpu", record=RecordConfig(every=1, probe=0)
    )
    taken: list[float] = []

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any) -> Any:
            began = time.process_time()
            found = call(*arguments)
            taken.append(time.process_time() - began)
            return found

        return measured

    for name in ("of_batch", "before_update", "of_update"):
        setattr(Health, name, timed(getattr(Health, name)))
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        train(config, Path(folder) / "run")
        step = (time.process_time() - began) / (2 * steps)
    signs = sum(statistics.median(taken[start::3]) for start in range(3))
    print(f"signs of a measurement {1e3 * signs:.1f} ms, a step {1e3 * step:.0f} ms: every 10 steps "
          f"{signs / step / 10:.2%} of a run")  # fmt: skip


def cost_watched(steps: int = 20) -> None:
    """The same of a loop of one's own: what watching adds to a step that is measured."""
    images = torch.randn(2, 256, 3, 32, 32)
    times: dict[str, list[float]] = {"unwatched": [], "watched": [], "fed by hand": []}
    with tempfile.TemporaryDirectory() as folder:
        loops = {name: own_loop(name, images, Path(folder)) for name in times}
        for _ in range(steps):
            for name, step in loops.items():
                began = time.process_time()
                step()
                times[name].append(time.process_time() - began)
    # By pairs of steps that came one after the other, as a machine's speed drifts.
    plain = statistics.median(times["unwatched"])
    for name in ("watched", "fed by hand"):
        more = statistics.median(a - b for a, b in zip(times[name], times["unwatched"], strict=True))
        print(f"a measured step {name}: {1e3 * more:.1f} ms more than {1e3 * plain:.0f} ms unwatched, "
              f"every 10 steps {more / plain / 10:.2%} of a run")  # fmt: skip


def own_loop(name: str, images: Tensor, folder: Path) -> Callable[[], None]:
    """A function that makes one step of a small convnet: watched, feeding a monitor, or neither."""
    encoder = build_encoder("convnet", 32, ProjectorConfig(dim=64))
    model = nn.Sequential(encoder.backbone, encoder.projector)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    if name == "watched":
        watch(model, "1", folder / name, every=1)  # which follows the optimiser as long as the model lives
    monitor = SpectrumMonitor(folder / name, every=1) if name == "fed by hand" else None
    loss_of = NTXentLoss()

    def step() -> None:
        z_a, z_b = model(images[0]), model(images[1])
        loss = loss_of(z_a, z_b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if monitor is not None:
            monitor.update(z_a.detach(), z_b.detach(), loss=loss)

    return step


def collect() -> None:
    """Write a line for each run that is done, beside those of runs whose folders are gone."""
    lines = {line["key"]: line for line in read_lines_of(RESULTS / "runs.jsonl")}
    for done in sorted(RUNS.glob("*/done.json")):
        found = json.loads(done.read_text())
        lines[found["key"]] = line_of(done.parent, found)
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{json.dumps(line)}\n" for line in lines.values())
    (RESULTS / "runs.jsonl").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--draws", type=int, default=0, help="runs of each fault and severity, in other places"
    )
    parser.add_argument("--only", default="", help="part of the keys of the runs to make")
    parser.add_argument(
        "--part", type=int, nargs=2, default=(0, 1), help="which of so many parts of the runs, from 0"
    )
    parser.add_argument("--collect", action="store_true", help="write the signs of all runs that are there")
    parser.add_argument("--cures", action="store_true", help="train again with what is advised")
    parser.add_argument("--cost", action="store_true", help="time what signs add to a run")
    parser.add_argument("--tables", action="store_true", help="print the tables of the lines that are there")
    parser.add_argument("--picture", type=Path, help="draw what was named of the held half to this file")
    parser.add_argument("--list", action="store_true", help="print the runs that would be made")
    options = parser.parse_args()
    share_cores()
    set_threads(1)
    if options.collect:
        collect()
    if options.cures:
        cure({case.key: case for case in cases(5)})
    if options.cost:
        cost()
        cost_watched()
    if options.tables:
        lines = read_lines_of(RESULTS / "runs.jsonl")
        print_tables(lines)
        print_cures(read_lines_of(RESULTS / "cures.jsonl"), lines)
    if options.picture:
        draw_named(read_lines_of(RESULTS / "runs.jsonl"), options.picture)
    wanted = {case.key: case for case in cases(options.draws) if options.only in case.key}
    if options.list:
        print("\n".join(wanted), len(wanted), sep="\n")
        return
    part, parts = options.part
    known = {line["key"] for line in read_lines_of(RESULTS / "runs.jsonl")}
    for key, case in list(wanted.items())[part::parts]:
        done = RUNS / key / "done.json"
        if key in known or done.exists():
            continue
        try:
            found = run(case, RUNS / key)
        except Stopped:
            raise
        except Exception as error:  # the others are run
            print(f"{key}: {type(error).__name__}: {error}", flush=True)
            continue
        done.write_text(json.dumps(found))
        print(key, found, flush=True)


if __name__ == "__main__":
    main()
