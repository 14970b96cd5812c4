"""How well the tangent kernel at initialisation foretells the learning of the demo's convnet: what and when.

    python benchmarks/prediction_quality.py                    # the demo's three runs: 5 minutes on two cores
    python benchmarks/prediction_quality.py --losses lejepa    # LeJEPA, of which the start alone is foretold
    python benchmarks/prediction_quality.py --full --seeds 3   # gentle training too, three seeds: hours

Under three losses the small convolutional network is trained on patches of two photographs (as in the demo,
and gently: from smaller embeddings, by plain SGD), and predicted before its first step from 500 pairs.
Compared are the times at which the k-th eigenvalue rose; the times at which each predicted mode itself was
learned, found by projecting the embeddings of 256 images on it, and their order; and the span of the first k
modes. "error": nothing is fitted; "fitted": after one constant, the geometric mean of measured / predicted.

Batch normalisation: predictions take the network in evaluation mode, with the statistics of the pairs. So it
is the function that training sees at its start; what gradients do to the statistics is left out. (Without
batch normalisation it would not be the demo's network.) Everything is kept in --out, and goes on from there.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from eigenstep.comparison import compare
from eigenstep.prediction import config_of_run, is_prediction, predict
from eigenstep.reproduce import GENTLE_VIEWS
from eigenstep.terminal import console, follow, print_table
from eigenstep.training import (
    CheckpointConfig,
    OptimizerConfig,
    ProjectorConfig,
    RecordConfig,
    TrainConfig,
    train,
)

LOSSES = ("barlow_twins", "simclr", "vicreg")
# Learning rate and steps of the gentle training, without momentum, from embeddings a hundred times smaller.
GENTLE = {"barlow_twins": (0.02, 900), "simclr": (0.04, 900), "vicreg": (0.002, 1500), "lejepa": (0.02, 900)}
COURSES = {
    "barlow_twins": ("closed", "steps"),
    "simclr": ("closed", "steps"),
    "vicreg": ("steps",),
    "lejepa": ("steps",),
}
PROBE = 256


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="the gentle training too")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--losses", nargs="+", default=LOSSES, choices=COURSES)
    parser.add_argument("--out", type=Path, default=Path("runs/prediction-quality"))
    options = parser.parse_args()
    found = []
    for seed in range(options.seeds):
        for training in ("demo", "gentle") if options.full else ("demo",):
            for loss in options.losses:
                found += measure(options, training, loss, seed)
    show(found)


def measure(options, training, loss, seed):
    """Train, predict and compare, or read what was found before; a record for each course."""
    run = options.out / f"{training}-{loss}-{seed}"
    trained = configuration(training, loss, seed, options.threads)
    if not (run / "summary.json").exists():
        with follow(run.name) as progress:
            train(trained, run, resume=True, progress=progress)
    records = []
    for course in COURSES[loss]:
        name = f"{run.name}-{course}"
        path = options.out / f"{name}.json"
        if not path.exists():
            folder = options.out / f"{name}-predicted"
            if not is_prediction(folder):
                # What LeJEPA learns depends on the batch, and a prediction's pairs are one.
                pairs = trained.batch_size if loss == "lejepa" else options.pairs
                config = dataclasses.replace(config_of_run(run), kernel="ntk", pairs=pairs, course=course)
                console.print(f"predicting {name}")
                predict(config, folder, run=run)
            content = compare([folder, run], resamples=100).as_json()["pairs"][0]
            path.write_text(json.dumps(content, indent=1))
        records.append({"training": training, "loss": loss, "seed": seed, "course": course})
        records[-1] |= json.loads(path.read_text())
    return records


def configuration(training, loss, seed, threads):
    shared = {
        "loss": loss,
        "seed": seed,
        "views": GENTLE_VIEWS,
        "threads": threads,
        "record": RecordConfig(every=2, probe=PROBE, directions=16),
        "checkpoint": CheckpointConfig(every=50 if training == "demo" else 25, keep=1000),
    }
    if training == "demo":
        return TrainConfig(**shared)
    rate, steps = GENTLE[loss]
    return TrainConfig(
        **shared,
        steps=steps,
        projector=ProjectorConfig(init_scale=1e-4),
        optimizer=OptimizerConfig(lr=rate, momentum=0.0),
    )


def show(found):
    """A table of all, and the times of the first seed mode by mode."""
    groups = {}
    for record in found:
        groups.setdefault((record["training"], record["loss"], record["course"]), []).append(record)
    rows = []
    for (training, loss, course), records in groups.items():
        by_rank = [record["times"]["by_rank"] for record in records if record["times"]["by_rank"]]
        by_mode = [record["times"]["by_mode"] for record in records if record["times"]["by_mode"]]
        orders = [times["rank_correlation"] for times in by_mode if times["rank_correlation"] is not None]
        rows.append(
            [
                f"{training}, {loss}, {course}",
                spread([len(times["modes"]) for times in by_rank], "{:.0f}"),
                spread(orders, "{:.2f}"),
                spread([median_error(times["errors"]) for times in by_rank], "{:.0%}"),
                spread([median_error(times["fitted"]["errors"]) for times in by_rank], "{:.0%}"),
                spread([times["fitted"]["time_factor"] for times in by_rank], "{:.2f}"),
            ]
        )
    header = ["training, loss, course", "modes", "order", "error", "fitted", "factor"]
    print_table("Predicted against measured times: median over seeds (least - most)", header, rows)
    rows = []
    for (training, loss, course), records in groups.items():
        for count in range(1, 6):
            here = [
                overlap["overlap"]
                for record in records
                for overlap in record["by_modes"]
                if overlap["modes"] == count
            ]
            if here:
                values = spread([overlap["value"] for overlap in here], "{:.3f}")
                name = f"{training}, {loss}, {course}"
                rows.append([name, str(count), values, f"{here[0]['chance']:.3f}", str(len(here))])
    header = ["training, loss, course", "modes", "overlap", "chance", "seeds"]
    print_table("Overlap of the first modes, when just they were learned", header, rows)
    rows = []
    for (training, loss, course), records in groups.items():
        for kind in ("by_rank", "by_mode"):
            times = records[0]["times"][kind]
            for place, mode in enumerate(times["modes"] if times else []):
                name = f"{training}, {loss}, {course}, {kind.replace('_', ' ')} {mode + 1}"
                pair = times["predicted"][place], times["measured"][place]
                errors = times["errors"][place], times["fitted"]["errors"][place]
                rows.append([name, *(f"{t:.4g}" for t in pair), *(f"{error:+.0%}" for error in errors)])
    header = ["training, loss, course, mode", "predicted t", "measured t", "error", "fitted"]
    print_table("The first seed, mode by mode", header, rows)


def median_error(errors):
    return float(np.median(np.abs(errors)))


def spread(values, form):
    if not values:
        return "–"
    middle, least, most = np.median(values), min(values), max(values)
    text = form.format(middle)
    return text if len(values) == 1 else f"{text} ({form.format(least)} - {form.format(most)})"


if __name__ == "__main__":
    main()
