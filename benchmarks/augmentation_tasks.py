"""Images with labels of several kinds that want different augmentations, for `augmentation_ranking.py`.

| images | labels |
| --- | --- |
| `cifar10`: CIFAR-10, 32 px | class; colour, the name of the dominant hue |
| `cifar10-sides`: half a photograph beside a coarsened half of another | side, of the sharp half; its class |
| `imagenette`: Imagenette, 64 px | class; colour |
| `objects`: `drawn_objects.py`, 32 px | hue, shape, orientation, size, place |
| `fashion`: Fashion-MNIST, Debian's `dataset-fashion-mnist`, held back to the end | class |
"""

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from drawn_objects import draw
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from eigenstep.images import ImagesConfig, load_labelled

# Of the images, in random order: tested on, and of the others those that probes are fitted to.
TESTED, FITTED = 4_000, 8_000
DRAWN = 14_000
HELD_BACK = "fashion"
# Hues from so many degrees on; below that share of chroma an image is grey.
COLOURS = {"red": 265, "orange": 20, "yellow": 48, "green": 75, "blue": 170}
GREY = 0.10


class Missing(Exception):
    """Why there are no such images here."""


@dataclass(frozen=True)
class Pictures:
    """Images (n, C, S, S) uint8 in random order, the first `held` of them held out, and labels by name."""

    name: str
    images: Tensor
    labels: dict[str, Tensor]
    held: int

    @property
    def trained(self) -> Tensor:
        return self.images[self.held :]


def load_pictures(name: str, data: Path, kept: Path, limit: int | None = None) -> Pictures:
    """The images of a task, at most so many, read once and then `kept` in a folder; raises `Missing`."""
    path = kept / f"{name}.pt"
    if not path.exists():
        kept.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}")
        torch.save(SOURCES[name](data), aside)
        aside.rename(path)
    images, labels = torch.load(path)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:limit]
    held = min(TESTED, len(order) // 4)
    return Pictures(name, images[order], {kind: each[order] for kind, each in labels.items()}, held)


def cifar10(data: Path) -> tuple[Tensor, dict[str, Tensor]]:
    images, classes = _read(data / "cifar10", 32)
    return images, {"class": classes, "colour": colour_names(images)}


def imagenette(data: Path) -> tuple[Tensor, dict[str, Tensor]]:
    images, classes = _read(data / "imagenette96", 64)
    return images, {"class": classes, "colour": colour_names(images)}


def sides(data: Path) -> tuple[Tensor, dict[str, Tensor]]:
    """The middle half of a photograph, left or right of that of another one, coarsened eightfold."""
    images, classes = _read(data / "cifar10", 32)
    rng = torch.Generator().manual_seed(1)
    right = torch.randint(2, (len(images),), generator=rng)
    half = images[:, :, :, 8:24]
    shift = int(torch.randint(1, len(images), (), generator=rng))
    coarse = interpolate(avg_pool2d(half.roll(shift, 0).float(), 8), scale_factor=8.0).round().to(torch.uint8)
    pasted = [torch.cat(pair, dim=3) for pair in ((half, coarse), (coarse, half))]
    chosen = (right == 1)[:, None, None, None]
    return torch.where(chosen, pasted[1], pasted[0]), {"side": right, "class": classes}


def objects(data: Path) -> tuple[Tensor, dict[str, Tensor]]:
    pictures, labels = draw(DRAWN)
    return torch.from_numpy(pictures), {name: torch.from_numpy(each) for name, each in labels.items()}


def fashion(data: Path) -> tuple[Tensor, dict[str, Tensor]]:
    places = [data, *Path("/usr/share").glob("*fashion-mnist*"), Path("/usr/share/datasets")]
    found = [path for place in places for path in place.rglob("*train-images-idx3-ubyte*")]
    if not found:
        raise Missing("there is no Fashion-MNIST; install Debian's dataset-fashion-mnist")
    paths = found[0], found[0].with_name(found[0].name.replace("images-idx3", "labels-idx1"))
    pixels, classes = (_bytes(path) for path in paths)
    images = torch.from_numpy(pixels[16:].reshape(-1, 1, 28, 28).copy())
    return images, {"class": torch.from_numpy(classes[8:].astype(np.int64))}


def colour_names(images: Tensor) -> Tensor:
    """(n,) the hue with the most chroma in an image, by `COLOURS`, or grey, the last number."""
    names = []
    starts = torch.tensor([float(each) for each in COLOURS.values()])
    for block in images.split(2000):
        red, green, blue = (block.float() / 255).unbind(1)
        chroma = block.amax(1).sub(block.amin(1)).float() / 255
        hue = torch.rad2deg(torch.atan2(3**0.5 * (green - blue), 2 * red - green - blue)) % 360
        # The last start that is not above the hue; below the lowest one the circle has come round.
        order = starts.argsort()
        place = (torch.bucketize(hue, starts[order], right=True) - 1) % len(starts)
        number = order[place]
        weights = torch.stack([(chroma * (number == each)).sum((1, 2)) for each in range(len(starts))], 1)
        named = weights.argmax(1)
        names.append(torch.where(chroma.mean((1, 2)) < GREY, len(starts), named))
    return torch.cat(names)


def _read(data: Path, size: int) -> tuple[Tensor, Tensor]:
    if not data.is_dir():
        raise Missing(f"there is no folder {data}")
    found = load_labelled(str(data), ImagesConfig(size=size), "train", None)
    return found.images, torch.as_tensor(found.labels).long()


def _bytes(path: Path) -> np.ndarray:
    content = path.read_bytes()
    return np.frombuffer(gzip.decompress(content) if path.suffix == ".gz" else content, np.uint8)


SOURCES: dict[str, Callable[[Path], tuple[Tensor, dict[str, Tensor]]]] = {
    "cifar10": cifar10,
    "cifar10-sides": sides,
    "imagenette": imagenette,
    "objects": objects,
    HELD_BACK: fashion,
}
