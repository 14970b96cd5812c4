"""Tells what `faster_late_modes.py` found: tables on the terminal, and the picture of the README.

    python benchmarks/faster_late_modes_tables.py [--picture docs/images/faster.png]

Of each regime, network and loss, by rule: the tuned rate; ridge and k-NN accuracy of features at the last
step, a mean over seeds with their standard deviation; the step at which the mean ridge accuracy reaches the
last one of the best baseline (marked *), how many times sooner that is, in steps and in seconds (steps times
what the clock measured); the participation ratio of the embeddings at the end; and the steps at which 1, 2,
4, 8 and 16 modes had been learned. Then the overlap of the spans of the first modes with those of the best
baseline, beside that of two seeds of it and beside chance. The standard error of an accuracy on 5,000 images
is 0.7 of a point; all cells share these images. SGD has momentum .9; + P is the embedding preconditioner of
power 1/2.
"""

import argparse
import itertools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.methods import title_of
from eigenstep.terminal import print_table

RESULTS = Path("results/faster-late-modes")
BASELINES = ("sgd", "adamw", "lars")
MODES = (1, 2, 4, 8, 16)
# The first k directions stand out where their variance is so many times the next one's.
CONTRAST = 1.5
NAMES = {
    "sgd": "SGD",
    "adamw": "AdamW",
    "lars": "LARS",
    "muon": "Muon",
    "sgd+p": "SGD + P",
    "muon+p": "Muon + P",
    "adamw@frossl": "AdamW, FroSSL",
    "muon@frossl": "Muon, FroSSL",
    "adamw@w_mse": "AdamW, W-MSE",
    "adamw@log_det": "AdamW, log det",
    "adamw@iso": "AdamW, IsoLoss",
}

