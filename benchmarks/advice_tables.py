"""What `eigenstep.advice` makes of the runs of `advice.py`: their signs as lines, and tables of them."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.advice import Advice, Signs, advise_signs, signs_of, until
from eigenstep.analysis.verdicts import Verdict
from eigenstep.methods import METHODS
from eigenstep.record import as_yaml, config_leaves, read_record, read_tree
from eigenstep.terminal import console, print_table
from eigenstep.training import TrainConfig

# How far below its sound twin a run's accuracy is to be harmed: twice the noise of two sound seeds.
HARM = 0.015
# Options that no cause reads.
UNREAD = (
    *("images.", "record.", "checkpoint.", "probes.", "logger.", "data", "seed", "threads", "device"),
    *("views.mean", "views.std"),
)
# Signs that no cause reads.
UNWEIGHED = ("gradient_projector", "gradient_objective", "update_objective", "weight_objective")
PARTS_OF_RUN = {"whole": 1.0, "tenth": 0.1}


def line_of(folder: Path, done: dict[str, Any]) -> dict[str, Any]:
    """A run as a line: what was done to it, what came of it, and its signs after a tenth and after all."""
    record = read_record(folder)
    steps = int(record.config["steps"])
    line = dict(done)
    for name, share in PARTS_OF_RUN.items():
        signs = signs_of(record if share == 1 else until(record, int(share * steps)))
        numbers = {
            key: float(f"{value:.3g}")
            for key, value in signs.numbers.items()
            if np.isfinite(value) and not key.startswith(UNWEIGHED)
        }
        line[name] = {"verdict": signs.verdict, **numbers}
    others = tuple(f"{name}." for name in METHODS if name != record.config["loss"])
    line["options"] = {
        name: value
        for name, value in config_leaves(record.config).items()
        if value != defaults().get(name) and not name.startswith((*UNREAD, *others))
    }
    return line


def defaults() -> dict[str, Any]:
    import tempfile

    if not _DEFAULTS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "config.yaml"
            path.write_text(as_yaml(TrainConfig()))
            _DEFAULTS.update(config_leaves(read_tree(path)))
    return _DEFAULTS


_DEFAULTS: dict[str, Any] = {}


def advice_of(line: dict[str, Any], part: str = "whole", options: bool = True) -> Advice:
    """What is advised by a line's signs, with the configuration or as of a foreign loop."""
    numbers = {name: value for name, value in line[part].items() if name != "verdict"}
    state = line[part]["verdict"]
    known = defaults() | line["options"] if options else {}
    return advise_signs(Signs(numbers, known, state), Verdict(state, "", {}))


def harmed(line: dict[str, Any], lines: Iterable[dict[str, Any]]) -> bool | None:
    """Whether the fault cost accuracy, by the sound run in the same place; None where there is none."""
    if line["state"] == "diverged":
        return True
    twins = [
        each["accuracy"]
        for each in lines
        if each["context"] == line["context"] and not (each["causes"] or each["unusual"])
    ]
    return None if not twins else line["accuracy"] < twins[0] - HARM


def named(advice: Advice) -> str:
    return advice.causes[0].cause.name if advice.causes else "unknown" if advice.unknown else "nothing"


def print_tables(lines: list[dict[str, Any]]) -> None:
    for half in ("tune", "held"):
        here = [line for line in lines if line["half"] == half]
        singles = [line for line in here if len(line["causes"]) == 1 and line["causes"] != ["unknown"]]
        sound = [line for line in here if not line["causes"]]
        rows = []
        for part, options in (("whole", True), ("tenth", True), ("whole", False)):
            title = f"{part}{'' if options else ', no configuration'}"
            rows.append([title, *_goals(here, singles, sound, part, options, lines)])
        print_table(
            f"{half}: {len(here)} runs",
            [
                *("signs of", "right first, harmed", "right first, all"),
                *("sound called ill", "of them unharmed", "unknown", "of them harmed", "pairs"),
            ],
            rows,
        )
        confusion: dict[str, Counter[str]] = {}
        for line in singles:
            confusion.setdefault(line["causes"][0], Counter())[named(advice_of(line))] += 1
        print_table(
            "What was named first",
            ["cause", "runs", "harmed", "named"],
            [
                [
                    cause,
                    str(sum(counts.values())),
                    str(sum(bool(harmed(each, lines)) for each in singles if each["causes"] == [cause])),
                    ", ".join(f"{name} {count}" for name, count in counts.most_common()),
                ]
                for cause, counts in confusion.items()
            ],
        )
        for line in sound:
            advice = advice_of(line)
            if advice.ill:
                console.print(
                    f"false alarm: {line['key']}: {named(advice)} {advice.symptoms}", soft_wrap=True
                )


