"""Trains the same networks by tuned baselines and by what makes late modes faster, cell by cell.

    python benchmarks/faster_late_modes.py --regime small --network convnet [--losses simclr] [--seeds 0 1 2]
    python benchmarks/faster_late_modes.py --regime standard --network resnet18 --losses simclr \\
        --device cuda --precision bf16-mixed --batch 512 --steps 1500 --seeds 0 --minutes 9
    python benchmarks/faster_late_modes_clock.py --regime small --network convnet
    python benchmarks/faster_late_modes_tables.py

A cell is one training: a regime (small start, or the standard recipe), a network, a loss, a rule (how
weights are updated), a rate and a seed. Each rule is tuned on seed 0 by the ridge accuracy of features at
the last step: four rates a factor apart, and more where the best is at an end. The best rates of the best
baseline and of what is held against it are run with the other seeds. Every cell of a regime and loss has the
same batches, views, schedule and steps. A rule such as adamw@frossl is AdamW on a peer's loss, see
`peer_losses.py`. 45,000 images are trained on; probes are fitted to 10,000 of them and tested on 5,000
others. A cell that is done is a line of `results/faster-late-modes/cells.jsonl`; one that was cut off goes
on from its checkpoint. Needs CIFAR-10 or Imagenette: ../shared/data from the repository's root, or --data.
"""

import argparse
import dataclasses
import json
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import small_networks  # noqa: F401 - networks that timm knows by this
import torch
from peer_losses import PEERS
from torch import Tensor

from eigenstep.analysis import learned_rises
from eigenstep.encoders import encode, find_checkpoints, load_encoder
from eigenstep.images import ImagesConfig, load_labelled
from eigenstep.training import (
    CheckpointConfig,
    EmbeddingPreconditionerConfig,
    OptimizerConfig,
    ProbesConfig,
    ProjectorConfig,
    RecordConfig,
    TrainConfig,
    load_config,
    train,
)
from eigenstep.training.recipes import load_recipe
from eigenstep.views import ViewsConfig

RESULTS = Path("results/faster-late-modes")
LOSSES = ("barlow_twins", "simclr", "vicreg")
BASELINES = ("sgd", "adamw", "lars")
RULES = ("muon", "adamw", "sgd", "lars")
MODES = (1, 2, 4, 8, 16)
# Of the images: trained on, probes are fitted to of these, tested on, and of those the spans are compared on.
TRAINED, FITTED, TESTED, SPANNED = 45_000, 10_000, 5_000, 1_000
# Rates that tuning begins with; from a small start SGD's differ by loss, as the losses' scales do.
RATES = {
    "adamw": (3e-4, 1e-3, 3e-3, 1e-2),
    "lars": (0.1, 0.3, 1.0, 3.0),
    "muon": (0.01, 0.03, 0.1, 0.3),
    "sgd": (0.01, 0.03, 0.1, 0.3),
}
SMALL_LARS = (0.003, 0.01, 0.03, 0.1)
SMALL_SGD = {
    "barlow_twins": (0.0015, 0.005, 0.015, 0.05),
    "simclr": (0.015, 0.05, 0.15, 0.5),
    "vicreg": (0.0006, 0.002, 0.006, 0.02),
}


@dataclass(frozen=True)
class Cell:
    """One training."""

    regime: str
    network: str
    loss: str
    rule: str
    rate: float
    seed: int
    steps: int
    batch: int
    images: str  # the data set and the pixels of a side

    @property
    def name(self) -> str:
        return "-".join(
            f"{value:g}" if isinstance(value, float) else str(value) for value in vars(self).values()
        )


