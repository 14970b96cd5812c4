"""The subcommand `images`."""

import json as json_format
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from eigenstep.cli._parse import Flag
from eigenstep.spelling import printable

if TYPE_CHECKING:
    from eigenstep.images import Duplicates, Inspection, Member, SplitInspection, Stored, Values

PICTURES = (".png", ".jpg", ".jpeg")
# Of classes, formats, names and groups so many are shown, and of splits in full.
CLASSES, FORMATS, NAMES, GROUPS, SPLITS = 10, 6, 3, 5, 12


def images_command(arguments: list[str]) -> Callable[..., Any]:
    """The subcommand `images`."""
    if arguments[:1] != ["images"]:
        return _images_in_short  # the list of subcommands is shown without loading what images need
    from eigenstep.images import ImagesConfig

    def command(
        data: tyro.conf.Positional[str],
        images: ImagesConfig = ImagesConfig(),  # noqa: B008  # it is frozen
        limit: int | None = None,
        sheet: Path | None = None,
        all_names: Annotated[Flag, tyro.conf.arg(name="all")] = False,
        json: Flag = False,
        overwrite: Flag = False,
    ) -> None:
        """Look at every image of a data set: what is there, what is broken, what might surprise in training.

        Parameters
        ----------
        data : tyro.conf.Positional[str]
            Images, named as the data set to train on: a folder, a file, or a name on the hub.
        images : ImagesConfig
            How images are read, as in train.
        limit : int | None
            Look at this many images, spread over all splits; default: all.
        sheet : Path | None
            Also draw some images, spread over the classes, into this .png or .jpg file.
        all_names : Annotated[Flag, tyro.conf.arg(name='all')]
            Name all classes, formats, broken images and duplicates whose names were kept.
        json : Flag
            Print everything as JSON and nothing else.
        overwrite : Flag
            Replace the sheet's file.
        """
        from eigenstep.images import contact_sheet, inspect_images
        from eigenstep.record import atomic_write
        from eigenstep.terminal import progress_line

        if sheet is not None:
            _check_sheet(sheet, overwrite)
        options: dict[str, Any] = {"limit": limit, "tiles": sheet is not None}
        if json:
            found = inspect_images(data, images, **options)
        else:
            with progress_line("looking") as line:
                found = inspect_images(
                    data, images, lambda done, total: line.update(done, total, "images"), **options
                )
        if sheet is not None:
            picture = contact_sheet(found.tiles, _title(found), images.show)
            atomic_write(sheet, _encoded(picture, sheet))
        if json:
            print(json_format.dumps(found.as_json()))
            return
        _print(found, all_names)
        if sheet is not None:
            print(printable(f"sheet: {sheet}"))

    command.__name__ = "images"
    return command


def _images_in_short() -> None:
    """Look at every image of a data set: what is there, what is broken, what might surprise in training."""


def _check_sheet(path: Path, overwrite: bool) -> None:
    if path.suffix.lower() not in PICTURES:
        raise ValueError(f"expected a sheet's name that ends in {', '.join(PICTURES)}, got {path}")
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder; expected the name of a file to write")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; use --overwrite to replace it, or another --sheet")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}")


def _encoded(picture: Any, path: Path) -> bytes:
    import io

    content = io.BytesIO()
    if path.suffix.lower() == ".png":
        picture.save(content, "PNG", optimize=True)
    else:
        picture.save(content, "JPEG", quality=92, subsampling=0)
    return content.getvalue()


def _title(found: "Inspection") -> str:
    """What stands above the sheet."""
    shown = sum(tile.reason is None for line in found.tiles for tile in line)
    split = found.stored.split if found.stored else next(iter(found.splits)).name
    count = next((each.count for each in found.splits if each.name == split), 0)
    name = Path(found.data).name or found.data
    return f"{name}{f', {split}' if split else ''}: {shown} of {_images(count)}"


