"""Tables of what `augmentation_ranking.py` found, see there; `--tables` prints them."""

import base64
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from augmentation_ranking import SHORTER, read_lines
from numpy.typing import NDArray
from scipy.stats import spearmanr

from eigenstep.modes.augmentations import Standing
from eigenstep.terminal import print_table

Array = NDArray[np.float64]
Line = dict[str, Any]
RESAMPLED = 200
# The goal's: a rank correlation, and how many standard errors a set may be behind the best.
ALIKE, ERRORS = 0.8, 2.0
HEADER = [
    *("images", "label", "network, loss", "sets × seeds", "modes", "short", "sixth", "two seeds"),
    *("lost, modes", "lost, short", "lost, full", "best", "chosen"),
]
NOTE = """\
Spearman's correlation with the order of the long trainings, of: accuracy on 16 rho-modes without
training; short trainings; trainings of a sixth of the steps; and, as the ceiling, of two seeds of
the long ones with each other. ± is the standard error over seeds and held-out images of the long
trainings (two seeds: over pairs). Lost: how much better the best set is than the one chosen by each
stage and than the full set, in points of accuracy, ± over seeds and images; the best is chosen by
the same trainings, so this is rather too much. (–): the stage said that it has nothing to say.
Chosen: by short trainings, else without training."""


def print_tables(results: Path, steps: int, seeds: list[int]) -> None:
    """A row for each images, label, network and loss with one seed of all sets done, and the goals."""
    rows, facts = [], []
    for path in sorted(results.glob("*.jsonl")):
        if path.stem.endswith("-foretold"):
            continue
        images, network, loss = path.stem.rsplit("-", 2)
        foretold = read_lines(results / f"{images}-foretold.jsonl")
        sets = list(dict.fromkeys(line["set"] for line in foretold if "set" in line))
        lines = [line for line in read_lines(path) if "right" in line]
        for label in dict.fromkeys(name for line in lines for name in line["right"]):
            row = _row(lines, foretold, sets, label, steps, seeds)
            if row is None:
                done = sum(line["steps"] == steps for line in lines)
                print(f"not yet: {path.stem}, {label}: {done} long trainings of {len(sets) * len(seeds)}")
                continue
            rows.append([images, label, f"{network}, {loss}", *row[0]])
            facts.append(row[1])
    if not rows:
        return
    print_table(f"Twelve sets of augmentations, by trainings of {steps} steps", HEADER, rows)
    print(NOTE)
    for stage in ("modes", "short"):
        spoke = [each for each in facts if each[stage] is not None]
        if not spoke:
            continue
        lost = np.array([each[stage]["lost"] for each in spoke])
        full = np.array([each["full"] for each in spoke])
        gain = full - lost
        served = sum(each[stage]["serves"] for each in spoke)
        wrong = [each for each in spoke if not each["full_serves"]]
        right_there = sum(each[stage]["serves"] for each in wrong)
        print(
            f"{stage}: speaks of {len(spoke)} of {len(facts)} tasks; Spearman at least {ALIKE} on"
            f" {sum(each[stage]['rho'] >= ALIKE for each in spoke)}; chosen set within {ERRORS:g} standard"
            f" errors of the best on {served}; lost {_points(lost)}, always"
            f" the full set {_points(full)}, won by choosing {_points(gain)}; the full set is behind by"
            f" more on {len(wrong)}, of which the chosen one serves on {right_there}"
        )


