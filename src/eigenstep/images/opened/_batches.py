"""What a data set gives to training: batches of images on the device, by step."""

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._pixels import COLOURS, Pixels
from eigenstep.images.sources import PassedOver
from eigenstep.images.stored import Statistics

# So many of what was left out are named.
NAMES = 20


@dataclass(frozen=True)
class Batch:
    """One step's images, as far as this process trains on them.

    Attributes
    ----------
    images : Tensor
        (b, C, S, S) of uint8, uint16 or float32, on the device; the whole range of the type is [0, 1].
    labels : Tensor | None
        int64 (b,), on the device; None where they were not asked for.
    """

    images: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class Sharing:
    """How steps draw from the data, and which part of it is this process's.

    Attributes
    ----------
    seed : int
        Determines the order of every epoch.
    batch_size : int
        B, images a step over all processes together.
    device : torch.device
        Where the batches go.
    rank, processes : int
        This process takes rows rank B / processes up to (rank + 1) B / processes of a batch.
    """

    seed: int
    batch_size: int
    device: torch.device
    rank: int = 0
    processes: int = 1

    @property
    def rows(self) -> slice:
        own = self.batch_size // self.processes
        return slice(self.rank * own, (self.rank + 1) * own)

    def generator(self, epoch: int) -> np.random.Generator:
        """What determines the order of an epoch: stream 0 of the seed's."""
        return np.random.default_rng([self.seed, 0, epoch])

    def check(self, count: int) -> None:
        """Raises ValueError if `count` images do not make a batch."""
        if self.batch_size > count:
            raise ValueError(
                f"batch_size {self.batch_size} is larger than the data set of {count} images;"
                " set a smaller --batch-size"
            )

    def orders(self, count: int, start: int) -> Iterator[tuple[int, np.ndarray]]:
        """From step `start` on: the epoch, and which of `count` images the whole batch (B,) consists of.

        Every epoch is a new order, its incomplete last batch is left out.
        """
        steps = count // self.batch_size
        epoch, position = divmod(start, steps)
        while True:
            order = self.generator(epoch).permutation(count)
            for step in range(position, steps):
                yield epoch, order[step * self.batch_size : (step + 1) * self.batch_size]
            epoch, position = epoch + 1, 0


class Images(ABC):
    """A data set opened for training.

    Attributes
    ----------
    count : int | None
        Images of an epoch; None where only reading to the end tells.
    classes : int | None
        Number of classes where labels were asked for, else None.
    waited : float
        Seconds that `batches` has kept its caller waiting.
    pixels : Pixels | None
        What its images consist of; None of tensors that are no images.
    has_pictures : bool
        Thumbnails can be made of what `probe` gives; not of tensors that are no images.
    """

    count: int | None
    classes: int | None
    waited: float
    pixels: Pixels | None
    has_pictures: bool = True

    def __init__(
        self, sharing: Sharing, count: int | None, classes: int | None, pixels: Pixels | None = COLOURS
    ) -> None:
        self.sharing = sharing
        self.pixels = pixels
        self.count = count
        self.classes = classes
        self.waited = 0.0

    def batches(self, start: int) -> Iterator[Batch]:
        """The batches of steps `start`, `start` + 1, ... without end.

        A step's batch depends on the seed and the step alone: not on `start`, nor on how many processes
        decode. The batches that several training processes get are together the one that one would get.

        Raises
        ------
        ValueError
            In one line for an image that cannot be decoded, if it is to be refused, and where nothing can be
            decoded.
        ChildProcessError
            If a process that decodes ended unexpectedly.
        """
        batches = self._batches(start)
        try:
            while True:
                began = time.perf_counter()
                batch = next(batches)
                self.waited += time.perf_counter() - began
                yield batch
        finally:
            batches.close()

    @abstractmethod
    def probe(self, n: int) -> Tensor:
        """At most `n` images spread evenly over the data set: (n', C, S, S), on the CPU.

        Of a data set that can only be read in order they are the first.
        """

    @abstractmethod
    def statistics(self) -> Statistics:
        """Mean and standard deviation of each channel, of values in [0, 1].

        Of all images that are in memory; of images that are decoded while training, of at most 1,024 spread
        evenly over the data set, or of its first ones where it can only be read in order. They are the same
        in all training processes.
        """

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """How many images were found, used, broken, enlarged, and how many places of files were damaged.

        The first 20 broken images are named with their reasons, and so are places with what is missing there,
        and files that were passed over. `with_gaps` counts images some of whose values are no finite numbers.
        `channels`, `dtype`, `range` and `notes` are those of `pixels`. `found` is None where only reading to
        the end tells.

        A data set that is decoded while training is counted over its first epoch, as far as this process
        has come in it.
        """

    @abstractmethod
    def joint_facts(self, facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The facts of all training processes, by rank, as those of one."""

    def state(self) -> dict[str, Any]:
        """What `restore` needs for facts that are those of a run that was not interrupted; JSON."""
        return {} if self.pixels is None else {"notes": list(self.pixels.notes)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on counting where the run that returned this `state` was; call it before `batches`."""
        if self.pixels is not None and "notes" in state:  # runs that are older do not know them
            self.pixels = dataclasses.replace(self.pixels, notes=tuple(state["notes"]))

    def close(self) -> None:  # noqa: B027
        """End the processes that decode. Iterators of `batches` must not be used any more."""

    @abstractmethod
    def _batches(self, start: int) -> Generator[Batch]: ...


def damage_facts(damage: Sequence[str]) -> dict[str, Any]:
    """What is missing of files, as part of `Images.facts`."""
    return {"damaged": len(damage), "damaged_names": list(damage[:NAMES])}


def source_facts(
    count: int | None, passed_over: PassedOver, pixels: Pixels | None, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """What was found, used or not, and what stored images consist of, as part of `Images.facts`.

    `notes` are told beside those of `pixels`.
    """
    consist = {} if pixels is None else _pixel_facts(pixels, notes)
    return consist | {
        "found": None if count is None else count + passed_over.count,
        "passed_over": {reason: passed.count for reason, passed in passed_over.reasons.items()},
        "passed_over_names": [
            f"{name} ({reason})" for reason, passed in passed_over.reasons.items() for name in passed.names
        ][:NAMES],
    }


def _pixel_facts(pixels: Pixels, notes: Sequence[str]) -> dict[str, Any]:
    return {
        "channels": pixels.channels,
        "dtype": pixels.dtype,
        "range": None if pixels.range is None else list(pixels.range),
        "notes": [*pixels.notes, *notes],
    }


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy on the device for which, on a GPU, nothing has to wait."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
