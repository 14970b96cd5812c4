"""What of a data set would surprise in training, each in a line that says what to do."""

from collections.abc import Iterator, Sequence

from eigenstep.images._config import ImagesConfig
from eigenstep.images._pixels import Pixels
from eigenstep.images.inspection._gathered import SplitInspection, Values
from eigenstep.images.stored import SMALL_PART, SPAN, own_range

# An image is much larger than what is stored if its shorter side is so many times as long, and the sizes are
# very different if the largest image's shorter side is so many times the smallest's.
MUCH_LARGER, VERY_DIFFERENT = 3, 8
# Grey images in three equal channels are a surprise where they are so large a part.
MOSTLY = 0.5


def surprises(splits: Sequence[SplitInspection], config: ImagesConfig, pixels: Pixels | None) -> list[str]:
    """Lines on all splits together; what the notes of `pixels` say is not said again.

    Parameters
    ----------
    pixels : Pixels | None
        What training would store; None where it would refuse the data.
    """
    lines = [*_of_sizes(splits, config), *_of_values(splits, pixels), *_of_kinds(splits, config, pixels)]
    for split in splits:
        labelled = {name: count for name, count in split.classes.items() if name != "unlabelled"}
        where = f" of {split.name}" if len(splits) > 1 else ""
        if len(labelled) == 1:
            lines.append(f"all labels{where} are one class, {next(iter(labelled))}: probes need two")
        if labelled and (missing := split.count - sum(labelled.values())) > 0:
            lines.append(f"without a label{where}, and left out by probes: {_of(missing, split.count)}")
    return lines


def _of_sizes(splits: Sequence[SplitInspection], config: ImagesConfig) -> Iterator[str]:
    size = config.stored_size or config.size
    option = "--images.size" if config.stored_size is None else "--images.stored-size"
    sizes = [split.sizes for split in splits if split.sizes is not None]
    used = sum(split.used for split in splits)
    if smaller := sum(each.smaller for each in sizes):
        yield f"smaller than the {size} pixels of {option}, and enlarged: {_of(smaller, used)}"
    median = min((min(each.median) for each in sizes), default=0)
    if median >= MUCH_LARGER * size:
        yield (
            f"the median image has {median} pixels on its shorter side and is stored with {size}; set"
            f" {option} to keep more"
        )
    if long := sum(each.long for each in sizes):
        yield (
            "with one side more than twice as long as the other, so that the middle square that is stored"
            f" leaves out more than half: {_of(long, used)}"
        )
    shorter = [min(side) for each in sizes for side in (each.smallest, each.largest)]
    if shorter and max(shorter) >= VERY_DIFFERENT * min(shorter):
        yield (
            f"the sizes are very different: shorter sides of {min(shorter)} to {max(shorter)} pixels become"
            f" {size}, so that things are seen at different scales"
        )


def _of_values(splits: Sequence[SplitInspection], pixels: Pixels | None) -> Iterator[str]:
    found = dict[str, Values]()
    for split in splits:
        for dtype, values in split.values.items():
            found[dtype] = values.joined(found[dtype]) if dtype in found else values
    notes = pixels.notes if pixels is not None else ()
    for dtype, values in found.items():
        if pixels is not None and pixels.range is not None:
            low, high = pixels.range
            if values.low < low or values.high > high:
                yield (
                    f"values of {dtype} are between {values.low:g} and {values.high:g}: those outside of"
                    f" {low:g} to {high:g} become black or white"
                )
        elif own_range(dtype) == (0, SPAN - 1) and values.high < SMALL_PART * SPAN:
            top = 2 ** max(int(values.high).bit_length(), 1) - 1
            if not any(f"--images.range 0 {top}" in note for note in notes):
                yield (
                    f"no value of uint16 is above {values.high:g} of 65535; if {top} is white, set"
                    f" --images.range 0 {top}"
                )


def _of_kinds(
    splits: Sequence[SplitInspection], config: ImagesConfig, pixels: Pixels | None
) -> Iterator[str]:
    def total(name: str) -> int:
        return sum(getattr(split, name) for split in splits)

    used = total("used")
    notes = pixels.notes if pixels is not None else ()
    if constant := total("constant"):
        yield f"of one value everywhere, with nothing to learn from: {_of(constant, used)}"
    if (gaps := total("with_gaps")) and not any("NaN" in note for note in notes):
        yield f"with NaN or infinite values, which become the lowest and the highest: {_of(gaps, used)}"
    if (grey := total("grey_in_colours")) > MOSTLY * used:
        advice = "" if config.channels == 1 else "; --images.channels 1 takes a third of the memory"
        yield f"grey in three equal channels{advice}: {_of(grey, used)}"
    if transparent := total("transparent"):
        yield f"with an alpha channel or a transparent colour, and laid on white: {_of(transparent, used)}"
    if (paged := total("paged")) and config.pages == "channels":
        yield (
            "in files of several pages, which are channels of one image unless --images.pages images is set:"
            f" {_of(paged, used)}"
        )
    if animated := total("animated"):
        yield f"animated, only the first frame is read: {_of(animated, used)}"


def _of(count: int, total: int) -> str:
    images = f"{total:,} image{'s' * (total != 1)}"
    return f"all {images}" if count == total > 1 else f"{count:,} of {images}"
