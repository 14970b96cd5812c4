"""The experiments' folders: who made what is there, and room for what is to be made, once all can be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eigenstep.record import atomic_remove, atomic_write, check_writable, found_entries, make_folder
from eigenstep.reproduce._choices import Choices
from eigenstep.reproduce._e1_linear_model import linear_model_images
from eigenstep.reproduce._e2_three_losses import check_three_losses
from eigenstep.reproduce._e3_initialisation import check_initialisation
from eigenstep.reproduce._e4_agreement import agreement_images
from eigenstep.reproduce._e6_meanings import check_meanings
from eigenstep.reproduce._e7_hypothesis import check_hypothesis

# E5 looks at E2's runs and trains them if they are not there.
NEEDS = {"e5": "e2"}
RESULT, CHOICES = "result.json", "choices.json"
# Each raises an error in one line where the experiment's images cannot be read; E5 has those of E2.
IMAGES: dict[str, Callable[[Choices], object]] = {
    "e1": linear_model_images,
    "e2": check_three_losses,
    "e3": check_initialisation,
    "e4": agreement_images,
    "e6": check_meanings,
    "e7": check_hypothesis,
}


def make_room(out: Path, names: list[str], choices: Choices, *, resume: bool, overwrite: bool) -> None:
    """Make the folders of experiments, and of those whose runs they need, for these choices.

    All folders are looked at, and the images of those that begin are opened, before any is removed or made.

    Raises
    ------
    FileExistsError
        For a folder that is none of an experiment, or is there and neither `resume` nor `overwrite` is given.
    ValueError
        For one to resume that was made with other choices; what reading the images raises.
    """
    begin = {name: _begins(out / name, choices, resume, overwrite) for name in names}
    for name in names:
        needed = NEEDS.get(name)
        if needed and needed not in names and (begin[name] or not (out / name / RESULT).exists()):
            begin[needed] = _begins(out / needed, choices, resume=True, overwrite=False)
    for name in sorted(name for name in begin if begin[name] and name in IMAGES):
        IMAGES[name](choices)
    for name in begin:
        if begin[name] and not _is_empty(out / name):
            atomic_remove(out / name)
        make_folder(out / name)
        atomic_write(out / name / CHOICES, json.dumps(_identity(choices)))


def _begins(folder: Path, choices: Choices, resume: bool, overwrite: bool) -> bool:
    """Whether the experiment begins in its folder, and what is there may be removed; else it goes on."""
    check_writable(folder)
    if _is_empty(folder):
        return True
    made_with = _made_with(folder)
    if made_with is None:
        raise FileExistsError(f"{folder} is not the folder of an experiment; use another --out")
    if overwrite:
        return True
    if not resume:
        raise FileExistsError(
            f"{folder} exists; use --resume to go on, --overwrite to replace it, or another --out"
        )
    if made_with != _identity(choices):
        raise ValueError(
            f"{folder} was made with {_words(made_with)}, got {_words(_identity(choices))};"
            " use the same, or another --out"
        )
    return False


def _is_empty(folder: Path) -> bool:
    """Whether there is nothing but what an experiment that was refused, or killed at once, has left."""
    return set(found_entries(folder)) <= {CHOICES}


def _identity(choices: Choices) -> dict[str, Any]:
    """What makes results differ; the number of threads does so only in the last digits."""
    return {"size": choices.size, "data": choices.data, "seed": choices.seed}


def _made_with(folder: Path) -> dict[str, Any] | None:
    try:
        made_with = json.loads((folder / CHOICES).read_text())
    except (OSError, ValueError):
        return None
    return made_with if isinstance(made_with, dict) else None


def _words(identity: dict[str, Any]) -> str:
    return ", ".join(f"--{name} {value}" for name, value in identity.items() if value is not None)
