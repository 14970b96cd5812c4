"""Ranks twelve sets of augmentations by long trainings, and beside it as `eigenstep augmentations` foretells.

    python benchmarks/augmentation_ranking.py --short-only             # the foretold, first
    python benchmarks/augmentation_ranking.py --networks convnet       # the truth
    python benchmarks/augmentation_ranking.py --networks test_resnet
    python benchmarks/augmentation_ranking.py --tasks fashion          # held back until all else is decided
    python benchmarks/augmentation_ranking.py --tables

Images and labels are those of `augmentation_tasks.py`; one network serves all labels of its images. The
sets are `standard_sets` around SimCLR's for CIFAR-10: itself, each operation left out, and so on. The truth
is the ridge accuracy of backbone features, on held-out images, at the end of trainings of --steps 400,
eight times the short ones, by Muon with a cosine; trainings of a sixth of the steps stand beside them.
(--steps 2400 has those of 400 for its sixth.) The foretold is fixed: without training, ridge accuracy on 16
rho-modes as `rank_augmentations` has it; with short trainings, that of `score_set` with its defaults, a
small convnet under SimCLR whatever the long trainings are; both by 4,000 images of those trained on.

A training that is done is a line of `results/augmentation-ranking/*.jsonl`, and is not done again; one that
was cut off goes on from its checkpoint. --minutes ends a part that is gone on with by the same command.
Seeds come first: after the first seed of all tasks there is a table. Two processes may run different
--tasks, --networks or --losses beside each other. Needs CIFAR-10 and Imagenette, ../shared/data or --data;
what is missing is skipped with the reason.

CPU time on one core, for each images and loss, 12 sets, 3 seeds, both lengths, from trainings of a few
steps: convnet half an hour at 32 px and 70 minutes at 64 px; test_resnet 2.7 hours at 32 px and some 9
hours at 64 px (scaled by pixels, not tried). The foretold, for each images: 5 minutes at 32 px and 10 at 64
px, and one minute for each label. Images are read or drawn once, a minute or two each, and kept in --out.
"""

import argparse
import base64
import dataclasses
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from augmentation_tasks import FITTED, HELD_BACK, SOURCES, Missing, Pictures, load_pictures

from eigenstep.encoders import encode, load_encoder
from eigenstep.images import ImagesConfig
from eigenstep.modes.augmentations import (
    AugmentationSet,
    ShortTraining,
    rank_augmentations,
    ridge_readable,
    says_nothing,
    short_features,
    standard_sets,
)
from eigenstep.probes import ridge_probe
from eigenstep.training import (
    CheckpointConfig,
    OptimizerConfig,
    RecordConfig,
    TrainConfig,
    load_config,
    train,
)
from eigenstep.training.recipes import load_recipe

RESULTS = Path("results/augmentation-ranking")
NETWORKS, LOSSES = ("convnet", "test_resnet"), ("simclr", "barlow_twins")
# Of `eigenstep augmentations`: --count of images, and of the modes that need no training.
FORETOLD, DIRECTIONS = 4_000, 256
SHORTER = 6
RATES = {"muon": 0.1, "adamw": 1e-3}
Line = dict[str, Any]


def sets_for(pictures: Pictures, most: int | None) -> list[AugmentationSet]:
    base = load_recipe("simclr/cifar10-resnet18").views
    return standard_sets(base, pictures.images.shape[1])[0][:most]


def foretell(pictures: Pictures, options: argparse.Namespace) -> None:
    """Both stages: a line for the modes of all sets and a label, and one for each short training."""
    images = pictures.trained[:FORETOLD]
    labels = {name: each[pictures.held :][:FORETOLD] for name, each in pictures.labels.items()}
    sets, path = sets_for(pictures, options.sets), options.results / f"{pictures.name}-foretold.jsonl"
    known = {(line.get("label"), line.get("set"), line["seed"]) for line in read_lines(path)}
    for label, targets in labels.items():
        if (label, None, 0) not in known:
            told = rank_augmentations(
                images, targets, sets, train=False, n_principal=DIRECTIONS, workers=1
            ).closed
            assert told is not None
            means = dict(zip((each.name for each in sets), told.standing.means.round(4), strict=True))
            append(path, {"label": label, "seed": 0, "accuracies": means, "nothing": told.nothing})
            print(f"{time.strftime('%H:%M')}  {pictures.name}, {label}: modes without training", flush=True)
    for seed in options.seeds:
        for one in sets:
            if (None, one.name, seed) in known:
                continue
            started = time.process_time()
            (features,) = short_features(one.views, images, images, seed=seed)
            found = {label: ridge_readable(features, targets) for label, targets in labels.items()}
            line = {
                "set": one.name,
                "seed": seed,
                "training": dataclasses.asdict(ShortTraining()),
                "accuracies": {label: round(each.accuracy, 4) for label, each in found.items()},
                "nothing": {
                    label: says_nothing(each.accuracy, labels[label]) for label, each in found.items()
                },
                "right": {label: packed(each.right) for label, each in found.items()},
                "processor_seconds": round(time.process_time() - started, 1),
            }
            append(path, line)
            print(f"{time.strftime('%H:%M')}  {pictures.name}, {one.name}, seed {seed}, short", flush=True)


