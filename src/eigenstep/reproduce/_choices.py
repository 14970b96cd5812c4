"""What is chosen for all experiments alike."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from eigenstep.images import ImagesConfig, is_photographs, load_images
from eigenstep.methods import METHODS
from eigenstep.record import RunRecord, atomic_remove, is_run, read_record
from eigenstep.training import TrainConfig

PHOTOS = "photos"
# The losses that the paper trains with, by their authors' names.
LOSSES = {name: METHODS[name].title for name in ("barlow_twins", "simclr", "vicreg")}


@dataclass(frozen=True)
class Choices:
    """Size, data and seed of the experiments.

    Attributes
    ----------
    size : Literal['small', 'medium', 'full']
        "small" for minutes on a CPU, "full" for the paper's sizes; "medium", of e2 alone, for the paper's
        network in hours on a CPU.
    data : str | None
        Images as `TrainConfig.data` names them; None: photographs' patches for small, else CIFAR-10 or
        STL-10 from the Hugging Face hub, as in the paper.
    threads : int
        CPU threads.
    seed : int
        Determines crops, initial weights and batches.

    Examples
    --------
    >>> Choices(size="small").size
    'small'
    """

    size: Literal["small", "medium", "full"] = "small"
    data: str | None = None
    threads: int = 2
    seed: int = 0

    @property
    def full(self) -> bool:
        return self.size == "full"

    def data_or(self, paper: str) -> str:
        """The data chosen, else those of the size."""
        return self.data or (PHOTOS if self.size == "small" else paper)

    @property
    def on_photographs(self) -> bool:
        """Whether the paper's CIFAR-10 is replaced by patches of photographs."""
        return is_photographs(self.data_or("cifar10"))

    def images(self, count: int, size: int) -> torch.Tensor:
        """The first images of the data, (n, C, size, size); of photographs patches of that size.

        Raises
        ------
        ValueError
            If there are fewer.
        """
        data = self.data_or("cifar10")
        images = load_images(data, ImagesConfig(size=size, patches=count, limit=count), self.seed).images
        if len(images) < count:
            raise ValueError(f"expected at least {count} images, got {len(images)} from {data}")
        return images


def check_training_images(config: TrainConfig) -> None:
    """Open the images of a training and read a batch of them.

    Notes
    -----
    Raises what `load_images` raises, ValueError if there are fewer.
    """
    if is_photographs(config.data):
        return
    limit = min(config.images.limit or config.batch_size, config.batch_size)
    read = load_images(config.data, dataclasses.replace(config.images, limit=limit), config.seed)
    count = len(read) + len(read.broken)  # of which training skips some, and takes others instead
    if count < config.batch_size:
        raise ValueError(f"expected at least {config.batch_size} images, got {count} from {config.data}")


def finished(run: Path) -> RunRecord | None:
    """The record of a run folder that is complete, or None."""
    if not is_run(run) or not (run / "summary.json").exists():
        return None
    record = read_record(run)
    return record if (record.summary or {}).get("state") == "finished" else None


def made_anew(run: Path) -> Path:
    """The same path, without what a killed process left half done there."""
    atomic_remove(run)
    return run
