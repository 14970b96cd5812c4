"""What the images of a data set are, by a look at some of them: channels, depth, what is black and white."""

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images._pixels import Pixels
from eigenstep.images.decoding import Record
from eigenstep.images.sources import RandomAccess, Shards
from eigenstep.images.stored._channels import check_channels, find_channels
from eigenstep.images.stored._looks import Looks
from eigenstep.images.stored._scale import SPAN, stored_dtype
from eigenstep.images.stored._spread import spread

# So many images are looked at, and so many where the options leave only the depth open.
SAMPLE, FEW = 256, 32
# 16-bit images that use less of their type than this are told.
SMALL_PART = 1 / 4


def find_pixels(opened: RandomAccess | Shards, config: ImagesConfig) -> Pixels:
    """What the stored images of a data set consist of; the same wherever it is asked.

    At most 256 images are looked at, spread over the data set, or its first ones where it can only be read in
    order; of 8-bit pictures only their headers. They are stored as uint8 if all have 8 bits or fewer, as
    uint16 if all have whole numbers whose range is at most 65,536 values, else as float32.

    Raises
    ------
    ValueError
        If the images differ in their channels and the options do not say how many there are to be, or if
        options contradict each other.

    Examples
    --------
    >>> from eigenstep.images import find_source
    >>> config = ImagesConfig(size=8, patches=64)
    >>> find_pixels(find_source("photos").open(config), config).channels
    3
    """
    check_channels(config)
    asked = _asked_range(config)
    count = FEW if config.channels is not None and asked is not None else SAMPLE
    found = Looks(config)
    for record in _sample(opened, count):
        found.look(record)
    channels, notes = find_channels(opened.data, found.channels, config)
    value_range, more = _range(found, config, asked)
    return Pixels(
        channels,
        stored_dtype(found.dtypes, value_range),
        value_range,
        (*opened.notes, *notes, *more, *found.notes()),
    )


def _sample(opened: RandomAccess | Shards, count: int) -> Iterator[Record]:
    """Records spread over a data set, or its first; one at a time, so that no more is in memory."""
    if isinstance(opened, Shards):
        yield from (sample.record for sample in islice(opened.samples(), count))
        return
    for row in spread(count, opened.count()).tolist():
        yield opened.records([row])[0]


def _asked_range(config: ImagesConfig) -> tuple[float, float] | None:
    """The values that `config.range` names, if it names values; raises ValueError if these do not ascend."""
    asked = config.range
    if asked is None:
        return None
    low, high = (float(each) for each in asked[-2:])
    is_percentile = len(asked) == 3
    within = low >= 0 and high <= 100 if is_percentile else math.isfinite(low) and math.isfinite(high)
    if not within or low >= high:
        what = "percentile and two ascending percentages" if is_percentile else "two ascending numbers"
        raise ValueError(f"expected --images.range to be {what}, got {' '.join(map(str, asked))}")
    return None if is_percentile else (low, high)


def _range(
    found: Looks, config: ImagesConfig, asked: tuple[float, float] | None
) -> tuple[tuple[float, float] | None, list[str]]:
    """The values that become 0 and 1, None if the files' types say them, and what is to be told of them."""
    total = found.dtypes.total()
    if asked is not None:
        return asked, []
    if found.values and config.range is not None:
        low, high = np.percentile(np.concatenate(found.values), config.range[-2:]).tolist()
        return _apart(low, high), [
            f"values of {low:g} and {high:g} become black and white: the percentiles {config.range[-2]:g} and"
            f" {config.range[-1]:g} of {total} images looked at"
        ]
    if config.range is None and _are_shares(found):
        return (0.0, 1.0), [
            f"all values of {total} images looked at are between 0 and 1, which become black and white;"
            " set --images.range LOW HIGH, or percentile LOW HIGH, to say otherwise"
        ]
    if config.range is None and found.open_low <= found.open_high:
        low, high = found.open_low, found.open_high
        return _apart(low, high), [
            f"values of {low:g} and {high:g} become black and white: the lowest and the highest of {total}"
            " images looked at; set --images.range LOW HIGH, or percentile LOW HIGH, to say otherwise"
        ]
    if "uint16" in found.dtypes and found.high16 < SMALL_PART * SPAN:
        top = 2 ** max(int(found.high16).bit_length(), 1) - 1
        return None, [
            f"no value of {total} images looked at is above {found.high16:g} of the 65535 that 16 bits can"
            f" say; if {top} is white, set --images.range 0 {top}"
        ]
    return None, []


def _are_shares(found: Looks) -> bool:
    """Whether all numbers with a point lie between 0 and 1, as most programs write them."""
    has_floats = any(np.dtype(name).kind == "f" for name in found.dtypes)
    return has_floats and found.open_low >= 0 and found.open_high <= 1


def _apart(low: float, high: float) -> tuple[float, float]:
    """Where all values are one, it becomes 0."""
    return (low, high) if high > low else (low, low + 1)
