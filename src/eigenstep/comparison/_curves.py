"""When runs had learned so many modes, and how far these are the same, as curves."""

from collections.abc import Mapping, Sequence
from typing import Any

from eigenstep.comparison._speedup import Speedup

SEEDS = {"color": "grey", "ls": "--", "marker": "s"}


def draw_steps(axes: Any, speedups: Sequence[Speedup], letters: Sequence[str]) -> None:
    """Draw the step at which each run had learned 1, 2, 4, 8, ... modes."""
    steps: dict[int, dict[int, float]] = {}
    for speedup in speedups:
        for row in speedup.rows:
            for place, step in zip((speedup.first, speedup.second), row.steps, strict=True):
                if step is not None:
                    steps.setdefault(place, {})[row.modes] = step
    for place in sorted(steps):
        _draw(axes, steps[place], letters[place], marker="o")
    axes.set_title("steps until so many modes", fontsize=10)
    axes.set_ylim(bottom=0)
    _finish(axes, speedups, bool(steps))


def draw_spans(axes: Any, speedups: Sequence[Speedup], letters: Sequence[str]) -> None:
    """Draw the overlap of the first modes of each two runs, of two seeds in grey, and of chance dotted."""
    chances: dict[int, float] = {}
    for speedup in speedups:
        found = {row.modes: row.same.overlap for row in speedup.rows if row.same.overlap is not None}
        for modes, overlap in found.items():
            chances[modes] = max(overlap.chance, chances.get(modes, 0.0))
        label = f"{letters[speedup.first]}–{letters[speedup.second]}"
        values = {modes: overlap.value for modes, overlap in found.items()}
        if speedup.seed_alone:
            _draw(axes, values, f"{label}, two seeds", **SEEDS)
        else:
            _draw(axes, values, label, marker="o")
    if not any(speedup.seed_alone for speedup in speedups):  # the run beside is none of those compared
        for speedup in [each for each in speedups if each.beside is not None][:1]:
            spans = {row.modes: row.yardstick for row in speedup.rows if row.yardstick is not None}
            beside = {modes: span.overlap.value for modes, span in spans.items() if span.overlap is not None}
            _draw(axes, beside, "two seeds", **SEEDS)
    if chances:
        _draw(axes, chances, "chance", color="black", ls=":", marker="_")
    axes.set_title("overlap of the first modes", fontsize=10)
    axes.set_ylim(-0.03, 1.03)
    _finish(axes, speedups, bool(chances))


def _draw(axes: Any, values: Mapping[int, float], label: str, **look: Any) -> None:
    if values:
        modes = sorted(values)
        axes.plot(modes, [values[each] for each in modes], ms=3, label=label, **look)


def _finish(axes: Any, speedups: Sequence[Speedup], has_lines: bool) -> None:
    ticks = sorted({row.modes for speedup in speedups for row in speedup.rows})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(each) for each in ticks], fontsize=8)
    axes.tick_params(labelsize=8)
    axes.minorticks_off()
    axes.set_xlabel("modes", fontsize=8)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if has_lines:
        axes.legend(fontsize=7, frameon=False)
    else:
        axes.text(0.5, 0.5, "none", ha="center", transform=axes.transAxes, fontsize=9)
