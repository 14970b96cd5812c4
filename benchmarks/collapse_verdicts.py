"""Collapses provoked on purpose: which verdict comes, how many steps after the fact, and any false alarm.

    python benchmarks/collapse_verdicts.py                      # 3 seeds, 15 minutes on one core
    python benchmarks/collapse_verdicts.py --seeds 1 --only SimSiam

Each run trains a small convnet on patches of scikit-learn's two photographs, each recoloured in its own way,
so that there is more than two scenes to tell apart; views are SimCLR's. A `SpectrumMonitor` records every few
steps, and the record is judged as it was after each measurement. The fact is told by other means, at every
step: a complete collapse when a standard deviation over the batch has fallen to a tenth of what it was at
first, that of embeddings scaled to unit length as in SimSiam's paper or, where the loss depends on their
scale, of the embeddings; an explosion when the loss has risen tenfold or is not finite; a dimensional
collapse when a tenth of the directions carry 99 % of the batch's variance. No verdict on a healthy run, after
none of its measurements, may be an alarm. The tables tell when the fact was there, when the first alarm came,
of whatever kind, when the verdict that belongs to the run, and how many steps after the fact.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from eigenstep.analysis.verdicts import ALARMS, judge_spectra
from eigenstep.losses import (
    BarlowTwinsLoss,
    NegativeCosineSimilarity,
    NTXentLoss,
    SpectralContrastiveLoss,
    VICRegLoss,
)
from eigenstep.machine import set_threads, share_cores
from eigenstep.record import read_record
from eigenstep.spectrum import SpectrumMonitor
from eigenstep.terminal import console, print_table
from eigenstep.training import ProjectorConfig, build_encoder, photo_patches
from eigenstep.views import TwoViews, ViewsConfig

SIZE = 32


@dataclass(frozen=True)
class Case:
    """A run, and the verdict that it should end in; None for a healthy one."""

    name: str
    objective: Callable[[], nn.Module]
    rate: float
    expected: str | None = None
    fact: str | None = None
    projector: ProjectorConfig = field(default_factory=lambda: projector())
    weight_decay: float = 0.0
    steps: int = 300


class SimSiam(nn.Module):
    """SimSiam's predictor and loss, with the gradient through the target stopped or not."""

    def __init__(self, dim: int, stop: bool) -> None:
        super().__init__()
        self.stop = stop
        self.loss = NegativeCosineSimilarity()
        self.predictor = nn.Sequential(
            nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(), nn.Linear(dim, dim)
        )

    def forward(self, z_a: Tensor, z_b: Tensor) -> Tensor:
        targets = [z.detach() if self.stop else z for z in (z_a, z_b)]
        return (self.loss(self.predictor(z_a), targets[1]) + self.loss(self.predictor(z_b), targets[0])) / 2


def barlow_twins(center: bool = True) -> nn.Module:
    return BarlowTwinsLoss(1.0, normalize="none", center=center, symmetrize=True)


def too_redundant() -> nn.Module:
    """The published weight, made for 8,192 dimensions."""
    return BarlowTwinsLoss(0.005)


def inner_products() -> nn.Module:
    return NTXentLoss(1.0, normalize="none")


def projector(dim: int = 32, scale: float = 1.0, **options) -> ProjectorConfig:
    return ProjectorConfig(dim=dim, init_scale=scale, **options)


