"""Batches of two views in the forms in which loaders give them."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

Pair = tuple[Tensor, Tensor]

# How many batches are looked at.
BATCHES = 3
# Rows of which the loader's data set is asked once more.
AGAIN = 16


@dataclass(frozen=True)
class Again:
    """The same view of the same samples as two workers, or two passes, make it; or why that is not known.

    Attributes
    ----------
    by : str
        What made them.
    first, second : Tensor | None
        (k, ...), row i of both the same view of the same sample.
    """

    by: str
    first: Tensor | None = None
    second: Tensor | None = None


def read_pair(batch: Any) -> Pair:
    """The first two views of a batch: `(v0, v1)`, `(views, ...)` or `{"views": ...}`.

    Raises
    ------
    ValueError
        In one line for another form.

    Examples
    --------
    >>> a, b = torch.zeros(4, 2), torch.ones(4, 2)
    >>> [read_pair(each)[1] is b for each in [(a, b), ([a, b], "labels"), {"views": [a, b]}]]
    [True, True, True]
    """
    views: Any = batch.get("views") if isinstance(batch, Mapping) else batch
    if _is_sequence(views) and len(views) and _is_sequence(views[0]):
        views = views[0]
    if _is_sequence(views) and len(views) >= 2:
        pair: list[Any] = [each.get("image") if isinstance(each, Mapping) else each for each in views[:2]]
        first, second = pair
        tensors = isinstance(first, Tensor) and isinstance(second, Tensor)
        if tensors and first.shape == second.shape and first.ndim >= 2 and len(first):
            return first, second
    raise ValueError(
        "views: expected batches (v0, v1), (views, ...) or {'views': ...} of two tensors (n, ...) of one"
        f" shape, got {_in_words(batch)}"
    )


def first_batches(views: Iterable[Any]) -> list[Pair]:
    """The first batches; of a generator they are taken from it.

    Raises
    ------
    TypeError, ValueError
        For what is no iterable; if there is no batch, or one of another form.
    """
    if not isinstance(views, Iterable) and not hasattr(views, "__getitem__"):
        raise TypeError(f"views: expected an iterable of batches of two views, got {type(views).__name__}")
    found = [read_pair(batch) for batch in itertools.islice(iter(views), BATCHES)]
    if not found:
        raise ValueError("views: expected an iterable of batches of two views, got an empty one")
    return found


def ask_again(views: Iterable[Any]) -> Again:
    """Views of the same samples by two workers of a loader, or by two passes where it has none."""
    try:
        return _asked(views)
    except Exception as error:  # a data set of one's own may raise anything
        return Again(f"the data set could not be asked for the same samples once more: {error}")


def _asked(views: Iterable[Any]) -> Again:
    if not isinstance(views, DataLoader):
        return Again("only a DataLoader can be asked for the same samples once more")
    data: Any = views.dataset
    if isinstance(data, IterableDataset) or not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        return Again("a data set that is read in order cannot be asked for the same samples once more")
    rows = list(range(min(AGAIN, len(data), views.batch_size or AGAIN)))
    workers = min(views.num_workers, 2)
    options: dict[str, Any] = {"multiprocessing_context": views.multiprocessing_context} if workers else {}
    twin: DataLoader[Any] = DataLoader(
        data,
        batch_sampler=[rows, rows],
        num_workers=workers,
        collate_fn=views.collate_fn,
        worker_init_fn=views.worker_init_fn,
        **options,
    )
    if workers < 2:  # with one worker, or none, what repeats is a pass
        passes = [read_pair(next(iter(twin))) for _ in range(2)]
        return Again("two passes", passes[0][0], passes[1][0])
    one, two = (read_pair(batch) for batch in twin)
    return Again("two workers", one[0], two[0])


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _in_words(batch: Any) -> str:
    if isinstance(batch, Mapping):
        return f"a mapping of {', '.join(map(str, batch))}"
    if _is_sequence(batch):
        return f"a {type(batch).__name__} of {', '.join(_in_words(each) for each in batch[:3])}"
    return f"a tensor {tuple(batch.shape)}" if isinstance(batch, Tensor) else type(batch).__name__


def same_rows(a: Tensor, b: Tensor) -> Tensor:
    """Which rows of two tensors (n, ...) are equal bit by bit, (n,) of bool."""
    return (a == b).flatten(1).all(1)


def repeated_rows(rows: Tensor) -> int:
    """How many rows (n, ...) are equal to an earlier one."""
    return len(rows) - len(torch.unique(rows.flatten(1), dim=0))
