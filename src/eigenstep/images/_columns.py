"""Which column of a data set holds the images, and which the labels."""

from typing import Any

from eigenstep.images._config import ImagesConfig


def image_column(data: str, features: Any, config: ImagesConfig) -> str:
    """The column that `config.column` names, or the only one of images; raises ValueError otherwise."""
    columns = [name for name, kind in features.items() if _holds_images(kind)]
    name = config.column or (columns[0] if len(columns) == 1 else None)
    if not columns:
        raise ValueError(f"{data} has no column of images; its columns are {', '.join(features)}")
    if name is None or name not in columns:
        raise ValueError(
            f"{data}: expected --images.column to name one of its image columns ({', '.join(columns)}),"
            f" got {config.column}"
        )
    return name


def label_column(data: str, features: Any, config: ImagesConfig) -> str:
    """The column that `config.label` names, or the only one of classes, or the only one of integers or text.

    Raises ValueError, naming the columns that could be meant, otherwise.
    """
    import datasets

    classes = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    plain = [name for name, kind in features.items() if _is_plain(kind)]
    if config.label is None:
        for columns in (classes, plain):
            if len(columns) == 1:
                return columns[0]
            if columns:
                break
    elif config.label in classes + plain:
        return config.label
    if not classes + plain:
        raise ValueError(f"{data} has no column of labels; its columns are {', '.join(features)}")
    raise ValueError(
        f"{data}: expected --images.label to name one of its columns of labels"
        f" ({', '.join(classes + plain)}), got {config.label}"
    )


def _holds_images(kind: Any) -> bool:
    """Images, also where a Parquet file was written again without the data set's own description."""
    import datasets

    return isinstance(kind, datasets.Image) or (isinstance(kind, dict) and set(kind) == {"bytes", "path"})


def _is_plain(kind: Any) -> bool:
    dtype = getattr(kind, "dtype", "")
    return "int" in dtype or dtype in ("string", "large_string") if type(kind).__name__ == "Value" else False