NORMED = projector(batch_norm=True)
WIDE = projector(64, batch_norm=True)
NARROW = projector(hidden=(128, 3))
COMPLETE, DIMENSIONAL, EXPLODING = "complete collapse", "dimensional collapse", "exploding"
CASES = [
    Case("SimSiam, no stop-gradient", lambda: SimSiam(64, False), 0.05, COMPLETE, "unit std", WIDE),
    Case("... nor batch norm", lambda: SimSiam(64, False), 0.05, COMPLETE, "unit std", projector(64)),
    Case("VICReg, no variance term", lambda: VICRegLoss(mu_param=0), 0.03, COMPLETE, "std"),
    Case("Barlow Twins, decay 2", barlow_twins, 0.002, COMPLETE, "std", weight_decay=2.0),
    Case("Barlow Twins, rate × 25", barlow_twins, 0.05, EXPLODING, "loss"),
    Case("... × 20, start 1e-2", barlow_twins, 0.1, EXPLODING, "loss", projector(scale=1e-2)),
    Case("Barlow Twins, weight / 20", too_redundant, 0.01, DIMENSIONAL, "directions", NORMED),
    Case("SimCLR behind 3 units", lambda: NTXentLoss(0.5), 0.05, DIMENSIONAL, "directions", NARROW),
    Case("SimSiam", lambda: SimSiam(64, True), 0.05, projector=WIDE),
    Case("SimSiam, slow", lambda: SimSiam(64, True), 0.01, projector=WIDE),
    Case("Barlow Twins", barlow_twins, 0.002),
    Case("... batch-normalised", lambda: BarlowTwinsLoss(0.1), 0.01, projector=NORMED),
    Case("... start 1e-2", barlow_twins, 0.005, projector=projector(scale=1e-2)),
    Case("... start 1e-4", barlow_twins, 0.005, projector=projector(scale=1e-4)),
    Case("... start 1e-7", barlow_twins, 0.005, projector=projector(scale=1e-7), steps=400),
    Case("... start 1e-4, slow", barlow_twins, 0.0005, projector=projector(scale=1e-4)),
    Case("... start 1e-4, not centred", lambda: barlow_twins(False), 0.002, projector=projector(scale=1e-4)),
    Case("SimCLR", lambda: NTXentLoss(0.5), 0.05, projector=NORMED),
    Case("... slow", lambda: NTXentLoss(0.5), 0.002, projector=NORMED),
    Case("... inner products, start 1e-2", inner_products, 0.05, projector=projector(scale=1e-2)),
    Case("VICReg", VICRegLoss, 0.002),
    Case("... start 1e-2", VICRegLoss, 0.002, projector=projector(scale=1e-2)),
    Case("spectral contrastive, start 1e-2", SpectralContrastiveLoss, 0.005, projector=projector(scale=1e-2)),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=5, help="steps between two measurements")
    parser.add_argument("--batch", type=int, default=128, help="images a step, of two views each")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--only", default="", help="part of the names of the runs to make")
    options = parser.parse_args()
    share_cores()
    set_threads(options.threads)
    images = recoloured_patches(2048)
    tables: dict[str | None, list[list[str]]] = {COMPLETE: [], DIMENSIONAL: [], EXPLODING: [], None: []}
    false, judged = 0, 0
    for case in CASES:
        if options.only.lower() not in case.name.lower():
            continue
        runs = [follow(case, images, seed, options) for seed in range(options.seeds)]
        for run in runs:
            console.print(f"{case.name}: {run.course}", soft_wrap=True)
        tables[case.expected].append(row(case, runs))
        if case.expected is None:
            false += sum(run.alarms for run in runs)
            judged += sum(len(run.steps) for run in runs)
    console.print(f"\n{options.seeds} seeds, a measurement every {options.every} steps; median and range")
    for expected in (COMPLETE, DIMENSIONAL, EXPLODING):
        header = ["run", "fact", "alarm", "verdict", "late"]
        print_table(f"Provoked: {expected} (steps)", header, tables[expected])
    print_table("Healthy", ["run", "last verdict", "false alarms"], tables[None])
    console.print(f"false alarms in healthy runs: {false} of {judged} verdicts")


@dataclass(frozen=True)
class Run:
    """What was said of a run after each of its measurements, and at which step the fact was there."""

    steps: list[int]
    states: list[str]
    fact: int | None

    @property
    def alarms(self) -> int:
        return sum(state in ALARMS for state in self.states)

    @property
    def course(self) -> str:
        changes = [i for i, state in enumerate(self.states) if not i or state != self.states[i - 1]]
        return ", ".join(f"{self.states[i]} from step {self.steps[i]}" for i in changes)

    def first(self, *states: str) -> int | None:
        """The step at which one of these was said first."""
        said = zip(self.steps, self.states, strict=True)
        return next((step for step, state in said if state in states), None)


