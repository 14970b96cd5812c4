"""What features are worth after a short training by the standard recipes for CIFAR-10, beside two baselines.

    python benchmarks/standard_recipes.py [--steps 3000] [--backbone convnet] [--out runs/standard]

Trains Barlow Twins, SimCLR and VICReg by their recipes, but for a backbone, a width of the projector and a
number of steps that a CPU can afford (by default the small convnet of 24,000 parameters, 512, and about six
minutes a loss on two cores), and prints the test accuracy of the probes on 10,000 labelled training images:
features, the same network untrained, and raw pixels. Runs that were cut off go on. Needs CIFAR-10:
../shared/data/cifar10 from the repository's root, or --data cifar10 from the hub.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from eigenstep.export import probe_run
from eigenstep.terminal import follow, print_table
from eigenstep.training import train
from eigenstep.training.recipes import load_recipe

LOSSES = ("barlow_twins", "simclr", "vicreg")
KINDS = ("knn", "ridge")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="../shared/data/cifar10")
    parser.add_argument("--backbone", default="convnet")
    parser.add_argument("--width", type=int, default=512, help="largest layer of the projector")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--losses", nargs="+", default=LOSSES, choices=LOSSES)
    parser.add_argument("--out", type=Path, default=Path("runs/standard"))
    options = parser.parse_args()
    if options.data.startswith("..") and not Path(options.data).is_dir():
        sys.exit(f"skipped: there is no folder {options.data}")

    rows = []
    for loss in options.losses:
        config = configure(load_recipe(f"{loss}/cifar10-resnet18"), options)
        with follow(loss) as progress:
            record = train(config, options.out / loss, resume=True, progress=progress)
        found = probe_run(options.out / loss, kinds=KINDS)
        minutes = record.timings["seconds"][-1] / 60
        title = f"{loss}, {options.steps} steps"
        rows.append([f"{title}, {minutes:.0f} min", *(f"{found['features'][kind]:.1%}" for kind in KINDS)])
        start = found["features at step 0"]
        rows.append([f"{loss}, untrained", *(f"{start[kind]:.1%}" for kind in KINDS)])
    rows.append(["raw pixels", *(f"{found['pixels'][kind]:.1%}" for kind in KINDS)])
    print_table(
        f"Test accuracy on CIFAR-10, {options.backbone}, batch {options.batch}",
        ["features of", "k-NN", "ridge"],
        rows,
    )


def configure(recipe, options):
    """The recipe, shortened and narrowed; warm-up for a tenth of the steps."""
    return dataclasses.replace(
        recipe,
        data=options.data,
        backbone=options.backbone,
        epochs=None,
        steps=options.steps,
        batch_size=options.batch,
        threads=options.threads,
        projector=narrow(recipe.projector, options.width),
        optimizer=dataclasses.replace(
            recipe.optimizer, warmup_epochs=0, warmup_steps=max(options.steps // 10, 1)
        ),
        record=dataclasses.replace(recipe.record, every=max(options.steps // 20, 1)),
        checkpoint=dataclasses.replace(recipe.checkpoint, every=max(options.steps // 20, 1)),
        probes=dataclasses.replace(recipe.probes, every=max(options.steps // 4, 1)),
    )


def narrow(projector, width):
    hidden = tuple(min(layer, width) for layer in projector.hidden)
    return dataclasses.replace(projector, hidden=hidden, dim=min(projector.dim, width))


if __name__ == "__main__":
    main()
