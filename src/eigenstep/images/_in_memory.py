"""A data set that was decoded once, on the device where it fits."""

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._batches import Batch, Images, Sharing, spread, to_device
from eigenstep.images._images import ImageSet

# Of a GPU's free memory: the network and its activations need the rest.
DEVICE_SHARE = 0.5


class ImagesInMemory(Images):
    """Images and labels as tensors.

    On a GPU that has no room for them they stay in the machine's memory, and every batch goes through a
    pinned copy of its own, so that nothing waits for it: pinning all of them would take memory that the
    system cannot use otherwise.

    Parameters
    ----------
    images : decoded
    labels : int64 (n,), of these images, or None
    classes : how many there are, or None
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
            "broken_names": self._set.broken[:20],
            "enlarged": self._set.enlarged,
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