def _print(found: "Inspection", everything: bool) -> None:
    from rich.table import Table

    from eigenstep.terminal import console

    def tell(title: str, lines: Sequence[str], style: str = "") -> None:
        if lines:
            console.print(f"\n{title}", style="bold")
            for line in lines:
                table = Table.grid(padding=(0, 1, 0, 0))
                table.add_row("-", line, style=style)
                console.print(table)

    looked = sum(split.looked for split in found.splits)
    total = sum(split.count for split in found.splits)
    splits = f" in {len(found.splits)} splits" if len(found.splits) > 1 else ""
    console.print(f"{found.data}: {_images(total)}{splits}", style="bold", soft_wrap=True)
    if looked < total:
        console.print(
            f"{looked:,} of them, spread over all, were looked at (--limit); what follows is about these",
            style="yellow",
        )
    for split in found.splits[: None if everything else SPLITS]:
        console.print(
            f"\n{split.name}: {_images(split.count)}" if len(found.splits) > 1 else "", style="bold"
        )
        table = Table.grid(padding=(0, 2, 0, 0))
        for name, text in _rows(split, everything):
            table.add_row(f"  {name}", text)
        console.print(table)
    if not everything and len(found.splits) > SPLITS:
        console.print(f"\n{len(found.splits) - SPLITS} more splits (--all)")
    console.print(f"\n{_sum(found.counts)}", style="bold", soft_wrap=True)
    tell("Broken", list(_broken(found.splits, everything)), "red")
    tell("Passed over", _passed_over(found, everything))
    tell("Damaged files", found.damage[: None if everything else GROUPS], "red")
    tell("How it is laid out", found.notes)
    tell(*_duplicates(found.duplicates, found.splits, everything))
    if found.stored is not None:
        stored = [*_stored(found.stored), *found.stored.pixels.notes]
        tell("Training would store", stored + _too_few(found))
    if found.refusal is not None:
        tell("Training would refuse this", [found.refusal], "red")
    tell("What might surprise", found.advice, "yellow")


def _too_few(found: "Inspection") -> list[str]:
    """That there are fewer images than a batch, unless a smaller one is asked for."""
    from eigenstep.training import TrainConfig

    usual = TrainConfig().batch_size
    split = next((each for each in found.splits if found.stored and each.name == found.stored.split), None)
    if split is None or split.looked < split.count or split.used >= usual:
        return []
    return [
        f"{_images(split.used)}, and {usual} make a batch by default: set --batch-size {split.used} or less"
    ]


def _rows(split: "SplitInspection", everything: bool) -> Iterator[tuple[str, str]]:
    """What is known of a split, each with its name."""
    if split.classes:
        labelled = {name: count for name, count in split.classes.items() if name != "unlabelled"}
        counts = sorted(labelled.items(), key=lambda item: -item[1])
        missing = split.classes.get("unlabelled", 0)
        text = _some([f"{name} ({count:,})" for name, count in counts], CLASSES, everything)
        yield "classes", f"{len(labelled):,}: {text}{f'; {missing:,} unlabelled' if missing else ''}"
    else:
        yield "classes", "no labels"
    if split.sizes is None:
        yield "sizes", "no image can be used"
        return
    sizes, used = split.sizes, split.used
    if sizes.different == 1:
        yield "sizes", f"{_size(sizes.smallest)}, all"
    else:
        yield (
            "sizes",
            f"{_size(sizes.smallest)} to {_size(sizes.largest)}, median {_size(sizes.median)};"
            f" {sizes.different:,} different, width / height {sizes.narrowest:.2g} to {sizes.widest:.2g}",
        )
    yield "formats", _counted(dict(split.formats.most_common()), used, everything)
    yield "channels", _counted({str(name): n for name, n in split.channels.most_common()}, used, everything)
    kinds = {f"{dtype}, {_span(dtype, values)}": values.images for dtype, values in split.values.items()}
    yield "values", _counted(kinds, used, everything, "; ")
    others = {
        "with NaN or infinity": split.with_gaps,
        "of one value": split.constant,
        "grey in three equal channels": split.grey_in_colours,
        "with transparency": split.transparent,
        "of several pages": split.paged,
        "animated": split.animated,
    }
    told = [f"{count:,} {name}" for name, count in others.items() if count]
    if told:
        yield "of them", ", ".join(told)


def _span(dtype: str, values: "Values") -> str:
    import numpy as np

    if np.isnan(values.low):
        return "no finite value"
    span = f"{values.low:,.6g} to {values.high:,.6g}"
    kind = np.dtype(dtype)
    if kind.kind == "u" and kind.itemsize > 1:
        bits = max(int(values.high).bit_length(), 1)
        return f"{span} ({bits} of {8 * kind.itemsize} bits)"
    if kind.kind == "u" and values.high < np.iinfo(kind).max:
        return f"{span} of {np.iinfo(kind).max}"
    return span


