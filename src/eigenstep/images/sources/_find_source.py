"""Which source reads the images that a user names."""

from collections.abc import Sequence

from eigenstep.images._config import ImagesConfig
from eigenstep.images.sources._files import ImageFiles
from eigenstep.images.sources._found import Named
from eigenstep.images.sources._hub import HubDataset
from eigenstep.images.sources._photographs import Photographs
from eigenstep.images.sources._shards import TarShards
from eigenstep.images.sources._source import Source
from eigenstep.images.sources._tables import Tables
from eigenstep.spelling import is_python, nearest

# Every source that there is. The first that matches what is named reads it.
SOURCES: tuple[type[Source], ...] = (Photographs, Tables, TarShards, ImageFiles, HubDataset)


def find_source(data: str | Source) -> Source:
    """What `data`, as `TrainConfig.data`, stands for; a source stands for itself.

    Nothing is looked up on the hub before the source is asked for more.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line if it can stand for nothing.

    Examples
    --------
    >>> find_source("photos").lacks
    ('splits', 'labels')
    """
    if isinstance(data, Source):
        return data
    if is_python(data):
        raise ValueError(
            f"the data set {data} is a Python object that only the program which began the run has:"
            " name other images with --data, or give it again there"
        )
    named = Named(data)
    for source in SOURCES:
        if source.matches(named):
            return source(named)
    expected = _either([source.files for source in SOURCES if source.files])
    if named.path.exists():
        found = "; ".join(named.found.passed_over.lines()) or "it is empty"
        raise ValueError(f"{data} holds no images: {found}; expected {expected}")
    if "/" in data or data.startswith("."):
        raise FileNotFoundError(f"there is no folder {data}")
    names = [name for source in SOURCES for name in source.names]
    raise ValueError(
        f"unknown data set {data!r}: expected {', '.join(names)}, a folder, or OWNER/NAME on the hub."
        + nearest(data, names)
    )


def never_has_labels(data: str) -> bool:
    """Whether the name alone tells that these images have no labels; nothing is looked at.

    Examples
    --------
    >>> never_has_labels("photos")
    True
    """
    return any(data in source.names and "labels" in source.lacks for source in SOURCES)


def find_test_split(data: str | Source, config: ImagesConfig) -> str:
    """The split to test on: test or, where there is none, validation.

    Raises
    ------
    ValueError
        Naming the splits, if there is neither.

    Examples
    --------
    >>> import numpy as np
    >>> from eigenstep.images import own_data
    >>> items = [(np.zeros((8, 8)), 0), (np.ones((8, 8)), 1)]
    >>> find_test_split(own_data({"train": items, "validation": items}), ImagesConfig())
    'validation'
    """
    source = find_source(data)
    source.need("splits", "labels", option="--probes.data")
    splits = source.splits()
    for name in ("test", "validation"):
        if name in splits and name != config.split:
            return name
    raise ValueError(
        f"{source.data} has neither a test nor a validation split besides {config.split!r};"
        f" set --probes.test-split to one of {', '.join(splits)}"
    )


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
