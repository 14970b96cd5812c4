"""A self-contained page, augmentations.html, in the report's style."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from eigenstep.modes.augmentations._result import AugmentationAdvice
from eigenstep.modes.augmentations._words import calls, place_of, sentence, signed, table_note
from eigenstep.pages import page
from eigenstep.record import atomic_write


def write_page(
    advice: AugmentationAdvice, path: str | Path, *, title: str = "images", notes: list[str] | None = None
) -> Path:
    """Write the page; nothing in it refers to another file or address.

    Parameters
    ----------
    title : str
        What the images are called.
    notes : list[str] | None
        What else a reader should know, each in one line.
    """
    classes = advice.by_class()
    text = page(
        "eigenstep.modes.augmentations",
        title=title,
        advice=advice,
        sentence=sentence(advice),
        note=table_note(advice),
        notes=[*(notes or []), *(f"{name}: left out, {why}" for name, why in advice.left_out.items())],
        ranking=_ranking(advice),
        agreement=_agreement(advice),
        survives=[
            (each.name, advice.agreement.sentence(each.name).removeprefix(each.name)) for each in advice.sets
        ],
        sides=_sides(advice),
        angles=_angles(advice),
        classes=None
        if classes is None
        else {
            "names": advice.class_names,
            "rows": [
                {"name": each.name, "cells": [_cell(float(value)) for value in row]}
                for each, row in zip(*classes, strict=True)
            ],
        },
    )
    atomic_write(path, text)
    return Path(path)


def _ranking(advice: AugmentationAdvice) -> list[dict[str, Any]]:
    """Sets, best first, with where their dots and intervals lie on a line from the lowest to the highest."""
    stage = advice.short or advice.closed
    if stage is None:
        return []
    standing, sets = stage.standing, stage.sets
    places = standing.order
    lows = [standing.means[place] - 2 * standing.error(place) for place in places]
    highs = [standing.means[place] + 2 * standing.error(place) for place in places]
    start, end = min(lows), max(highs)
    width = max(end - start, 1e-9)
    rows = []
    nothing = stage.nothing
    for place, low, high in zip(places, lows, highs, strict=True):
        behind = standing.behind(place)
        tied = nothing or place == standing.leader or not behind.told_apart
        at = 0 if advice.closed is None else place_of(sets[place], advice.closed.sets)
        rows.append(
            {
                "name": sets[place].name,
                "tied": tied,
                "accuracy": f"{standing.means[place]:.1%}",
                "error": f"{standing.error(place):.1%}",
                "seeds": standing.seeds[place],
                "beside": "near chance"
                if nothing
                else "best"
                if place == standing.leader
                else f"{signed(behind)}{'' if behind.told_apart else ', a tie'}",
                "low": f"{100 * (low - start) / width:.2f}",
                "span": f"{100 * (high - low) / width:.2f}",
                "dot": f"{100 * (standing.means[place] - start) / width:.2f}",
                "few": None if advice.closed is None else f"{advice.closed.standing.means[at]:.1%}",
                "more": None if advice.closed is None else f"{advice.closed.more[at]:.1%}",
                "votes": None if advice.closed is None else f"{advice.closed.neighbours[at]:.1%}",
            }
        )
    return rows


def _agreement(advice: AugmentationAdvice) -> dict[str, Any]:
    """Statistics down the page, operations and sets across it."""
    found = advice.agreement
    sets = {each.name for each in advice.sets}
    return {
        "columns": [{"name": name, "is_set": name in sets} for name in found.rows],
        "rows": [
            {"name": name, "cells": [_cell(float(value)) for value in found.values[:, place]]}
            for place, name in enumerate(found.statistics)
        ],
        "left_out": found.left_out,
        "images": found.images,
    }


def _sides(advice: AugmentationAdvice) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "useless": advice.useless.get(each.name),
            "rho": f"{modes.rho_held_out[0]:.2f}",
            "sum": f"{modes.rho[:16].clip(0).sum():.1f}",
            "invariance": f"{modes.invariance:.2f}",
            "rank": f"{modes.effective_rank:.0f}",
            "first": [{"name": calls(first), "of": f"{first[0]} {first[1]:.2f}"} for first in firsts[:6]],
        }
        for each, modes, firsts in zip(advice.sets, advice.sides.modes, advice.sides.firsts, strict=True)
    ]


def _angles(advice: AugmentationAdvice) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "cells": [{"text": f"{value:.0f}°", "share": f"{1 - value / 90:.3f}"} for value in row],
        }
        for each, row in zip(advice.sets, advice.sides.angles, strict=True)
    ]


def _cell(value: float) -> dict[str, str]:
    if not math.isfinite(value):
        return {"text": "–", "share": "0"}
    return {"text": f"{value:.2f}".replace("0.", ".", 1), "share": f"{min(max(value, 0.0), 1.0):.3f}"}