def configure(one: AugmentationSet, network: str, loss: str, steps: int, seed: int, size: int) -> TrainConfig:
    """A long training: the recipe's loss, a projector of 256, images as they are."""
    recipe = load_recipe(f"{loss}/cifar10-resnet18")
    rule = "muon"
    return TrainConfig(
        loss=loss,
        backbone=network,
        steps=steps,
        batch_size=128,
        seed=seed,
        threads=1,
        device="cpu",
        precision="bf16-mixed" if network == "test_resnet" else "32-true",
        images=ImagesConfig(size=size),
        views=one.views,
        projector=dataclasses.replace(
            recipe.projector,
            hidden=tuple(min(256, width) for width in recipe.projector.hidden),
            dim=min(256, recipe.projector.dim),
        ),
        optimizer=OptimizerConfig(
            name=rule,
            lr=RATES[rule],
            momentum=0.95,
            nesterov=True,
            schedule="cosine",
            warmup_steps=steps // 10,
        ),
        record=RecordConfig(every=max(steps // 10, 1), probe=128),
        checkpoint=CheckpointConfig(every=max(steps // 4, 1), keep=1, best=False),
        **{loss: getattr(recipe, loss)},
    )


def run_long(
    pictures: Pictures,
    one: AugmentationSet,
    network: str,
    loss: str,
    steps: int,
    seed: int,
    options: argparse.Namespace,
) -> None:
    """Train, unless that is done, and read every label off the features of held-out images."""
    path = options.results / f"{pictures.name}-{network}-{loss}.jsonl"
    cell = {"set": one.name, "steps": steps, "seed": seed}
    if any({name: line[name] for name in cell} == cell for line in read_lines(path)):
        return
    out = options.out / f"{pictures.name}-{network}-{loss}-{one.name.replace(' ', '_')}-{steps}-{seed}"
    started = time.process_time()
    size = int(pictures.images.shape[-1])
    line: Line = dict(cell)
    try:
        train(
            configure(one, network, loss, steps, seed, size),
            out,
            resume=True,
            images={"train": pictures.trained},
        )
        line |= probe(out, pictures)
    except FloatingPointError as error:
        line["failed"] = str(error).partition(";")[0]
    line["processor_seconds"] = round(time.process_time() - started, 1)
    line["load"] = round(os.getloadavg()[0], 1)
    append(path, line)
    shutil.rmtree(out, ignore_errors=True)
    told = line.get("accuracies", line.get("failed"))
    print(f"{time.strftime('%H:%M')}  {out.name}: {told}", flush=True)


def probe(out: Path, pictures: Pictures) -> Line:
    """Ridge accuracy of each label on held-out images, and which of them were told rightly."""
    config = load_config(out / "config.yaml")
    encoder, end = load_encoder(out), pictures.held + FITTED
    features, _ = encode(encoder, pictures.images[:end], config)
    accuracies, right = {}, {}
    for name, labels in pictures.labels.items():
        fitted, tested = slice(pictures.held, end), slice(pictures.held)
        found = ridge_probe(features[fitted], labels[fitted], features[tested], labels[tested])
        told = (found.predictions == labels[tested]).numpy()
        accuracies[name], right[name] = round(float(told.mean()), 4), packed(told)
    return {"accuracies": accuracies, "right": right}


def packed(right: Any) -> str:
    """Whether each image was told rightly, a bit each; see `unpacked` of the tables."""
    bits = np.packbits(np.asarray(right) > 0.5).tobytes()
    return f"{len(right)}:{base64.b64encode(bits).decode()}"


def run(options: argparse.Namespace) -> None:
    loaded: dict[str, Pictures] = {}
    for name in options.tasks:
        try:
            loaded[name] = load_pictures(name, options.data, options.out / "images", options.limit)
        except Missing as error:
            print(f"skipped {name}: {error}", flush=True)
    for pictures in loaded.values():
        foretell(pictures, options)
    if options.short_only:
        return
    for seed in options.seeds:
        for steps in (options.steps, round(options.steps / SHORTER)):
            for pictures in loaded.values():
                for network in options.networks:
                    for loss in options.losses:
                        for one in sets_for(pictures, options.sets):
                            run_long(pictures, one, network, loss, steps, seed, options)


def read_lines(path: Path) -> list[Line]:
    """Whole lines; one that was cut off is passed over."""
    return (
        [json.loads(line) for line in path.read_text().splitlines() if line[-1:] == "}"]
        if path.exists()
        else []
    )


def append(path: Path, line: Line) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = [name for name in SOURCES if name != HELD_BACK]
    parser.add_argument("--tasks", nargs="+", default=usual, choices=list(SOURCES), help="images")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--losses", nargs="+", default=LOSSES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=400, help="of the long trainings")
    parser.add_argument("--minutes", type=float, help="stop then, to be gone on with")
    parser.add_argument("--short-only", action="store_true", help="foretell, and train nothing long")
    parser.add_argument("--tables", action="store_true", help="print what was found; trains nothing")
    parser.add_argument("--sets", type=int, help="the first so many only, to try the script")
    parser.add_argument("--limit", type=int, help="at most so many images, to try the script")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=Path("runs/augmentation-ranking"))
    options = parser.parse_args()
    if options.tables:
        from augmentation_ranking_tables import print_tables

        print_tables(options.results, options.steps, options.seeds)
        return
    torch.set_num_threads(1)
    if options.minutes:  # as a scheduler would
        timer = threading.Timer(60 * options.minutes, os.kill, (os.getpid(), signal.SIGTERM))
        timer.daemon = True
        timer.start()
    run(options)


if __name__ == "__main__":
    main()
