"""The folder that TensorBoard's projector reads: vectors, what is known of each, a sheet of pictures."""

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from eigenstep.export._columns import Columns
from eigenstep.export._thumbnails import png
from eigenstep.record import Owner, part_file, write_part

# What the projector asks its server for: of more points the last ones would not be shown.
MOST_POINTS = 100_000
# Pixels of a side of the largest sheet of pictures that it takes.
LARGEST_SHEET = 8192
CONFIG, METADATA, SPRITES = "projector_config.pbtxt", "metadata.tsv", "sprite.png"
TENSORS = ("features", "embedding")

PROJECTORS = Owner(
    (CONFIG, METADATA, SPRITES, *(f"{name}.bytes" for name in TENSORS)),
    made=lambda out: (out / CONFIG).is_file(),
    occupied="{out} exists; use --overwrite to replace it, or another --out",
    foreign="{out} exists and is no folder of the projector; use another --out",
    mixed="{out} exists and holds more than the projector's files ({others}); use another --out",
    is_taken=Path.exists,
)


class ProjectorFolder:
    """Writes a folder of the projector block by block; it is whole after `finish`.

    Parameters
    ----------
    count : int
        Rows to come, at most.
    """

    def __init__(self, folder: Path, count: int, files: ExitStack) -> None:
        self.folder = folder
        self.columns = math.ceil(math.sqrt(count))
        self.tensors = {name: files.enter_context(part_file(folder / f"{name}.bytes")) for name in TENSORS}
        self.metadata: IO[bytes] = files.enter_context(part_file(folder / METADATA))
        self.sheet = np.zeros((0, 0, 3), np.uint8)
        self.tile = self.count = 0
        self.dimensions = dict.fromkeys(TENSORS, 0)

    def write(self, block: Columns) -> None:
        for name, file in self.tensors.items():
            rows = getattr(block, name)
            self.dimensions[name] = rows.shape[1]
            file.write(np.ascontiguousarray(rows, "<f4").tobytes())
        known = _metadata(block)
        if not self.count:
            self.metadata.write(_line(known))
        for values in zip(*known.values(), strict=True):
            self.metadata.write(_line(values))
        if block.thumbnails is not None:
            for place, picture in enumerate(block.thumbnails, self.count):
                self._draw(place, picture)
        self.count += len(block.index)

    def finish(self) -> None:
        """Write the pictures and the description, by which a folder counts as the projector's."""
        if self.tile:
            rows = math.ceil(self.count / self.columns)
            write_part(self.folder / SPRITES, png(self.sheet[: rows * self.tile]))
        write_part(self.folder / CONFIG, "".join(map(self._described, TENSORS)))

    def _draw(self, place: int, picture: np.ndarray) -> None:
        if not self.tile:
            self.tile = min(picture.shape[0], LARGEST_SHEET // self.columns)
            side = self.columns * self.tile
            self.sheet = np.zeros((side, side, 3), np.uint8)
        if picture.shape[0] > self.tile:
            size = (self.tile, self.tile)
            picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
        row, column = divmod(place, self.columns)
        top, left = row * self.tile, column * self.tile
        self.sheet[top : top + self.tile, left : left + self.tile] = picture

    def _described(self, name: str) -> str:
        """An entry of `ProjectorConfig`, as tensorboard/plugins/projector/projector_config.proto has it."""
        lines = [
            f'tensor_name: "{name}"',
            f'tensor_path: "{name}.bytes"',
            f"tensor_shape: {self.count}",
            f"tensor_shape: {self.dimensions[name]}",
            f'metadata_path: "{METADATA}"',
        ]
        if self.tile:
            size = f"single_image_dim: {self.tile} single_image_dim: {self.tile}"
            lines.append(f'sprite {{ image_path: "{SPRITES}" {size} }}')
        return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


@contextmanager
def projector_folder(folder: Path, count: int) -> Iterator[ProjectorFolder]:
    """A folder that is still aside, to write rows to; on leaving without an error it is whole."""
    with ExitStack() as files:
        writer = ProjectorFolder(folder, count, files)
        yield writer
    writer.finish()


def check_points(count: int) -> None:
    """Raise a ValueError in one line for more points than the projector shows."""
    if count > MOST_POINTS:
        raise ValueError(
            f"TensorBoard's projector shows {MOST_POINTS:,} points at most, got {count:,} images; set --limit"
            f" {MOST_POINTS}, or use another viewer"
        )


def _metadata(block: Columns) -> dict[str, list[object]]:
    """Columns of what is known; the first one of words is what the projector labels points by."""
    known: dict[str, list[object]] = {}
    if block.class_name is not None:
        known["class"] = [name or "none" for name in block.class_name]
    if block.label is not None:
        known["label"] = block.label.tolist()
    known["index"] = block.index.tolist()
    known["image"] = [path or f"image {place}" for path, place in zip(block.path, block.index, strict=True)]
    return known | {name: [f"{each:.6g}" for each in scores] for name, scores in block.by_mode.items()}


def _line(values: Iterable[object]) -> bytes:
    """Values apart by tabs; a tab or a new line in a name is a space."""
    return ("\t".join(" ".join(re.split(r"[\t\r\n]", str(each))) for each in values) + "\n").encode()
