"""A look at every image of a data set before anything is trained on it."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images._memory import image_bytes
from eigenstep.images._pixels import Pixels
from eigenstep.images.decoding import no_images
from eigenstep.images.inspection._duplicates import Duplicates, find_duplicates, samples_of
from eigenstep.images.inspection._gathered import Gathered, SplitInspection
from eigenstep.images.inspection._seen import Look, Seen
from eigenstep.images.inspection._sheet import TILE, Tile, Tiled, choose_tiles
from eigenstep.images.inspection._surprises import surprises
from eigenstep.images.opened import LostProcess, Workers, decoding_processes, is_kept_whole
from eigenstep.images.sources import PassedOver, RandomAccess, SplitInventory, find_source, take_inventory
from eigenstep.images.stored import StoredFormat, check_show, find_pixels, spread

# Images that a process looks at in one go, and how many are worth starting processes.
TASK, MANY = 64, 256


@dataclass(frozen=True)
class Stored:
    """What training would keep.

    Attributes
    ----------
    split : str
        Of which split.
    pixels : Pixels
        Channels, type and range, and what was guessed.
    size : int
        Images are squares of so many pixels.
    bytes : int
        That the images take.
    in_memory : bool
        They are decoded once into memory, and not while training.
    """

    split: str
    pixels: Pixels
    size: int
    bytes: int
    in_memory: bool


@dataclass(frozen=True)
class Inspection:
    """What a data set is.

    Attributes
    ----------
    data : str
        As the user named it.
    splits : list[SplitInspection]
        All, or one without a name for data that has none.
    passed_over : PassedOver
        What was found and is no image to train on.
    notes : list[str]
        What was taken from how the data set is laid out.
    damage : list[str]
        What is missing of damaged files.
    duplicates : Duplicates
        Images that are there more than once.
    stored : Stored | None
        What training would keep.
    refusal : str | None
        Why training would refuse the data, where it would.
    advice : list[str]
        What would surprise in training, with what to do.
    tiles : list[list[Tile]]
        Lines of a contact sheet, if one was asked for.
    """

    data: str
    splits: list[SplitInspection]
    passed_over: PassedOver
    notes: list[str]
    damage: list[str]
    duplicates: Duplicates
    stored: Stored | None
    refusal: str | None
    advice: list[str]
    tiles: list[list[Tile]] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """`found`, and what it is the sum of: `used`, `broken`, `passed_over` and `not_looked_at`."""
        images = sum(split.count for split in self.splits)
        looked = sum(split.looked for split in self.splits)
        used = sum(split.used for split in self.splits)
        return {
            "found": images + self.passed_over.count,
            "used": used,
            "broken": looked - used,
            "passed_over": self.passed_over.count,
            "not_looked_at": images - looked,
        }

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON can say it, but for the contact sheet; what is not known is None."""
        tree: dict[str, Any] = {"data": self.data, "counts": self.counts}
        for each in dataclasses.fields(self):
            if each.name not in ("data", "tiles"):
                tree[each.name] = _plain(getattr(self, each.name))
        for split, plain in zip(self.splits, tree["splits"], strict=True):
            plain["used"] = split.used
        return tree


