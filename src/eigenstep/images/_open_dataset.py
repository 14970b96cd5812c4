"""Folders of images, of Parquet files or of tar shards and the Hugging Face hub, opened the same way."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from eigenstep.images._config import ImagesConfig
from eigenstep.spelling import nearest

HUB_NAMES = {"cifar10": "uoft-cs/cifar10"}


@dataclass(frozen=True)
class Source:
    """A data set that the `datasets` library knows how to read.

    Attributes
    ----------
    data : as the user named it
    place : its folder, or its name on the hub
    kind : "images" for image files, "tars" for WebDataset's shards, "tables" for Parquet and all else;
        what is on the hub is only asked for when it is needed, and "hub" until then
    """

    data: str
    place: str
    kind: Literal["images", "tars", "tables", "hub"]

    @cached_property
    def builder(self) -> Any:
        """The library's description of the data set: its files by split, and how they are read."""
        import datasets  # slow to import and not needed for the photographs

        with self.quiet():
            if self.kind in ("images", "tars"):
                module = {"images": "imagefolder", "tars": "webdataset"}[self.kind]
                return datasets.load_dataset_builder(module, data_dir=self.place)
            return datasets.load_dataset_builder(self.place)

    @property
    def selects_columns(self) -> bool:
        """Whether single columns can be read: Parquet's can."""
        return hasattr(self.builder.config, "columns")

    def is_read_in_order(self, config: ImagesConfig) -> bool:
        """Whether it has no random access: tar shards, and what is streamed from the hub."""
        return self.kind == "tars" or (self.kind == "hub" and config.stream == "always")

    def splits(self) -> list[str]:
        """The names of its splits."""
        return [str(name) for name in self.builder.config.data_files or self.load()]

    def files(self, split: str) -> list[str]:
        """The paths or addresses of a split's files."""
        return [str(path) for path in self.builder.config.data_files[self.check(split)]]

    def load(self, **options: Any) -> Any:
        """All splits, by name, as `datasets.load_dataset` gives them with these options."""
        import datasets

        with self.quiet():
            if self.kind == "images":
                return datasets.load_dataset("imagefolder", data_dir=self.place, **options)
            return datasets.load_dataset(self.place, **options)

    def check(self, split: str, splits: Any = None) -> str:
        """The split's name; raises ValueError if there is none such."""
        names = self.splits() if splits is None else list(splits)
        if split not in names:
            raise ValueError(
                f"{self.data} has no split {split!r}; set --images.split to one of {', '.join(names)}"
            )
        return split

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """The library shows no bars and logs nothing; what it raises becomes a ValueError of one line."""
        import datasets

        datasets.disable_progress_bars()
        verbosity = datasets.logging.get_verbosity()
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)
        try:
            yield
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            reason = " ".join(str(error).split())
            if self.kind != "hub":
                message = f"no images, Parquet files or tar shards could be read in the folder {self.data}"
            else:
                message = (
                    f"there is no folder {self.data}, and the Hugging Face hub gave no data set {self.place}"
                )
            raise ValueError(f"{message} ({reason})") from error
        finally:
            datasets.logging.set_verbosity(verbosity)


def find_source(data: str) -> Source:
    """What `data`, a folder or a name on the hub, as `TrainConfig.data`, stands for.

    Raises ValueError or FileNotFoundError in one line if it can be neither.
    """
    path = Path(data).expanduser()
    if path.is_dir():
        return Source(data, str(path), _folder_kind(data, path))
    if path.exists():
        raise ValueError(f"{data} is a file; expected a folder of images, of Parquet files or of tar shards")
    place = HUB_NAMES.get(data, data)
    if place.count("/") == 1 and not place.startswith((".", "/", "~")):
        return Source(data, place, "hub")
    if "/" in data or data.startswith("."):
        raise FileNotFoundError(f"there is no folder {data}")
    raise ValueError(
        f"unknown data set {data!r}: expected photos, cifar10, a folder, or OWNER/NAME on the hub."
        + nearest(data, ["photos", *HUB_NAMES])
    )


def find_test_split(data: str, config: ImagesConfig) -> str:
    """The split to test on: test or, where there is none, validation.

    Raises ValueError, naming the splits, if there is neither.
    """
    if data == "photos":
        raise ValueError("photos have no splits and no labels; set --probes.data to a labelled data set")
    splits = find_source(data).splits()
    for name in ("test", "validation"):
        if name in splits and name != config.split:
            return name
    raise ValueError(
        f"{data} has neither a test nor a validation split besides {config.split!r};"
        f" set --probes.test-split to one of {', '.join(splits)}"
    )


def _folder_kind(data: str, path: Path) -> Literal["images", "tars", "tables"]:
    """By its files: Parquet before images before tars; text and the like beside them do not matter."""
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

    names = [name for _, _, files in os.walk(path) for name in files]
    if not names:
        raise ValueError(f"{data} is an empty folder; expected images, Parquet files or tar shards in it")
    kinds = {Path(name).suffix.lower() for name in names if name[0] != "."}
    if ".parquet" in kinds:
        return "tables"
    if not kinds.isdisjoint(ImageFolder.EXTENSIONS):
        return "images"
    return "tars" if ".tar" in kinds else "tables"
