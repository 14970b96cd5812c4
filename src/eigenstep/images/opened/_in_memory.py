"""A data set that is decoded once, into memory, and kept on the device where it fits."""

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._config import ImagesConfig
from eigenstep.images._memory import check_memory
from eigenstep.images._pixels import COLOURS, Pixels
from eigenstep.images.decoding import no_images
from eigenstep.images.opened._batches import (
    NAMES,
    Batch,
    Images,
    Sharing,
    damage_facts,
    source_facts,
    to_device,
)
from eigenstep.images.sources import PassedOver, RandomAccess, Sample, Shards, Source, find_source
from eigenstep.images.stored import (
    Statistics,
    StoredFormat,
    channel_statistics,
    decode_squares,
    find_pixels,
    spread,
)

# Is called with the number of images done and the number in all.
CountImages = Callable[[int, int], None]

# Of a GPU's free memory: the network and its activations need the rest.
DEVICE_SHARE = 0.5


@dataclass(frozen=True)
class ImageSet:
    """Images of one size, with what happened while they were read.

    Attributes
    ----------
    images : Tensor
        (n, C, size, size), see `pixels`.
    broken : list[str]
        Names of the images that could not be decoded and were skipped, each with its reason.
    enlarged : int
        How many images were smaller than `size` and were enlarged.
    damage : list[str]
        Files that are damaged, with what is missing of them.
    with_gaps : int
        How many images have values that are no finite numbers.
    pixels : Pixels | None
        What the images consist of; None of tensors that are no images.
    passed_over : PassedOver
        Files that were found beside the images.
    notes : list[str]
        What some lost because they are unlike the images that were looked at.
    """

    images: Tensor
    broken: list[str] = field(default_factory=list)
    enlarged: int = 0
    damage: list[str] = field(default_factory=list)
    with_gaps: int = 0
    pixels: Pixels | None = COLOURS
    passed_over: PassedOver = field(default_factory=PassedOver)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)


def load_images(
    data: str | Source,
    config: ImagesConfig,
    seed: int = 0,
    progress: CountImages | None = None,
    pixels: Pixels | None = None,
) -> ImageSet:
    """Read the images that `data` names; see `TrainConfig.data`.

    Parameters
    ----------
    progress : CountImages | None
        Called now and then with the number of images done and the number in all.
    pixels : Pixels | None
        What the images are to consist of; default: what a look at them tells.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line if the name is unknown, the folder holds no images, the column or split does not exist,
        the images would not fit into memory, or what is broken is to be refused by `config.broken`.

    Examples
    --------
    >>> load_images("photos", ImagesConfig(size=32, patches=10)).images.shape
    torch.Size([10, 3, 32, 32])
    """
    source = find_source(data)
    opened = source.open(dataclasses.replace(config, stream="never"), seed)
    stored = StoredFormat(config, pixels or find_pixels(opened, config))
    return read_images(opened, stored, None if source.is_made else progress)[0]


def read_images(
    opened: RandomAccess | Shards, stored: StoredFormat, progress: CountImages | None = None
) -> tuple[ImageSet, np.ndarray]:
    """All images that can be decoded, and which they are: (n,) places in the data set."""
    config, pixels = stored.config, stored.pixels
    data, total = opened.data, opened.count()
    advice = "use --images.stream auto, or set a smaller --images.limit"
    check_memory(data, total, stored.size, advice, pixels)
    room = stored.room(total)
    samples = _counted(opened.samples(), total, progress) if progress else opened.samples()
    refused_of = data if config.broken == "refuse" else None
    decoded = decode_squares(samples, room, stored, refused_of=refused_of)
    if not len(decoded.kept):
        raise ValueError(no_images(data, total, [*opened.damage, *decoded.broken_names]))
    found = ImageSet(
        torch.from_numpy(decoded.images),
        decoded.broken_names,
        decoded.enlarged,
        list(opened.damage),
        decoded.with_gaps,
        pixels,
        opened.passed_over,
        decoded.notes,
    )
    return found, decoded.kept


def _counted(samples: Iterable[Sample], total: int, progress: CountImages) -> Iterator[Sample]:
    for index, sample in enumerate(samples):
        if index % 500 == 0 or index + 1 == total:
            progress(index + 1, total)
        yield sample


class ImagesInMemory(Images):
    """Images and labels as tensors.

    On a GPU that has no room for them they stay in the machine's memory, and every batch goes through a
    pinned copy of its own, so that nothing waits for it: pinning all of them would take memory that the
    system cannot use otherwise.

    Parameters
    ----------
    images : ImageSet
        Decoded.
    labels : np.ndarray | None
        int64 (n,), of these images, or None.
    classes : int | None
        How many there are, or None.
    """

    def __init__(
        self,
        images: ImageSet,
        sharing: Sharing,
        labels: np.ndarray | None = None,
        classes: int | None = None,
    ) -> None:
        sharing.check(len(images))
        super().__init__(sharing, len(images), classes, images.pixels)
        self._set = images
        here = images.images.device
        place = sharing.device if _fits(images.images, sharing.device) else here
        self._images = images.images.to(place)
        self._labels = None if labels is None else torch.from_numpy(labels).to(place)

    def probe(self, n: int) -> Tensor:
        rows = torch.from_numpy(spread(n, len(self._set)))
        return index_rows(self._set.images, rows)

    def statistics(self) -> Statistics:
        return channel_statistics([self._set.images.numpy()])

    def facts(self) -> dict[str, Any]:
        return {
            "used": len(self._set),
            "broken": len(self._set.broken),
            "broken_names": self._set.broken[:NAMES],
            "enlarged": self._set.enlarged,
            "with_gaps": self._set.with_gaps,
            **damage_facts(self._set.damage),
            **source_facts(
                len(self._set) + len(self._set.broken),
                self._set.passed_over,
                self.pixels,
                self._set.notes,
            ),
        }

    def joint_facts(self, facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return facts[0]  # every process has read all images

    def _batches(self, start: int) -> Generator[Batch]:
        device = self.sharing.device
        for _, order in self.sharing.orders(len(self._set), start):
            rows = torch.from_numpy(np.ascontiguousarray(order[self.sharing.rows]))
            yield Batch(
                self._take(self._images, rows, device),
                None if self._labels is None else self._take(self._labels, rows, device),
            )

    def _take(self, tensor: Tensor, rows: Tensor, device: torch.device) -> Tensor:
        if tensor.device.type == device.type:
            return index_rows(tensor, to_device(rows, tensor.device))
        return to_device(index_rows(tensor, rows), device)


def index_rows(tensor: Tensor, rows: Tensor) -> Tensor:
    """Rows of a tensor; of uint16, for which torch has few kernels, by what has the same bits."""
    if tensor.dtype == torch.uint16:
        return tensor.view(torch.int16).index_select(0, rows).view(torch.uint16)
    return tensor.index_select(0, rows)


def _fits(images: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    return images.nbytes <= DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]
