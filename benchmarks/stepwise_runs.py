"""The staircase of a ResNet on photographs of 96 pixels, under the three losses (the paper's experiment E2).

    python benchmarks/stepwise_runs.py           # a narrow ResNet, 5,000 images: 15 minutes on two cores
    python benchmarks/stepwise_runs.py --full    # ResNet-50, 4,000 steps of batch 256: needs a GPU

Trains by the recipes LOSS/stl10-resnet50-stepwise on ../shared/data/imagenette96 (or --data) and prints at
which step every mode was learned. Runs that were cut off go on. The records without the weights are copied to
--results. The small form is timm's test_resnet (0.37 million parameters, its usual stem), an embedding of 64
dimensions and rates that its few steps need: it shows the same staircase, it is not the paper's experiment.
"""

import argparse
import dataclasses
import shutil
import sys
from pathlib import Path

from eigenstep.report import write_report
from eigenstep.terminal import follow, print_runs
from eigenstep.training import train
from eigenstep.training.recipes import load_recipe

# Learning rate of the small form.
RATES = {"barlow_twins": 1e-3, "simclr": 2e-3, "vicreg": 5e-5}
RECORD = ("config.yaml", "metrics.jsonl", "timings.jsonl", "summary.json", "spectrum")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="the recipes as they are")
    parser.add_argument("--data", default="../shared/data/imagenette96")
    parser.add_argument("--steps", type=int, default=300, help="of the small form")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--losses", nargs="+", default=list(RATES), choices=list(RATES))
    parser.add_argument("--out", type=Path, default=Path("runs/stepwise"))
    parser.add_argument("--results", type=Path, help="folder to copy the records to")
    options = parser.parse_args()
    if options.data.startswith("..") and not Path(options.data).is_dir():
        sys.exit(f"skipped: there is no folder {options.data}")

    records = []
    for loss in options.losses:
        recipe = load_recipe(f"{loss}/stl10-resnet50-stepwise")
        images = dataclasses.replace(recipe.images, split="train")
        config = dataclasses.replace(recipe, data=options.data, images=images, threads=options.threads)
        if not options.full:
            config = small(config, options.steps)
        with follow(loss) as progress:
            records.append(train(config, options.out / loss, resume=True, progress=progress))
        if options.results:
            copy_record(options.out / loss, options.results / loss)
    print_runs(records)
    print(f"report: {write_report(options.out)}")


def small(config, steps):
    return dataclasses.replace(
        config,
        backbone="test_resnet",
        batch_size=64,
        steps=steps,
        images=dataclasses.replace(config.images, limit=5000),
        projector=dataclasses.replace(config.projector, dim=64),
        optimizer=dataclasses.replace(config.optimizer, lr=RATES[config.loss]),
        record=dataclasses.replace(config.record, every=5, directions=3),
        checkpoint=dataclasses.replace(config.checkpoint, every=50),
    )


def copy_record(run: Path, target: Path) -> None:
    """What was measured, without weights and without the probe batch's images, which are not ours."""
    target.mkdir(parents=True, exist_ok=True)
    for name in RECORD:
        if (run / name).is_dir():
            ignored = shutil.ignore_patterns("probe.npy")
            shutil.copytree(run / name, target / name, dirs_exist_ok=True, ignore=ignored)
        else:
            shutil.copy2(run / name, target / name)


if __name__ == "__main__":
    main()