def draw_named(lines: list[dict[str, Any]], path: Path) -> None:
    """How often each cause was named first of each fault of the held half, as squares."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    here = [line for line in lines if line["half"] == "held" and len(line["causes"]) < 2]
    counts = Counter(((line["causes"] or ["sound"])[0], named(advice_of(line))) for line in here)
    faults = sorted({fault for fault, _ in counts} - {"unknown", "sound"}) + ["unknown", "sound"]
    answers = [fault if fault != "sound" else "nothing" for fault in faults]
    answers += sorted({answer for _, answer in counts} - set(answers))
    figure, axes = pyplot.subplots(figsize=(8.2, 7.6))
    for (fault, answer), count in counts.items():
        total = sum(each for (other, _), each in counts.items() if other == fault)
        x, y = answers.index(answer), faults.index(fault)
        is_right = answer == (fault if fault != "sound" else "nothing")
        side = 30 * (count / total) ** 0.5 * 0.45
        axes.plot(x, y, "s", markersize=side, color="#1b6ca8" if is_right else "#d1495b")
        axes.text(x + 0.42, y, str(count), fontsize=7, va="center", color="#444")
    axes.set_xticks(
        range(len(answers)), [name.replace("_", " ") for name in answers], rotation=90, fontsize=8
    )
    axes.set_yticks(range(len(faults)), [name.replace("_", " ") for name in faults], fontsize=8)
    axes.set_xlim(-0.7, len(answers) - 0.1)
    axes.set_ylim(len(faults) - 0.4, -0.6)
    axes.set_xlabel("named first")
    axes.set_ylabel("what was wrong")
    axes.grid(color="#eee")
    axes.set_axisbelow(True)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def print_cures(cures: list[dict[str, Any]], lines: list[dict[str, Any]]) -> None:
    """How many of the harmed are within noise of sound after the advised options were set."""
    rows = []
    for half in ("tune", "held"):
        here = [line for line in cures if line["half"] == half]
        right = [line for line in here if line["named"] in line["causes"]]
        worse = [
            line["state"] == "diverged" or line["accuracy"] < (line["before"] or 0) - HARM for line in here
        ]
        rows.append(
            [
                half,
                _share([not harmed(line, lines) for line in here]),
                _share([not harmed(line, lines) for line in right]),
                _share(worse),
            ]
        )
    print_table(
        "Cures by options", ["half", "sound then", "of those named rightly", "worse than before"], rows
    )


def _goals(
    here: list[dict[str, Any]],
    singles: list[dict[str, Any]],
    sound: list[dict[str, Any]],
    part: str,
    options: bool,
    lines: list[dict[str, Any]],
) -> list[str]:
    def right(line: dict[str, Any]) -> bool:
        return named(advice_of(line, part, options)) == line["causes"][0]

    unknown = [line for line in here if line["causes"] == ["unknown"]]
    pairs = [line for line in here if len(line["causes"]) == 2]
    both = [
        set(line["causes"]) <= {each.cause.name for each in advice_of(line, part, options).causes[:2]}
        for line in pairs
    ]

    def ill(line: dict[str, Any]) -> bool:
        return advice_of(line, part, options).ill

    def untold(line: dict[str, Any]) -> bool:
        return named(advice_of(line, part, options)) == "unknown"

    return [
        _share([right(line) for line in singles if harmed(line, lines)]),
        _share([right(line) for line in singles]),
        _share([ill(line) for line in sound]),
        _share([ill(line) for line in sound if not harmed(line, lines)]),
        _share([untold(line) for line in unknown]),
        _share([untold(line) for line in unknown if harmed(line, lines)]),
        _share(both),
    ]


def _share(values: list[bool]) -> str:
    return f"{sum(values)} of {len(values)}" if values else "–"


def read_lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