def inspect_images(
    data: str,
    config: ImagesConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    limit: int | None = None,
    tiles: bool = False,
) -> Inspection:
    """Decode every image of all splits of `data` once, as training would, and tell what is there.

    Parameters
    ----------
    progress : Callable[[int, int], None] | None
        Called with the number of images looked at, and how many are to be.
    limit : int | None
        Look at so many images, spread over all splits.
    tiles : bool
        Keep small pictures for `contact_sheet`, of the split that training would use.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line if no image can be used, or `config.show` names channels that are not there.

    Examples
    --------
    >>> found = inspect_images("photos", ImagesConfig(patches=5))
    >>> found.counts["used"], found.splits[0].formats, found.stored.bytes
    (5, Counter({'pixels 3 × uint8': 5}), 15360)
    """
    config = config or ImagesConfig()
    if limit is not None and limit < 1:
        raise ValueError(f"expected --limit to be at least 1, got {limit}")
    inventory = take_inventory(data, config)
    main = next((split for split in inventory.splits if split.name == config.split), inventory.splits[0])
    stored, refusal = _stored(data, config, main)
    pixels = stored.pixels if stored else None
    if pixels is not None:
        check_show(config.show, pixels.channels)
    total = sum(split.count for split in inventory.splits)
    chosen = np.arange(total) if limit is None else spread(limit, total)
    look, first, done = Look(config, pixels), 0, 0
    gathered, lines = list[Gathered](), list[list[Tile]]()
    for split in inventory.splits:
        rows = chosen[(chosen >= first) & (chosen < first + split.count)] - first
        plan = choose_tiles(split.labels, rows) if tiles and split is main else []
        tiled = Tiled(plan)
        gathered.append(Gathered(split))
        for seen in _look(split, rows, dataclasses.replace(look, tiles=tiled.rows, tile=TILE)):
            gathered[-1].add(seen)
            tiled.add(seen)
            done += 1
            if progress is not None and (done % TASK == 0 or done == len(chosen)):
                progress(done, len(chosen))
        lines += tiled.lines(split.labels)
        first += split.count
    splits = [each.finish(config.stored_size or config.size) for each in gathered]
    if not any(split.used for split in splits):
        names = [f"{name} ({reason})" for split in splits for name, reason in split.broken_names[:3]]
        raise ValueError(no_images(data, len(chosen), [*inventory.damage, *names]))
    if config.broken == "refuse" and any(split.broken for split in splits):
        refusal = refusal or "images are broken, and --images.broken refuse is set"
    return Inspection(
        data,
        splits,
        inventory.passed_over,
        inventory.notes,
        inventory.damage,
        find_duplicates(inventory.splits, gathered),
        stored,
        refusal,
        surprises(splits, config, pixels),
        lines,
    )


def _stored(data: str, config: ImagesConfig, split: SplitInventory) -> tuple[Stored | None, str | None]:
    """What training would keep of a split, or why it would refuse it."""
    source, opened = find_source(data), split.images
    refusal = None
    if split.name not in ("", config.split):
        refusal = f"there is no split {config.split!r}; set --images.split {split.name}"
    if config.broken is None and opened.damage:
        refusal = refusal or "files are damaged; mend them, or set --images.broken pass"
    try:
        pixels = find_pixels(opened, config)
    except ValueError as error:
        return None, str(error).removeprefix(f"{data}: ")
    pixels = dataclasses.replace(
        pixels, notes=tuple(note for note in pixels.notes if note not in opened.notes)
    )
    form = StoredFormat(config, pixels)
    needed = image_bytes(split.count, form.size, pixels)
    return Stored(split.name, pixels, form.size, needed, is_kept_whole(source, opened, form)), refusal


def _look(split: SplitInventory, rows: np.ndarray, look: Look) -> Iterator[Seen]:
    """What is seen of these rows, ascending; many images are decoded by processes."""
    opened, processes = split.images, decoding_processes(look.config)
    items: Iterator[Any]
    if isinstance(opened, RandomAccess):
        look = dataclasses.replace(look, source=opened)
        items = map(int, rows)
    else:
        items = samples_of(opened, rows.tolist())
    tasks = iter(lambda: list(islice(items, TASK)), [])
    workers: Workers[Sequence[Any], list[Seen]] = Workers(look, processes if len(rows) >= MANY else 0)
    results = workers.map((None, task) for task in tasks)
    try:
        for _, several in results:
            yield from several
    except LostProcess as error:
        told = str(error).replace("start again with --resume, and with fewer", "start again with fewer")
        raise LostProcess(told) from error
    finally:
        results.close()
        workers.close()


def _plain(value: Any) -> Any:
    """As JSON says it: tuples with names are mappings, what is no number is None."""
    if dataclasses.is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
