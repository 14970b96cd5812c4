"""Named sets of augmentations: a family around a base set, and a user's own from files."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigenstep.record import as_dataclass, atomic_write, read_tree
from eigenstep.spelling import nearest
from eigenstep.views import ViewsConfig

# What changes colours alone, and the value at which it changes nothing.
_OFF_COLOUR: dict[str, Any] = {
    "saturation": 0.0,
    "hue": 0.0,
    "grayscale_probability": 0.0,
    "solarize_probability": 0.0,
}


@dataclass(frozen=True)
class AugmentationSet:
    """A set of augmentations under a name.

    Attributes
    ----------
    name : str
        As tables and pages have it.
    views : ViewsConfig
        How two views of an image may differ.
    """

    name: str
    views: ViewsConfig


def standard_sets(base: ViewsConfig, channels: int = 3) -> tuple[list[AugmentationSet], dict[str, str]]:
    """The family of sets around a base set, and what of it images of so many channels do not have.

    The base set itself, `full`; each of its operations left out, where it is on; a weaker and a stronger
    crop; the crop alone; no colour operation at all; the base set with quarter turns, with noise, and,
    for several channels other than three, with a jitter of each channel by itself.

    Parameters
    ----------
    base : ViewsConfig
        The base set, such as a recipe's.
    channels : int
        C of the images.

    Returns
    -------
    tuple[list[AugmentationSet], dict[str, str]]
        The sets, `full` first, no two of them equal; and why an operation is left out, by its name.

    Raises
    ------
    ValueError
        For a base set that such images cannot have for another reason than their colours.

    Examples
    --------
    >>> sets, left_out = standard_sets(ViewsConfig(), channels=1)
    >>> [each.name for each in sets][:4], left_out
    (['full', 'no crop', 'no flip', 'no colour jitter'], {})
    """
    base, left_out = for_channels(base, channels)
    lowest, highest = base.crop_scale
    room = highest - lowest
    crops = lowest < 1
    changes: dict[str, dict[str, Any]] = {"full": {}}
    if crops:
        changes["no crop"] = {"crop_scale": (1.0, 1.0)}
    for name, field in _OPERATIONS.items():
        if getattr(base, field) and (field != "jitter_probability" or _jitters(base)):
            changes[f"no {name}"] = {field: 0.0}
    if crops:
        changes["weaker crop"] = {"crop_scale": (lowest + 0.4 * room, highest)}
        changes["stronger crop"] = {"crop_scale": (lowest / 2, lowest / 2 + 0.3 * room)}
        off = dict.fromkeys((*_OPERATIONS.values(), "turn_probability"), 0.0)
        changes["crop alone"] = off
    changes["no colour at all"] = {"jitter_probability": 0.0, **_OFF_COLOUR}
    if not base.turn_probability:
        changes["quarter turns added"] = {"turn_probability": 0.75}
    if channels not in (1, 3) and _jitters(base) and base.jitter == "jointly":
        changes["jitter by channel"] = {"jitter": "by_channel"}
    if not base.noise_probability:
        changes["noise added"] = {"noise_probability": 0.5}
    sets = [AugmentationSet(name, dataclasses.replace(base, **change)) for name, change in changes.items()]
    return _distinct(sets), left_out


def for_channels(views: ViewsConfig, channels: int) -> tuple[ViewsConfig, dict[str, str]]:
    """A set as images of so many channels have it, and why an operation is left out, by its name.

    Examples
    --------
    >>> for_channels(ViewsConfig(hue=0.2), channels=5)[1]
    {'hue': 'images of 5 channels have no colours'}
    """
    if channels == 3:
        filled = views.for_channels(3)
        return dataclasses.replace(views, **{name: getattr(filled, name) for name in _OFF_COLOUR}), {}
    number = "1 channel" if channels == 1 else f"{channels} channels"
    asked = [name for name in _OFF_COLOUR if getattr(views, name)]
    left_out = {_words(name): f"images of {number} have no colours" for name in asked}
    return dataclasses.replace(views, **_OFF_COLOUR), left_out


def read_sets(path: str | Path) -> list[AugmentationSet]:
    """The sets of a YAML file: one of `ViewsConfig`, or several under their names; or the views of a run.

    What a set leaves out has `ViewsConfig`'s default. A single set has the file's name.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        In one line for a name or a value that does not fit, and for a file without a set.
    """
    path = Path(path)
    tree = read_tree(path)
    fields = {field.name for field in dataclasses.fields(ViewsConfig)}
    if isinstance(tree.get("views"), dict) and not all(isinstance(each, dict) for each in tree.values()):
        tree = tree["views"]  # a run's configuration, or a recipe
    if not tree:
        raise ValueError(f"{path}: expected a set of augmentations, got an empty file")
    named = all(isinstance(each, dict) for each in tree.values())
    sets = []
    for name, node in tree.items() if named else [(path.stem, tree)]:
        try:
            views = as_dataclass(ViewsConfig, node)
        except ValueError as error:
            where = f"{path}: {name}" if named else str(path)
            unknown = [each for each in node if each not in fields]
            hint = (
                f"; the fields are those of --views: {', '.join(sorted(fields - {'own'}))}" if unknown else ""
            )
            raise ValueError(f"{where}: {error}{hint}") from error
        if views.own is not None:
            raise ValueError(f"{path}: views of one's own, {views.own}, have no set; leave out own")
        sets.append(AugmentationSet(str(name), views))
    return sets


def read_set(named: str | Path) -> AugmentationSet:
    """The one set of FILE, or the one that FILE@NAME names; see `read_sets`.

    Raises
    ------
    ValueError
        As `read_sets`, and where a file has several and none of them is named.
    """
    path, _, name = str(named), "", ""
    if not Path(path).exists() and "@" in path:
        path, _, name = path.rpartition("@")
    sets = read_sets(path)
    names = [each.name for each in sets]
    if name:
        if name not in names:
            raise ValueError(f"{path} has no set {name!r}, but {', '.join(names)}.{nearest(name, names)}")
        return sets[names.index(name)]
    if len(sets) > 1:
        raise ValueError(f"{path} has {len(sets)} sets ({', '.join(names)}); name one as {path}@{names[0]}")
    return sets[0]


def write_sets(sets: Iterable[AugmentationSet], path: str | Path) -> Path:
    """Write sets as YAML that `read_sets` reads back: the values of one, or several under their names.

    Raises
    ------
    ValueError
        For no set.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.modes.augmentations import read_set, read_sets, standard_sets
    >>> sets, _ = standard_sets(ViewsConfig())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_sets(sets[:2], f"{folder}/sets.yaml")
    ...     [each.name for each in read_sets(path)], read_set(f"{path}@full").name
    (['full', 'no crop'], 'full')
    """
    trees = {each.name: _as_tree(each.views) for each in sets}
    if not trees:
        raise ValueError("expected at least one set of augmentations, got none")
    tree = trees if len(trees) > 1 else next(iter(trees.values()))
    import yaml

    atomic_write(path, yaml.safe_dump(tree, sort_keys=False))
    return Path(path)


def check_names(sets: Iterable[AugmentationSet]) -> list[AugmentationSet]:
    """The sets; ValueError if two have one name."""
    found = list(sets)
    names = [each.name for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two sets of augmentations are called {twice[0]!r}; rename one of them")
    return found


def _jitters(views: ViewsConfig) -> bool:
    levels = (views.brightness, views.contrast, views.saturation, views.hue)
    return bool(views.jitter_probability) and any(levels)


def _distinct(sets: list[AugmentationSet]) -> list[AugmentationSet]:
    """The sets without those that are an earlier one under another name."""
    kept: list[AugmentationSet] = []
    for each in sets:
        if all(each.views != other.views for other in kept):
            kept.append(each)
    return kept


def _as_tree(views: ViewsConfig) -> dict[str, Any]:
    """What a set sets; what it leaves open is left out."""
    values = dataclasses.asdict(views)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not None
    }


def _words(field: str) -> str:
    return field.removesuffix("_probability").replace("grayscale", "grey").replace("solarize", "solarise")


# Operations by the field that says how often they are done.
_OPERATIONS = {
    "flip": "flip_probability",
    "quarter turns": "turn_probability",
    "colour jitter": "jitter_probability",
    "grey": "grayscale_probability",
    "blur": "blur_probability",
    "solarise": "solarize_probability",
    "noise": "noise_probability",
}
