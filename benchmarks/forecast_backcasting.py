"""What forecasts of the modes would have been wrong by: made from records cut off, against what came.

    python benchmarks/forecast_backcasting.py                # about 6 minutes on one core
    python benchmarks/forecast_backcasting.py --seeds 0 1    # other runs of the same networks

The linear model of `eigenstep demo`, and the demonstration's small convolutional network under three losses,
each from several seeds (the constants of `eigenstep.analysis.tracking` were chosen on the seeds 0 to 8). Runs
are kept in --runs and go on where they were cut off. A forecast sees the record up to its moment only; the
truth is the half-time fitted to the whole record.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from eigenstep.analysis.tracking import ModeHistory, Upcoming, follow_modes
from eigenstep.machine import set_threads
from eigenstep.record import RunRecord, is_run, read_record
from eigenstep.reproduce import GENTLE_VIEWS, LinearModelExperiment
from eigenstep.training import RecordConfig, TrainConfig, photo_patches, train

LOSSES = ("barlow_twins", "simclr", "vicreg")

HEIGHTS = (0.01, 0.03, 0.1)
LINEAR = "linear model"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/backcasting"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[9, 10, 11])
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=LOSSES)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--every", type=int, default=2, help="steps between two records")
    parser.add_argument(
        "--stride", type=int, default=5, help="records between two forecasts of the next mode"
    )
    options = parser.parse_args()
    set_threads(1)

    groups = {LINEAR: [linear_run(options.runs / "linear")]}
    for loss in options.losses:
        groups[loss] = [network_run(options, loss, seed) for seed in options.seeds]
    print("\nHow much faster rises end than they begin\n")
    print("| runs | modes | acceleration, quartiles |")
    print("| --- | ---: | --- |")
    for name, records in groups.items():
        found = [fit.acceleration.value for record in records for fit in follow_modes(record).fits]
        quartiles = ", ".join(f"{quartile:.2f}" for quartile in np.percentile(found, [25, 50, 75]))
        print(f"| {name} | {len(found)} | {quartiles} |")
    print("\nA mode's half-time, forecast when its eigenvalue was at 1, 3 and 10 % of its plateau\n")
    print(
        "| runs | height | modes | told | error of t, quartiles | worst | remaining time, factor | covered |"
    )
    print("| --- | ---: | ---: | ---: | --- | ---: | --- | ---: |")
    for height in HEIGHTS:
        print_groups(groups, lambda record, height=height: at_height(record, height), row_at_height, height)
    print("\nThe next mode, forecast all through the runs\n")
    print(
        "| runs | forecasts | not yet | none | wrongly | expected | error of t, quartiles | worst "
        "| remaining time, factor | covered |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | --- | ---: |")
    print_groups(groups, lambda record: throughout(record, options.stride), row_throughout)
    print_speed()


def linear_run(out: Path) -> RunRecord:
    if is_run(out) and read_record(out).summary:
        return read_record(out)
    return LinearModelExperiment(subtract_crop_mean=True).run(photo_patches(500, 24), out)


def network_run(options: argparse.Namespace, loss: str, seed: int) -> RunRecord:
    record = RecordConfig(every=options.every)
    config = TrainConfig(
        loss=loss, views=GENTLE_VIEWS, threads=1, record=record, steps=options.steps, seed=seed
    )
    return train(config, options.runs / f"{loss}-{seed}", resume=True)


def until(record: RunRecord, count: int) -> RunRecord:
    """The record as it was after its first `count` measurements."""
    tables = {name: getattr(record, name) for name in ("eigenvalues", "projections")}
    cut = {name: None if table is None else table[:count] for name, table in tables.items()}
    metrics = {name: column[:count] for name, column in record.metrics.items()}
    return dataclasses.replace(record, metrics=metrics, summary=None, **cut)


def print_groups(groups: dict[str, list[RunRecord]], forecast: Callable, row: Callable, *about) -> None:
    """A line for each group of runs, and one for all networks together."""
    networks = []
    for name, records in groups.items():
        cases = [case for record in records for case in forecast(record)]
        networks += cases if name != LINEAR else []
        print(row(name, cases, *about))
    print(row("all networks", networks, *about))


def at_height(record: RunRecord, height: float) -> list[tuple[float, float, Upcoming | None]]:
    """(moment, true half-time, what was forecast) for each mode learned."""
    full, cases = follow_modes(record), []
    for fit in full.fits:
        track, truth = full.tracks[fit.mode], fit.half_time.value
        below = np.flatnonzero((full.times < truth) & (track.eigenvalues < height * fit.plateau.value))
        if not fit.learned or not len(below) or full.times[below[-1] + 1] >= truth:
            continue
        count = below[-1] + 2
        then = follow_modes(until(record, count))
        cases.append((full.times[count - 1], truth, forecast_of_rank(then, track.ranks[count - 1])))
    return cases


def row_at_height(name: str, cases: list, height: float) -> str:
    told = [(now, truth, found.half_time) for now, truth, found in cases if found and found.told]
    return f"| {name} | {height:.0%} | {len(cases)} | {len(told)} | {errors(told)} |"


def forecast_of_rank(history: ModeHistory, rank: int) -> Upcoming | None:
    mode = next(track.mode for track in history.tracks if track.ranks[-1] == rank)
    return next((upcoming for upcoming in history.upcoming if upcoming.mode == mode), None)


def errors(told: list) -> str:
    """Quartiles of the relative error of t, the worst, the factor of the remaining time, and the coverage."""
    if not told:
        return "| | |"
    now, truth = np.array([case[:2] for case in told]).T
    value, low, high = np.array([case[2] for case in told]).T
    error, factor = np.abs(value - truth) / truth, (value - now) / (truth - now)
    quartiles = ", ".join(f"{quartile:.1%}" for quartile in np.percentile(error, [25, 50, 75]))
    factors = "{1:.2f} ({0:.2f} to {2:.2f})".format(*np.percentile(factor, [25, 50, 75]))
    covered = np.mean((low <= truth) & (truth <= high))
    return f"{quartiles} | {error.max():.1%} | {factors} | {covered:.0%}"


def throughout(record: RunRecord, stride: int) -> list:
    """(moment, half-time of the next mode or None if none came, forecast) at every so many records."""
    half_times = np.array([fit.half_time.value for fit in follow_modes(record).fits])
    cases = []
    for count in range(stride, len(record.eigenvalues), stride):
        history = follow_modes(until(record, count))
        later = half_times[half_times > history.times[-1]]
        cases.append((history.times[-1], float(later.min()) if len(later) else None, history.forecast))
    return cases


def row_throughout(name: str, cases: list) -> str:
    unknown = sum(found.state == "not yet to be told" for *_, found in cases)
    none = [truth for _, truth, found in cases if found.state == "none within the planned run"]
    wrongly = sum(truth is not None for truth in none)
    expected = [case for case in cases if case[2].state == "expected"]
    told = [(now, truth, found.half_time) for now, truth, found in expected if truth is not None]
    return (
        f"| {name} | {len(cases)} | {unknown} | {len(none)} | {wrongly} | {len(expected)} | {errors(told)} |"
    )


def print_speed(records: int = 10_000, followed: int = 64, samples: int = 128, directions: int = 8) -> None:
    """Processor time of `follow_modes` on a long record of twelve noisy logistic modes."""
    generator, times = np.random.default_rng(0), 0.01 * np.arange(records)
    values = np.full((records, followed), 1e-6)
    values[:, :12] += 1 / (1 + np.exp(-2 * (times[:, None] - np.linspace(5, 95, 12) * times[-1] / 100)))
    values = -np.sort(-values * np.exp(0.1 * generator.normal(size=values.shape)), axis=1)
    functions = np.linalg.qr(generator.normal(size=(samples, directions)))[0]
    columns = [("step", "<i8"), ("time", "<f8")]
    eigenvalues = np.zeros(records, [*columns, ("cross_correlation", "<f8", (followed,))])
    projections = np.zeros(records, [*columns, ("points", "<f4", (samples, directions))])
    for table in (eigenvalues, projections):
        table["step"], table["time"] = np.arange(records), times
    eigenvalues["cross_correlation"] = values
    projections["points"] = np.sqrt(samples * values[:, None, :directions]) * functions
    record = RunRecord(Path("long"), {}, {}, {}, {}, eigenvalues, projections, None, None, None)
    follow_modes(record)
    began = time.process_time()
    history = follow_modes(record)
    print(
        f"\nfollow_modes on {records:,} records of {followed} eigenvalues and {samples} images in "
        f"{directions} directions, {len(history.fits)} modes learned: {time.process_time() - began:.2f} s"
    )


if __name__ == "__main__":
    main()
