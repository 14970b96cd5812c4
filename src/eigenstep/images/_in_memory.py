"""A data set that is decoded once, into memory, and kept on the device where it fits."""

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._batches import NAMES, Batch, Images, Sharing, damage_facts, spread, to_device
from eigenstep.images._config import ImagesConfig
from eigenstep.images._decode import decode_squares, no_images
from eigenstep.images._find_source import find_source
from eigenstep.images._samples import Sample
from eigenstep.images._source import RandomAccess, Shards
from eigenstep.images._stored import check_memory

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
        uint8 (n, 3, size, size).
    broken : list[str]
        Names of the images that could not be decoded and were skipped.
    enlarged : int
        How many images were smaller than `size` and were enlarged.
    damage : list[str]
        Files that are damaged, with what is missing of them.
    """

    images: Tensor
    broken: list[str] = field(default_factory=list)
    enlarged: int = 0
    damage: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)


def load_images(
    data: str, config: ImagesConfig, seed: int = 0, progress: CountImages | None = None
) -> ImageSet:
    """Read the images that `data` names; see `TrainConfig.data`.

    Parameters
    ----------
    progress : CountImages | None
        Called now and then with the number of images done and the number in all.

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
    return read_images(opened, config, None if source.is_made else progress)[0]


def read_images(
    opened: RandomAccess | Shards, config: ImagesConfig, progress: CountImages | None = None
) -> tuple[ImageSet, np.ndarray]:
    """All images that can be decoded, and which they are: (n,) places in the data set."""
    size = config.stored_size or config.size
    data, total = opened.data, opened.count()
    check_memory(data, total, size, "use --images.stream auto, or set a smaller --images.limit")
    images = torch.empty((total, 3, size, size), dtype=torch.uint8)
    samples = _counted(opened.samples(), total, progress) if progress else opened.samples()
    refused_of = data if config.broken == "refuse" else None
    decoded = decode_squares(samples, images.numpy(), refused_of=refused_of)
    if not len(decoded.kept):
        raise ValueError(no_images(data, total, [*opened.damage, *decoded.broken_names]))
    kept = images[: len(decoded.kept)]
    found = ImageSet(kept, decoded.broken_names, decoded.enlarged, list(opened.damage))
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
        super().__init__(sharing, len(images), classes)
        self._set = images
        here = images.images.device
        place = sharing.device if _fits(images.images, sharing.device) else here
        self._images = images.images.to(place)
        self._labels = None if labels is None else torch.from_numpy(labels).to(place)

    def probe(self, n: int) -> Tensor:
        return self._set.images[torch.from_numpy(spread(n, len(self._set)))]

    def facts(self) -> dict[str, Any]:
        return {
            "used": len(self._set),
            "broken": len(self._set.broken),
            "broken_names": self._set.broken[:NAMES],
            "enlarged": self._set.enlarged,
            **damage_facts(self._set.damage),
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
            return tensor.index_select(0, to_device(rows, tensor.device))
        return to_device(tensor.index_select(0, rows), device)


def _fits(images: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    return images.nbytes <= DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]
