"""Folders of images, folders of Parquet files and the Hugging Face hub, opened the same way."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from eigenstep.training._config import ImagesConfig, nearest

HUB_NAMES = {"cifar10": "uoft-cs/cifar10"}


def open_dataset(data: str, config: ImagesConfig) -> tuple[int, Iterable[dict[str, Any] | None]]:
    """The number of images that `data` names, and their undecoded records.

    A record is `{"bytes": the encoded image or None, "path": where it is or was, or None}`, or None where
    the data set has no image in that row. `data` is a folder or a name on the hub, as `TrainConfig.data`.

    Raises ValueError or FileNotFoundError in one line if it cannot be opened so.
    """
    import datasets  # slow to import and not needed for the photographs

    column = datasets.Image(decode=False)
    table = _load_split(data, config.split)
    columns = [name for name, kind in table.features.items() if _holds_images(kind)]
    name = config.column or (columns[0] if len(columns) == 1 else None)
    if not columns:
        raise ValueError(f"{data} has no column of images; its columns are {', '.join(table.features)}")
    if name not in columns:
        raise ValueError(
            f"{data}: expected --images.column to name one of its image columns ({', '.join(columns)}),"
            f" got {config.column}"
        )
    table = table.select_columns([name]).cast_column(name, column)
    if config.limit is not None:
        table = table.select(range(min(config.limit, len(table))))
    return len(table), (row[name] for row in table)


def _holds_images(kind: Any) -> bool:
    """Images, also where a Parquet file was written again without the data set's own description."""
    import datasets

    return isinstance(kind, datasets.Image) or (isinstance(kind, dict) and set(kind) == {"bytes", "path"})


def _load_split(data: str, split: str) -> Any:
    import datasets

    source = _source(data)
    images = _is_image_folder(source)
    datasets.disable_progress_bars()
    verbosity = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # the error below says it in one line
    try:
        splits = (
            datasets.load_dataset("imagefolder", data_dir=source) if images else datasets.load_dataset(source)
        )
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())
        if Path(source).is_dir():
            message = f"no images or Parquet files could be read in the folder {data}"
        else:
            message = f"there is no folder {data}, and the Hugging Face hub gave no data set {source}"
        raise ValueError(f"{message} ({reason})") from error
    finally:
        datasets.logging.set_verbosity(verbosity)
    if split not in splits:
        raise ValueError(f"{data} has no split {split!r}; set --images.split to one of {', '.join(splits)}")
    return splits[split]


def _is_image_folder(source: str) -> bool:
    """Whether there are images as files, and no Parquet: then text and tables beside them do not matter."""
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

    kinds = {Path(name).suffix.lower() for _, _, names in os.walk(source) for name in names if name[0] != "."}
    return ".parquet" not in kinds and not kinds.isdisjoint(ImageFolder.EXTENSIONS)


def _source(data: str) -> str:
    """A folder or a name on the hub; raises if it can be neither."""
    path = Path(data).expanduser()
    if path.is_dir():
        if not any(files for _, _, files in os.walk(path)):
            raise ValueError(f"{data} is an empty folder; expected images or Parquet files in it")
        return str(path)
    if path.exists():
        raise ValueError(f"{data} is a file; expected a folder of images or of Parquet files")
    source = HUB_NAMES.get(data, data)
    if source.count("/") == 1 and not source.startswith((".", "/", "~")):
        return source
    if "/" in data or data.startswith("."):
        raise FileNotFoundError(f"there is no folder {data}")
    raise ValueError(
        f"unknown data set {data!r}: expected photos, cifar10, a folder, or OWNER/NAME on the hub."
        + nearest(data, ["photos", *HUB_NAMES])
    )
