"""The folder of an explanation: `modes.json`, `modes.html` and the directions of a run's modes."""

from __future__ import annotations

import json
from pathlib import Path

from eigenstep.modes._explanation import Explanation
from eigenstep.record import atomic_remove, atomic_write, make_folder

MODES, PAGE, DIRECTIONS = "modes.json", "modes.html", "modes.npz"


def write_modes(found: Explanation, folder: str | Path) -> list[Path]:
    """Write `modes.json` and `modes.html` into a folder, in place of what was there.

    Of a run its directions too, `modes.npz`, which `eigenstep embed --modes` reads.

    Returns
    -------
    list[Path]
        The first two.
    """
    from eigenstep.modes._page import write_page  # which needs jinja2 and Pillow

    folder = Path(folder)
    make_folder(folder)
    if found.directions is not None:
        found.directions.write(folder / DIRECTIONS)
    elif (folder / DIRECTIONS).exists():
        atomic_remove(folder / DIRECTIONS)
    atomic_write(folder / MODES, json.dumps(found.to_dict(), indent=1, allow_nan=False))
    return [folder / MODES, write_page(found, folder / PAGE)]