def _row(
    lines: list[Line], foretold: list[Line], sets: list[str], label: str, steps: int, seeds: list[int]
) -> tuple[list[str], dict[str, Any]] | None:
    truth = _right(lines, sets, label, steps, seeds)
    if truth is None or len(sets) < 2:
        return None
    standing = Standing([list(each) for each in truth])
    best, full = standing.leader, sets.index("full")
    by_seed = truth.mean(2)
    between = [
        _rho(by_seed[:, a], by_seed[:, b]) for a, b in itertools.combinations(range(by_seed.shape[1]), 2)
    ]
    resampled = _resampled(truth)

    def lost(place: int) -> tuple[float, float]:
        found = standing.difference(best, place)
        return found.value, found.error

    def serves(place: int) -> bool:
        value, error = lost(place)
        return bool(value <= ERRORS * error)

    stages, words, gone, chosen = {}, [], [], "–"
    for name, read in (("modes", _modes), ("short", _short)):
        scores, nothing = read(foretold, sets, label, seeds)
        stages[name] = None
        if scores is None:
            words.append("")
            gone.append("")
            continue
        place = int(scores.argmax())
        rho = _rho(scores, standing.means)
        error = np.nanstd([_rho(scores, means) for means in resampled])
        words.append(f"{rho:.2f} ± {error:.2f}" + (" (–)" if nothing else ""))
        gone.append(_lost(*lost(place)))
        if not nothing:
            stages[name] = {"rho": rho, "lost": lost(place)[0], "serves": serves(place)}
        chosen = sets[place]
    sixth = _right(lines, sets, label, round(steps / SHORTER), seeds)
    shorter = "" if sixth is None else f"{_rho(sixth.mean((1, 2)), standing.means):.2f}"
    pairs = _mean(np.array(between)) if between else ""
    told = [
        *(f"{len(sets)} × {truth.shape[1]}", *words, shorter, pairs, *gone, _lost(*lost(full))),
        *(sets[best], chosen),
    ]
    return told, {**stages, "full": lost(full)[0], "full_serves": serves(full)}


def _right(lines: list[Line], sets: list[str], label: str, steps: int, seeds: list[int]) -> Array | None:
    """(sets, seeds, images) of the seeds of which all sets are done; None without one."""
    known = {(line["set"], line["seed"]): line["right"][label] for line in lines if line["steps"] == steps}
    whole = [seed for seed in seeds if all((name, seed) in known for name in sets)]
    if not whole:
        return None
    return np.array([[unpacked(known[name, seed]) for seed in whole] for name in sets])


def _modes(lines: list[Line], sets: list[str], label: str, seeds: list[int]) -> tuple[Array | None, bool]:
    for line in lines:
        if line.get("label") == label:
            return np.array([line["accuracies"][name] for name in sets]), line["nothing"]
    return None, True


def _short(lines: list[Line], sets: list[str], label: str, seeds: list[int]) -> tuple[Array | None, bool]:
    """Means over the seeds of which all sets are done; nothing to say where no set has."""
    known = {(line["set"], line["seed"]): line for line in lines if "set" in line}
    whole = [seed for seed in seeds if all((name, seed) in known for name in sets)]
    if not whole:
        return None, True
    found = [[known[name, seed]["accuracies"][label] for seed in whole] for name in sets]
    nothing = all(known[name, seed]["nothing"][label] for name in sets for seed in whole)
    return np.array(found).mean(1), nothing


def _resampled(right: Array) -> list[Array]:
    """Mean accuracies (sets,) of other seeds and images, drawn with replacement from those that there are."""
    rng = np.random.default_rng(0)
    _, seeds, images = right.shape
    found = []
    for _ in range(RESAMPLED):
        of_seeds = right[:, rng.integers(seeds, size=seeds)].mean(1)
        found.append(of_seeds @ rng.multinomial(images, np.full(images, 1 / images)) / images)
    return found


def unpacked(text: str) -> Array:
    """Whether each image was told rightly, of `packed`."""
    count, _, bits = text.partition(":")
    return np.unpackbits(np.frombuffer(base64.b64decode(bits), np.uint8))[: int(count)].astype(np.float64)


def _rho(a: Array, b: Array) -> float:
    """Spearman's correlation; nan where all are equal."""
    return float(spearmanr(a, b).statistic) if np.ptp(a) and np.ptp(b) else float("nan")


def _mean(values: Array, form: Callable[[float], str] = "{:.2f}".format) -> str:
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
    return (
        f"{form(float(values.mean()))} ± {form(float(error))}"
        if len(values) > 1
        else form(float(values.mean()))
    )


def _points(values: Array) -> str:
    return _mean(100 * values, "{:.1f}".format) + " points"


def _lost(value: float, error: float) -> str:
    return f"{100 * value:.1f} ± {100 * error:.1f}"
