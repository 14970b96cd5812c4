"""Which channels of an image are used, and how many they become."""

from collections import Counter

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images._pixels import Pixels

# ITU-R BT.601, as in Pillow's mode L and torchvision's greys.
LUMA = (0.299, 0.587, 0.114)


def check_channels(config: ImagesConfig) -> None:
    """Raises ValueError if the options contradict each other."""
    take, channels = config.take, config.channels
    if any(each < 1 for each in take):
        raise ValueError(f"expected --images.take to count channels from 1, got {','.join(map(str, take))}")
    if channels is not None and channels < 1:
        raise ValueError(f"expected --images.channels to be at least 1, got {channels}")
    if take and channels is not None and not _fits(len(take), channels):
        raise ValueError(
            f"expected --images.channels to be as many as --images.take names, {len(take)}, got {channels}"
        )


def find_channels(data: str, counts: Counter[int], config: ImagesConfig) -> tuple[int, list[str]]:
    """How many channels stored images have, and what is to be told of it.

    As `config` says; else as many as all images have, 3 where some have colours and others are grey.

    Parameters
    ----------
    counts : Counter[int]
        How many images have how many channels, as they are in their files.

    Raises
    ------
    ValueError
        With the counts, if the images differ otherwise, or if none has the channels that are asked for.
    """
    _refuse_all(data, counts, config)
    if config.channels is not None or config.take:
        return config.channels or len(config.take), []
    if set(counts) == {1, 3}:
        told = f"{counts[1]} of {counts.total()} images looked at are grey and are taken as colours of three"
        return 3, [f"{told} equal channels; set --images.channels 1 to make greys of all"]
    if len(counts) > 1:
        words = ", ".join(f"{count} of {channels}" for channels, count in sorted(counts.items()))
        raise ValueError(
            f"{data}: its images differ in their channels ({words}); set --images.channels to the number that"
            " is wanted, so that the others count as broken, or --images.take to channels that all have"
        )
    return next(iter(counts), Pixels.channels), []


def _refuse_all(data: str, counts: Counter[int], config: ImagesConfig) -> None:
    """Raises ValueError if images were looked at of which none can be used."""
    words = " or ".join(map(str, sorted(counts)))
    if config.take and counts and max(config.take) > max(counts):
        raise ValueError(
            f"{data}: --images.take asks for channel {max(config.take)} of images that have {words}"
        )
    wanted = config.channels
    if wanted is None or config.take or not counts or any(_fits(found, wanted) for found in counts):
        return
    more = max(counts) > wanted
    advice = "choose channels with --images.take" if more else "set --images.channels, or give other images"
    raise ValueError(f"{data}: expected images of {_words(wanted)}, got images of {words}; {advice}")


def taken(pixels: np.ndarray, config: ImagesConfig) -> np.ndarray:
    """Those of the channels (H, W, C) that are used; raises ValueError if one is not there.

    Examples
    --------
    >>> taken(np.zeros((2, 2, 12), np.uint8), ImagesConfig(take=(4, 3, 2))).shape
    (2, 2, 3)
    """
    if not config.take:
        return pixels
    if max(config.take) > pixels.shape[2]:
        raise ValueError(f"it has {_words(pixels.shape[2])}, and --images.take asks for {max(config.take)}")
    return pixels[..., [each - 1 for each in config.take]]


def with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Pixels (H, W, c) as (H, W, channels).

    Grey is repeated where there are to be three; three become one by luma, 0.299 R + 0.587 G + 0.114 B,
    rounded for whole numbers.

    Raises
    ------
    ValueError
        For other numbers that differ.

    Examples
    --------
    >>> with_channels(np.zeros((2, 2, 1), np.uint8), 3).shape
    (2, 2, 3)
    """
    found = pixels.shape[2]
    if found == channels:
        return pixels
    if not _fits(found, channels):
        raise ValueError(f"it has {_words(found)}, expected {channels}")
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    luma = pixels @ np.array(LUMA)
    luma = np.rint(luma) if pixels.dtype.kind in "ui" else luma
    return luma.astype(np.float32 if pixels.dtype.kind == "b" else pixels.dtype)[..., None]


def _fits(found: int, wanted: int) -> bool:
    return found == wanted or (found, wanted) in ((1, 3), (3, 1))


def _words(count: int) -> str:
    return f"{count} channel{'s' * (count != 1)}"
