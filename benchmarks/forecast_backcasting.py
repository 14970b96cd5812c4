"""What forecasts of the next mode would have been wrong by: made from records cut off, against what came.

    python benchmarks/forecast_backcasting.py                # about 6 minutes, one core
    python benchmarks/forecast_backcasting.py --seeds 3 4    # other runs of the same networks

The linear model of `eigenstep demo`, and the demonstration's small convolutional network under three losses, each
from several seeds. Runs are kept in --runs and go on where they were cut off. Forecasts see the record up to their
moment only; truth is the half-time fitted to the whole record.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from eigenstep.demo import LOSSES, VIEWS
from eigenstep.reproduce import LinearModelExperiment
from eigenstep.spectrum import RunRecord, is_run, read_record
from eigenstep.spectrum.tracking import ModeHistory, follow_modes
from eigenstep.threads import set_threads
from eigenstep.training import RecordConfig, TrainConfig, photo_patches, train

SHARES = (0.01, 0.03, 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/backcasting"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=LOSSES)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--every", type=int, default=2, help="steps between two records")
    parser.add_argument(
        "--stride", type=int, default=5, help="records between two forecasts of the next mode"
    )
    options = parser.parse_args()
    set_threads(1)

    groups = {"linear model": [linear_run(options.runs / "linear")]}
    for loss in options.losses:
        groups[loss] = [network_run(options, loss, seed) for seed in options.seeds]
    print("A mode's half-time, forecast when its eigenvalue was at 1, 3 and 10 % of its plateau\n")
    print_by_height(groups)
    print("\nThe next mode, forecast all through the runs\n")
    print_throughout(groups, options.stride)


def linear_run(out: Path) -> RunRecord:
    if is_run(out) and read_record(out).summary:
        return read_record(out)
    return LinearModelExperiment(subtract_crop_mean=True).run(photo_patches(500, 24), out)


def network_run(options: argparse.Namespace, loss: str, seed: int) -> RunRecord:
    record = RecordConfig(every=options.every)
    config = TrainConfig(loss=loss, views=VIEWS, threads=1, record=record, steps=options.steps, seed=seed)
    return train(config, options.runs / f"{loss}-{seed}", resume=True)


def until(record: RunRecord, count: int) -> RunRecord:
    """The record as it was after its first `count` measurements."""
    tables = {name: getattr(record, name) for name in ("eigenvalues", "projections")}
    cut = {name: None if table is None else table[:count] for name, table in tables.items()}
    metrics = {name: column[:count] for name, column in record.metrics.items()}
    return dataclasses.replace(record, metrics=metrics, summary=None, **cut)


def print_by_height(groups: dict[str, list[RunRecord]]) -> None:
    print("| runs | height | forecasts | told | error of t: quartiles of its size | worst | of the time that")
    print("remained: median factor | quartiles | in the 90 % interval |")
    rows = []
    for name, records in groups.items():
        for share in SHARES:
            cases = [case for record in records for case in at_height(record, share)]
            rows.append(summarise(f"{name} | {100 * share:.0f} %", cases))
    for share in SHARES:
        cases = [
            case
            for name, records in groups.items()
            if name != "linear model"
            for record in records
            for case in at_height(record, share)
        ]
        rows.append(summarise(f"all networks | {100 * share:.0f} %", cases))
    print("\n".join(rows))


def at_height(record: RunRecord, share: float) -> list[tuple[float, float, object]]:
    """(now, truth, what was forecast) for each mode learned."""
    full, cases = follow_modes(record), []
    for fit in full.fits:
        track, truth = full.tracks[fit.mode], fit.half_time.value
        below = np.flatnonzero((full.times < truth) & (track.eigenvalues < share * fit.plateau.value))
        if not fit.learned or not len(below) or full.times[below[-1] + 1] >= truth:
            continue
        count = below[-1] + 2
        then = follow_modes(until(record, count))
        cases.append((full.times[count - 1], truth, forecast_of_rank(then, track.ranks[count - 1])))
    return cases


def forecast_of_rank(history: ModeHistory, rank: int):
    mode = next(track.mode for track in history.tracks if track.ranks[-1] == rank)
    return next((upcoming for upcoming in history.upcoming if upcoming.mode == mode), None)


def summarise(name: str, cases: list) -> str:
    told = [(now, truth, found.half_time) for now, truth, found in cases if found and found.told]
    if not told:
        return f"| {name} | {len(cases)} | 0 | | | | | |"
    error = np.array([abs(f.value - truth) / truth for _, truth, f in told])
    factor = np.array([(f.value - now) / (truth - now) for now, truth, f in told])
    inside = np.mean([f.low <= truth <= f.high for _, truth, f in told])
    low, middle, high = np.percentile(error, [25, 50, 75])
    first, median, third = np.percentile(factor, [25, 50, 75])
    return (
        f"| {name} | {len(cases)} | {len(told)} | {low:.1%} {middle:.1%} {high:.1%} | {error.max():.1%} "
        f"| {median:.2f} | {first:.2f} {third:.2f} | {inside:.0%} |"
    )


def print_throughout(groups: dict[str, list[RunRecord]], stride: int) -> None:
    print(
        "| runs | forecasts | expected | none | not yet | error of t: quartiles | in the interval | wrong none |"
    )
    for name, records in groups.items():
        cases = [case for record in records for case in throughout(record, stride)]
        expected = [(truth, f.half_time) for truth, f in cases if f.state == "expected" and truth is not None]
        none = [truth for truth, f in cases if f.state == "none within the planned run"]
        unknown = sum(f.state == "not yet to be told" for _, f in cases)
        error = np.array([abs(f.value - truth) / truth for truth, f in expected])
        inside = np.mean([f.low <= truth <= f.high for truth, f in expected]) if expected else np.nan
        quartiles = " ".join(f"{q:.1%}" for q in np.percentile(error, [25, 50, 75])) if len(error) else ""
        wrong = sum(truth is not None for truth in none)
        print(
            f"| {name} | {len(cases)} | {sum(f.state == 'expected' for _, f in cases)} | {len(none)} | {unknown} "
            f"| {quartiles} | {inside:.0%} | {wrong} |"
        )


def throughout(record: RunRecord, stride: int) -> list:
    """(half-time of the next mode or None, forecast) at every so many records."""
    half_times = np.array([fit.half_time.value for fit in follow_modes(record).fits])
    cases = []
    for count in range(stride, len(record.eigenvalues), stride):
        history = follow_modes(until(record, count))
        later = half_times[half_times > history.times[-1]]
        cases.append((float(later.min()) if len(later) else None, history.forecast))
    return cases


if __name__ == "__main__":
    main()