def configure(cell: Cell, options: argparse.Namespace) -> TrainConfig:
    """The configuration of a cell: the same for all rules but for the update."""
    small = cell.regime == "small"
    recipe = load_recipe(f"{cell.loss}/cifar10-resnet18")
    rule, _, preconditioned = cell.rule.partition("@")[0].partition("+")
    tenth = cell.steps // 10
    optimizer = OptimizerConfig(
        name=rule,
        lr=cell.rate,
        momentum=0.95 if rule == "muon" else 0.9,
        nesterov=rule == "muon",
        schedule="constant" if small else "cosine",
        warmup_steps=0 if small else tenth,
        trust_coefficient=recipe.optimizer.trust_coefficient,
        trust_clip=recipe.optimizer.trust_clip,
    )
    if small:
        parts: dict[str, Any] = {
            "views": ViewsConfig(),
            "projector": ProjectorConfig(hidden=(128,), dim=64, init_scale=1e-2),
        }
    else:
        narrow = min(options.width, max(recipe.projector.hidden))
        parts = {
            "views": recipe.views,
            "projector": dataclasses.replace(
                recipe.projector,
                hidden=tuple(narrow for _ in recipe.projector.hidden),
                dim=min(narrow, recipe.projector.dim),
            ),
            cell.loss: getattr(recipe, cell.loss),
        }
    every = 5 if small else 10
    return TrainConfig(
        loss=cell.loss,
        backbone=cell.network,
        steps=cell.steps,
        batch_size=cell.batch,
        seed=cell.seed,
        threads=options.threads,
        device=options.device,
        precision=options.precision,
        images=ImagesConfig(size=options.size),
        optimizer=optimizer,
        embedding_preconditioner=EmbeddingPreconditionerConfig(power=0.5 if preconditioned else None),
        record=RecordConfig(every=every, probe=128),
        checkpoint=CheckpointConfig(every=max(tenth, 1), keep=12, best=False),
        probes=ProbesConfig(
            every=max(cell.steps // options.probes, 1),
            train_split="fit",
            test_split="test",
            train_limit=FITTED,
            test_limit=TESTED,
        ),
        **parts,
    )


class Labelled:
    """Images (n, C, H, W) with their labels, as a data set."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], int(self.labels[index])


def read_images(data: str, size: int) -> dict[str, Any]:
    """Splits of the training images: `train` without labels, `fit` and `test` with them."""
    every = load_labelled(data, ImagesConfig(size=size), "train", None)
    order = torch.randperm(len(every.images), generator=torch.Generator().manual_seed(0))
    images, labels = every.images[order], torch.as_tensor(every.labels)[order]
    tested = min(TESTED, len(images) // 4)
    train_images = images[tested:][:TRAINED]
    return {
        "train": train_images,
        "fit": Labelled(train_images[:FITTED], labels[tested:][:FITTED]),
        "test": Labelled(images[:tested], labels[:tested]),
    }


def run_cell(cell: Cell, options: argparse.Namespace, images: dict[str, Any]) -> dict[str, Any]:
    """Train a cell, unless it is done, and return its line."""
    known = read_lines(RESULTS / "cells.jsonl")
    for line in known:
        if line["cell"] == vars(cell):
            return line
    out = options.out / cell.name
    config = configure(cell, options)
    started = time.process_time()
    try:
        peer = cell.rule.partition("@")[2]
        record = train(config, out, resume=True, images=images, objective=PEERS[peer]() if peer else None)
        line = summary(cell, record, out, images)
    except FloatingPointError as error:
        line = {"cell": vars(cell), "failed": str(error).partition(";")[0]}
    line["processor_seconds"] = round(time.process_time() - started, 1)
    line["load"] = round(os.getloadavg()[0], 1)
    append(RESULTS / "cells.jsonl", line)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    told = line.get("ridge", [["", line.get("failed")]])[-1][1]
    print(f"{time.strftime('%H:%M')}  {cell.name}: {told}", flush=True)
    return line


def summary(cell: Cell, record: Any, out: Path, images: dict[str, Any]) -> dict[str, Any]:
    steps, times = record.metrics["step"], record.metrics["time"]
    half_times = sorted(rise.half_time for rise in learned_rises(record))
    probes = record.probes
    line: dict[str, Any] = {"cell": vars(cell)}
    for kind in ("ridge", "knn"):
        line[kind] = [
            [int(step), round(float(value), 4)]
            for step, value in zip(probes["step"], probes[f"{kind}_features"], strict=True)
        ]
    line["modes"] = {
        k: round(float(np.interp(half_times[k - 1], times, steps)), 1) for k in MODES if k <= len(half_times)
    }
    line["loss"] = round(float(record.metrics["loss"][-1]), 4)
    ratios = record.metrics["measures/participation_ratio"]
    line["participation_ratio"] = [
        [step, round(float(np.interp(step, steps, ratios)), 2)] for step, _ in line["ridge"]
    ]
    save_spans(cell, out, images)
    return line


def save_spans(cell: Cell, out: Path, images: dict[str, Any]) -> None:
    """Keep the leading principal directions of the test images' embeddings at every checkpoint."""
    pixels, spans = images["test"].images[:SPANNED], {}
    for path in find_checkpoints(out / "checkpoints"):
        step = int(path.name.removeprefix("step_"))
        encoder = load_encoder(out, step)
        _, embeddings = encode(encoder, pixels, load_config(out / "config.yaml"))
        centred = (embeddings - embeddings.mean(0)).double()
        left, values, _ = torch.linalg.svd(centred, full_matrices=False)
        spans[f"u{step}"], spans[f"s{step}"] = left[:, : max(MODES)].half().numpy(), values.numpy()
    np.savez_compressed(out / "spans.npz", **spans)


def tune(cell: Cell, options: argparse.Namespace, images: dict[str, Any]) -> float:
    """The best rate of a rule, by the last ridge accuracy on the cell's seed."""
    base = cell.rule.partition("@")[0].partition("+")[0]
    small = {"sgd": SMALL_SGD.get(cell.loss), "lars": SMALL_LARS} if cell.regime == "small" else {}
    rates = list(options.rates or small.get(base) or RATES[base])
    scores: dict[float, float] = {}
    for rate in rates:  # which grows by one where the best is at an end
        scores[rate] = last_ridge(run_cell(dataclasses.replace(cell, rate=rate), options, images))
        best = max(scores, key=lambda each: scores[each])
        if len(scores) == len(RATES[base]) and not options.rates and best in (min(rates), max(rates)):
            rates.append(float(f"{best * (3 if best == max(rates) else 1 / 3):.2g}"))
    return best


def last_ridge(line: dict[str, Any]) -> float:
    """The accuracy at the last step, 0 of a run that diverged."""
    return float(line["ridge"][-1][1]) if "ridge" in line else 0.0


def run(options: argparse.Namespace) -> None:
    images = read_images(options.data, options.size)
    for loss in options.losses:
        best: dict[str, Cell] = {}
        scores: dict[str, float] = {}
        for rule in options.rules:
            if "+" in rule and loss != "barlow_twins":
                continue  # the others refuse a preconditioner
            cell = Cell(
                options.regime,
                options.network,
                loss,
                rule,
                0.0,
                options.seeds[0],
                options.steps,
                options.batch,
                f"{Path(options.data).name}-{options.size}",
            )
            best[rule] = dataclasses.replace(cell, rate=tune(cell, options, images))
            scores[rule] = last_ridge(run_cell(best[rule], options, images))
        baseline = max(
            (rule for rule in BASELINES if rule in scores), key=lambda rule: scores[rule], default=""
        )
        for seed in options.seeds[1:]:
            for rule in best:
                if rule not in BASELINES or rule == baseline:
                    run_cell(dataclasses.replace(best[rule], seed=seed), options, images)


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append(path: Path, line: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What says which networks are trained on what, for this script and the one of the clock."""
    parser.add_argument("--regime", default="small", choices=["small", "standard"])
    parser.add_argument("--network", default="convnet")
    parser.add_argument("--losses", nargs="+", default=LOSSES)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=256, help="of the standard recipes' projector")
    parser.add_argument("--data", default="../shared/data/cifar10")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="32-true")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--rules", nargs="+", default=RULES)
    parser.add_argument("--rates", nargs="+", type=float, help="instead of tuning's own")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=320)
    parser.add_argument("--probes", type=int, default=8, help="how many times features are probed")
    parser.add_argument("--minutes", type=float, help="stop then, to be gone on with")
    parser.add_argument("--out", type=Path, default=Path("runs/faster"))
    options = parser.parse_args()
    if options.data.startswith("..") and not Path(options.data).is_dir():
        sys.exit(f"skipped: there is no folder {options.data}")
    if options.minutes:  # as a scheduler would
        threading.Timer(60 * options.minutes, os.kill, (os.getpid(), signal.SIGTERM)).start()
    run(options)


if __name__ == "__main__":
    main()