Lines = list[dict[str, Any]]
Table = tuple[str, list[str], list[list[str]]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--markdown", action="store_true", help="tables as documentation has them")
    parser.add_argument("--runs", type=Path, default=Path("runs/faster"))
    options = parser.parse_args()
    groups = grouped(read_lines(RESULTS / "cells.jsonl"))
    seconds = {tuple(line["cell"]): line["seconds"] for line in read_lines(RESULTS / "seconds.jsonl")}
    overlaps = json.loads((RESULTS / "overlaps.json").read_text())
    tables = []
    for key, every in groups.items():
        rules = {rule: at_best_rate(cells) for rule, cells in every.items()}
        if not any(rules.get(rule) for rule in BASELINES):
            tables.append((title_of_group(key), *table_of_rates(every)))
            continue
        known = {rule: seconds_of_step(seconds, key, rule) for rule in rules}
        tables.append((title_of_group(key), *table_of_rules(rules, known)))
        title = f"{title_of_group(key)}, beside {NAMES[best_baseline(rules)]}"
        if rows := rows_of_overlaps(rules, options.runs):
            overlaps[title] = rows
        if title in overlaps:
            tables.append((title, ["rule", "first mode", "first 2", "first 4", "first 8"], overlaps[title]))
    (RESULTS / "overlaps.json").write_text(json.dumps(overlaps, indent=1, ensure_ascii=False) + "\n")
    if options.markdown:
        in_markdown(tables)
    else:
        for table in tables:
            print_table(*table)
    if options.picture:
        draw(groups, seconds, options.picture)


def title_of_group(key: tuple[Any, ...]) -> str:
    regime, network, loss, _, _, images = key
    return f"{title_of(loss)}, {regime} start, {network}, {images}"


def seconds_of_step(seconds: dict[Any, float], key: tuple[Any, ...], rule: str) -> float:
    regime, network, loss, _, _, images = key
    return seconds.get((regime, network, loss, rule, int(images.rpartition("-")[2])), np.nan)


def in_markdown(tables: list[Table]) -> None:
    """Tables of one header under each other, as documentation has them, the group named in its first line."""
    for header in dict.fromkeys(tuple(header) for _, header, _ in tables):
        print()
        for cells in (["training", *header], ["---", "---"] + ["---:"] * (len(header) - 1)):
            print(f"| {' | '.join(cells)} |")
        for title, its_header, rows in tables:
            if tuple(its_header) == header:
                for number, row in enumerate(rows):
                    print(f"| {' | '.join(['' if number else title, *row])} |")


def read_lines(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def grouped(lines: Lines) -> dict[tuple[Any, ...], dict[str, Lines]]:
    """Of each regime, network, loss, steps, batch and images: the cells by rule."""
    every: dict[tuple[Any, ...], dict[str, Lines]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        cell = line["cell"]
        key = tuple(cell[part] for part in ("regime", "network", "loss", "steps", "batch", "images"))
        every[key][cell["rule"]].append(line)
    order = sorted(every, key=lambda key: (key[5], key[1] != "convnet", key[1], key[0] != "small", key[2]))
    return {key: every[key] for key in order}


def at_best_rate(cells: Lines) -> Lines:
    """The cells of the rate that was best on the seed of tuning, which is the first one's."""
    tuned = [cell for cell in cells if cell["cell"]["seed"] == cells[0]["cell"]["seed"]]
    best = max(tuned, key=lambda cell: cell["ridge"][-1][1] if "ridge" in cell else 0.0)
    return [cell for cell in cells if cell["cell"]["rate"] == best["cell"]["rate"] and "ridge" in cell]


def curve(cells: Lines, kind: str = "ridge") -> tuple[np.ndarray, np.ndarray]:
    """Steps (T,) and accuracies (seeds, T)."""
    return (
        np.array([step for step, _ in cells[0][kind]], dtype=float),
        np.array([[value for _, value in cell[kind]] for cell in cells]),
    )


def step_of(target: float, steps: np.ndarray, accuracies: np.ndarray) -> float:
    """Where a mean curve first reaches a target, linear between probes; infinity where it does not."""
    above = np.flatnonzero(accuracies >= target)
    if not len(above):
        return np.inf
    after = above[0]
    if after == 0:
        return float(steps[0])
    low, high = accuracies[after - 1], accuracies[after]
    share = (target - low) / (high - low)
    return float(steps[after - 1] + share * (steps[after] - steps[after - 1]))


def best_baseline(rules: dict[str, Lines]) -> str:
    known = [rule for rule in BASELINES if rules.get(rule)]
    return max(known, key=lambda rule: curve(rules[rule])[1][:, -1].mean())


def table_of_rules(rules: dict[str, Lines], seconds: dict[str, float]) -> tuple[list[str], list[list[str]]]:
    """What each rule reaches at its best rate, and how many times sooner than the best baseline."""
    rules = {rule: cells for rule, cells in rules.items() if cells}
    baseline = best_baseline(rules)
    target = curve(rules[baseline])[1][:, -1].mean()
    end = curve(rules[baseline])[0][-1]
    rows = []
    for rule, cells in rules.items():
        steps, ridge = curve(cells)
        _, knn = curve(cells, "knn")
        reached = step_of(target, steps, ridge.mean(0))
        cost = seconds[rule] / seconds[baseline]
        modes = [mode_step(cells, k) for k in MODES]
        rows.append(
            [
                NAMES.get(rule, rule) + " *" * (rule == baseline),
                f"{cells[0]['cell']['rate']:g}",
                str(len(cells)),
                f"{ridge[:, -1].mean():.3f}"
                + (f" ± {ridge[:, -1].std(ddof=1):.3f}" if len(cells) > 1 else ""),
                f"{knn[:, -1].mean():.3f}",
                f"{reached:.0f}" if np.isfinite(reached) else "never",
                f"{end / reached:.1f}" if np.isfinite(reached) else "",
                f"{end / reached / cost:.1f}" if np.isfinite(cost * reached) else "",
                f"{np.mean([cell['participation_ratio'][-1][1] for cell in cells]):.1f}",
                "/".join(modes) if cells[0]["cell"]["regime"] == "small" else "–",
            ]
        )
    header = [
        *("rule", "rate", "seeds", "ridge", "k-NN", "at the target", "× steps", "× seconds"),
        *("dimensions", "1/2/4/8/16 modes"),
    ]
    return header, rows


def table_of_rates(rules: dict[str, Lines]) -> tuple[list[str], list[list[str]]]:
    """Ridge accuracy at the last step by rate, where rules are held against no baseline."""
    rows = []
    for rule, cells in rules.items():
        cells = sorted(cells, key=lambda cell: cell["cell"]["rate"])
        found = (f"{cell['ridge'][-1][1]:.3f}" if "ridge" in cell else "fails" for cell in cells)
        at = ", ".join(f"{cell['cell']['rate']:g}: {ridge}" for cell, ridge in zip(cells, found, strict=True))
        rows.append([NAMES.get(rule, rule), at])
    return ["rule", "ridge by rate"], rows


def mode_step(cells: Lines, k: int) -> str:
    found = [cell["modes"][str(k)] for cell in cells if str(k) in cell["modes"]]
    return f"{np.median(found):.0f}" if len(found) == len(cells) else "-"


def rows_of_overlaps(rules: dict[str, Lines], runs: Path) -> list[list[str]]:
    """Overlap of the spans of the first modes with the best baseline's; none where no run is at hand."""
    baseline = best_baseline(rules)
    plain = rules[baseline]
    rows = []
    for rule, cells in rules.items():
        pairs = (
            list(itertools.combinations(cells, 2))
            if rule == baseline
            else list(itertools.product(cells, plain))
        )
        found = []
        for k in MODES[:-1]:
            values = [overlap(first, second, k, runs) for first, second in pairs]
            known = [value for value in values if value is not None]
            found.append(f"{np.mean(known):.2f}" if known else "-")
        if set(found) != {"-"}:
            rows.append([NAMES.get(rule, rule) + (", another seed" if rule == baseline else ""), *found])
    return [*rows, ["chance", *(f"{k / 999:.3f}" for k in MODES[:-1])]] if rows else []


def overlap(first: dict[str, Any], second: dict[str, Any], k: int, runs: Path) -> float | None:
    """Of the leading k directions, at the first checkpoints at which they are learned and stand out."""
    bases = [span(cell, k, runs) for cell in (first, second)]
    if bases[0] is None or bases[1] is None:
        return None
    return float(((bases[0].T @ bases[1]) ** 2).sum() / k)


def span(cell: dict[str, Any], k: int, runs: Path) -> np.ndarray | None:
    name = "-".join(f"{v:g}" if isinstance(v, float) else str(v) for v in cell["cell"].values())
    path = runs / name / "spans.npz"
    if not path.exists():
        return None
    with np.load(path) as spans:
        steps = sorted(int(key[1:]) for key in spans if key.startswith("u"))
        learned = cell["modes"].get(str(k), steps[-1])
        for step in steps:
            variances = spans[f"s{step}"].astype(float) ** 2
            if step >= learned and variances[k - 1] >= CONTRAST * variances[k]:
                return spans[f"u{step}"][:, :k].astype(float)
    return None


def draw(groups: Any, seconds: dict[Any, float], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    best = {
        key: {rule: at_best_rate(cells) for rule, cells in rules.items()} for key, rules in groups.items()
    }
    shown = [(key, rules) for key, rules in best.items() if rules.get("muon") and len(rules["muon"]) > 1]
    figure, axes = plt.subplots(2, len(shown), figsize=(3.2 * len(shown), 5.4), sharey="col", squeeze=False)
    colours = {"muon": "#c2410c", "muon+p": "#9333ea", "sgd+p": "#0d9488"}
    greys = {"sgd": "#9ca3af", "adamw": "#374151", "lars": "#6b7280"}
    styles = {"sgd": ":", "adamw": "-", "lars": "--"}
    for column, (key, rules) in enumerate(shown):
        for row, axis in enumerate(axes[:, column]):
            for rule, cells in rules.items():
                if not cells or "@" in rule:
                    continue
                steps, ridge = curve(cells)
                scale = seconds_of_step(seconds, key, rule) if row else 1.0
                colour = colours.get(rule) or greys[rule]
                mean = 100 * ridge.mean(0)
                axis.plot(steps * scale, mean, styles.get(rule, "-"), color=colour, label=NAMES[rule])
                axis.fill_between(
                    steps * scale, 100 * ridge.min(0), 100 * ridge.max(0), color=colour, alpha=0.15, lw=0
                )
            axis.set_xlabel("seconds" if row else "steps")
            axis.spines[["top", "right"]].set_visible(False)
        axes[0, column].set_title(
            title_of_group(key).replace(" start, ", " start\n").rpartition(", ")[0], fontsize=9
        )
    for axis in axes[:, 0]:
        axis.set_ylabel("ridge accuracy of features, %")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