def _sum(counts: dict[str, int]) -> str:
    parts = [
        f"{counts['used']:,} used",
        f"{counts['broken']:,} broken",
        f"{counts['passed_over']:,} passed over",
    ]
    if counts["not_looked_at"]:
        parts.append(f"{counts['not_looked_at']:,} not looked at")
    return f"{counts['found']:,} found = {' + '.join(parts)}"


def _broken(splits: Sequence["SplitInspection"], everything: bool) -> Iterator[str]:
    """A line for each reason, the most frequent first; or for each image."""
    reasons = dict[str, list[str]]()
    for split in splits:
        for name, reason in split.broken_names:
            reasons.setdefault(reason, []).append(name)
    for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
        if everything:
            yield from (f"{name}: {reason}" for name in names)
        else:
            yield f"{len(names):,}: {reason}: {_some(names, NAMES, False)}"
    if unnamed := sum(split.broken - len(split.broken_names) for split in splits):
        yield f"{unnamed:,} more, which are not named"


def _passed_over(found: "Inspection", everything: bool) -> list[str]:
    if not everything:
        return found.passed_over.lines()
    return [
        f"{passed.count:,} {reason}{': ' if passed.names else ''}{', '.join(passed.names)}"
        + (f" and {passed.count - len(passed.names):,} more" if 0 < len(passed.names) < passed.count else "")
        for reason, passed in found.passed_over.reasons.items()
    ]


def _duplicates(
    found: "Duplicates", splits: Sequence["SplitInspection"], everything: bool
) -> tuple[str, list[str], str]:
    """Title, lines and style."""
    others = "images that were resized or compressed anew are not looked for"
    if not found.groups:
        return "Duplicates", [f"no two images have the same pixels; {others}"], ""
    counts = {split.name: split.used for split in splits}
    lines = [
        f"LEAK: {shared.images:,} of {_images(counts[shared.split])} of {shared.split} are in"
        f" {shared.other} too"
        for shared in found.shared
    ]
    occur = "images occur" if found.groups > 1 else "image occurs"
    copies = f"{found.images:,} cop{'ies' if found.images > 1 else 'y'}"
    lines.append(
        f"{found.groups:,} {occur} more than once, equal pixel by pixel; {copies} could be left out; {others}"
    )
    if found.contradictory:
        lines.append(f"{found.contradictory:,} of these are in more than one class")
    named = found.named[: None if everything else GROUPS]
    lines += [_group(group, len(splits) > 1, everything) for group in named]
    if found.groups > len(named):
        why = ", which are not named" if everything else " (--all)"
        lines.append(f"{found.groups - len(named):,} more{why}")
    return "Duplicates", lines, "red" if found.shared or found.contradictory else "yellow"


def _group(group: Sequence["Member"], several: bool, everything: bool) -> str:
    """The names of equal images, with their splits and classes."""
    names = []
    for each in group:
        is_told = not several or each.name.startswith(f"{each.split}/")
        label = f" ({each.label})" if each.label else ""
        names.append(("" if is_told else f"{each.split}: ") + each.name + label)
    shown = names if everything else names[:NAMES]
    return " = ".join(shown if len(shown) == len(names) else [*shown, "..."])


def _stored(stored: "Stored") -> Iterator[str]:
    from eigenstep.machine import size_in_words

    pixels = stored.pixels
    is_told = any(note.startswith("values of") for note in pixels.notes)
    scale = (
        "" if pixels.range is None or is_told else f" ({pixels.range[0]:g} black, {pixels.range[1]:g} white)"
    )
    images = f"the images of {stored.split}" if stored.split else "all images"
    where = "are decoded once into memory" if stored.in_memory else "are decoded while training"
    yield (
        f"{stored.size}×{stored.size} pixels, {pixels.channels} channel{'s' * (pixels.channels != 1)} of"
        f" {pixels.dtype}{scale}; {images} take {size_in_words(stored.bytes)} and {where}"
    )


def _counted(counts: dict[str, int], used: int, everything: bool, between: str = ", ") -> str:
    """What there is, with numbers where there are several kinds."""
    if len(counts) == 1:
        return next(iter(counts))
    return _some([f"{name} ({count:,})" for name, count in counts.items()], FORMATS, everything, between)


def _some(texts: Sequence[str], most: int, everything: bool, between: str = ", ") -> str:
    if everything or len(texts) <= most:
        return between.join(texts)
    return f"{between.join(texts[:most])} and {len(texts) - most:,} more"


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