def row(case: Case, runs: list[Run]) -> list[str]:
    if case.expected is None:
        measurements = sum(len(run.steps) for run in runs)
        ends = ", ".join(sorted({run.states[-1] for run in runs}))
        return [case.name, ends, f"{sum(run.alarms for run in runs)} of {measurements}"]
    facts, called = [run.fact for run in runs], [run.first(case.expected) for run in runs]
    late = [
        None if fact is None or step is None else step - fact
        for fact, step in zip(facts, called, strict=True)
    ]
    alarms = [run.first(*ALARMS) for run in runs]
    return [case.name, *(summary(values) for values in (facts, alarms, called, late))]


def summary(values: list[int | None]) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return "never"
    text = f"{statistics.median(found):g}"
    if min(found) < max(found):
        text += f" ({min(found)}–{max(found)})"
    return text if len(found) == len(values) else f"{text}, {len(values) - len(found)} never"


def follow(case: Case, images: Tensor, seed: int, options: argparse.Namespace) -> Run:
    """Train, and judge the record as it was after each measurement."""
    with tempfile.TemporaryDirectory() as folder:
        trace = train(case, images, seed, options, Path(folder) / "run")
        record = read_record(Path(folder) / "run")
    names = {"loss": "loss"} | {name: f"measures/{name}" for name in ("mean_norm", "cosine_concentration")}
    times, eigenvalues = record.eigenvalues["time"], record.eigenvalues["covariance"]
    states = []
    for end in range(1, len(times) + 1):
        curves = {name: record.metrics[key][:end] for name, key in names.items()}
        states.append(judge_spectra(times[:end], eigenvalues[:end], **curves).state)
    fact = trace[case.fact].index(True) + 1 if case.fact and True in trace[case.fact] else None
    return Run(record.eigenvalues["step"].tolist(), states, fact)


def train(
    case: Case, images: Tensor, seed: int, options: argparse.Namespace, out: Path
) -> dict[str, list[bool]]:
    """Train with a monitor; returns for each step whether each kind of fact is there."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    encoder, objective = build_encoder("convnet", SIZE, case.projector), case.objective()
    optimizer = torch.optim.SGD(
        [*encoder.parameters(), *objective.parameters()],
        lr=case.rate,
        momentum=0.9,
        weight_decay=case.weight_decay,
    )
    views = TwoViews(ViewsConfig(), SIZE)
    monitor = SpectrumMonitor(out, case.projector.dim, every=options.every)
    first: dict[str, float] = {}
    trace: dict[str, list[bool]] = {name: [] for name in ("unit std", "std", "loss", "directions")}
    for _ in range(case.steps):
        batch = images[torch.randint(len(images), (options.batch,), generator=generator)]
        z = encoder(torch.cat(views(batch, generator)))[1]
        z_a, z_b = z.chunk(2)
        loss = objective(z_a, z_b)
        monitor.update(z_a, z_b, loss=loss, learning_rate=case.rate)
        now = facts(z.detach().double(), loss.item())
        first = first or now
        trace["unit std"].append(now["unit std"] <= first["unit std"] / 10)
        trace["std"].append(now["std"] <= first["std"] / 10)
        trace["loss"].append(not np.isfinite(now["loss"]) or now["loss"] > 10 * abs(first["loss"]))
        trace["directions"].append(now["directions"] <= case.projector.dim / 10)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    monitor.close()
    return trace


def facts(z: Tensor, loss: float) -> dict[str, float]:
    if not torch.isfinite(z).all():
        return {"unit std": np.nan, "std": np.nan, "loss": np.nan, "directions": np.nan}
    eigenvalues = torch.linalg.eigvalsh(torch.cov(z.T)).flip(0)
    shares = eigenvalues.cumsum(0) / eigenvalues.sum()
    return {
        "unit std": nn.functional.normalize(z, dim=1).std(0).mean().item(),
        "std": z.var(0).sum().sqrt().item(),
        "loss": loss,
        "directions": int((shares < 0.99).sum()) + 1,
    }


def recoloured_patches(count: int) -> Tensor:
    """Photographs' patches, each with its colours turned and its level shifted, uint8."""
    generator = torch.Generator().manual_seed(0)
    patches = photo_patches(count, SIZE) / 255 - 0.5
    turns = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator))[0]
    levels = 0.35 + 0.3 * torch.rand(count, 3, 1, 1, generator=generator)
    colours = torch.einsum("nij,njhw->nihw", 0.7 * turns, patches) + levels
    return (colours.clamp(0, 1) * 255).byte()


if __name__ == "__main__":
    main()
