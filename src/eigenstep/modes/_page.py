"""An explanation as one self-contained page in the report's style."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eigenstep.modes._explanation import ALL, LABELS, Explanation
from eigenstep.modes._gallery import as_picture, thumbnails
from eigenstep.modes._names import NEAR, short
from eigenstep.modes._tables import tables
from eigenstep.pages import page
from eigenstep.record import atomic_write

# Pixels of a picture in a strip, and of that which a mode looks at.
TILE, LARGE = 64, 128
# Statistics whose share is shown.
ROWS = 24
WORDS = {
    "data": "closed form of a data set",
    "run": "run",
    "file": "file of embeddings",
    "arrays": "embeddings",
}


def write_page(found: Explanation, path: str | Path) -> Path:
    """Write the page; nothing in it refers to another file or address."""
    listed = tables(found)
    text = page(
        "eigenstep.modes",
        found=found,
        name=Path(found.name).name or found.name,
        kind=WORDS[found.kind],
        sentences=found.sentences(),
        modes=mode_cards(found),
        others=[each.sentence for each in found.named if each.first > len(found.galleries)],
        shares=_shares(found),
        known=_known(found),
        unit="step" if found.in_steps else "modes",
        snapshots=[each for each in listed if each.header[:1] == ["step"]],
        worth=[each for each in listed if each.title.startswith("Worth")],
        bars=_bars(found),
    )
    atomic_write(path, text)
    return Path(path)


def mode_cards(found: Explanation) -> list[dict[str, Any]]:
    """What a page shows of each mode that has a gallery: its name in words, pictures as `data:` addresses.

    Examples
    --------
    >>> from eigenstep.modes import explain_modes
    >>> rng = np.random.default_rng(0)
    >>> images = rng.integers(256, size=(120, 3, 8, 8), dtype=np.uint8)
    >>> [card] = mode_cards(explain_modes(images.mean(axis=(2, 3))[:, :1], images=images))
    >>> card["which"], card["name"], [strip["words"] for strip in card["strips"]]
    ('Mode 1', 'mean red', ['least mean red', 'in between', 'most mean red'])
    """
    shown = []
    assert found.pictured is not None, "galleries are of images"
    named = {mode: each for each in found.modes for mode in range(each.first, each.last + 1)}
    for mode, gallery in enumerate(found.galleries, start=1):
        each = named[mode]
        low, high = ("low", "high")
        if each.statistics and not each.is_block:
            low, high = f"least {each.statistics[0]}", f"most {each.statistics[0]}"
        strips = [(low, gallery.low), ("in between", gallery.along), (high, gallery.high)]
        shown.append(
            {
                "which": f"Mode {mode}",
                "name": each.name,
                "earned": bool(each.statistics),
                "together": f"modes {each.first}–{each.last} together" if each.is_block else "",
                "nearest": " and ".join(each.best) if each.r2 >= NEAR else "",
                "r2": short(max(each.r2, 0.0)),
                "again": short(each.again),
                "nearly_equal": each.nearly_equal,
                "strength": f"{found.strengths[mode - 1]:.3g}",
                "picture": _url(_enlarged(as_picture(gallery.looks_at, found.show)), "PNG"),
                "strips": [
                    {
                        "words": words,
                        "url": _strip(thumbnails(found.pictured, rows, found.show)),
                        "images": len(rows),
                    }
                    for words, rows in strips
                ],
            }
        )
    return shown


def _shares(found: Explanation) -> list[dict[str, Any]]:
    first = [name for name in (ALL, LABELS) if name in found.shares]
    others = sorted(set(found.shares) - set(first), key=lambda name: -max(found.shares[name]))
    return [{"name": name, "cells": _cells(found.shares[name])} for name in [*first, *others[:ROWS]]]


def _known(found: Explanation) -> list[dict[str, Any]]:
    known, last = found.known, max(found.places) + 1
    rows = zip(found.statistics, found.readable.tolist(), strict=True)
    order = sorted(rows, key=lambda row: (last if known[row[0]] is None else known[row[0]], -max(row[1])))
    return [
        {
            "name": name,
            "known": "never" if known[name] is None else f"{known[name]:,}",
            "forgotten": name in found.forgotten,
            "cells": _cells(curve),
        }
        for name, curve in order
    ]


def _cells(values: list[float]) -> list[dict[str, Any]]:
    return [{"share": min(max(value, 0.0), 1.0), "text": short(max(value, 0.0))} for value in values]


def _bars(found: Explanation) -> list[dict[str, Any]]:
    if found.worth is None:
        return []
    largest = max(max(found.worth.alignments), 1e-12)
    return [
        {"mode": place, "height": 100 * max(value, 0.0) / largest, "text": f"{value:.2%}"}
        for place, value in enumerate(found.worth.alignments, start=1)
    ]


def _strip(pictures: NDArray[np.uint8]) -> str:
    """Pictures side by side, as a JPEG whose tiles do not bleed into each other."""
    tiles = [_sized(picture, TILE) for picture in pictures]
    return _url(np.concatenate(tiles, axis=1), "JPEG")


def _enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return _sized(picture, LARGE)


def _sized(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


def _url(picture: NDArray[np.uint8], kind: str) -> str:
    content = io.BytesIO()
    options = {"quality": 85, "subsampling": 0} if kind == "JPEG" else {}
    Image.fromarray(picture).save(content, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"
