"""Arrays that a file holds in parts: vectors by their names, and batches one after another."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.embeddings._stored import Content, Stored, is_vector, texts

# Gives the arrays at some of the places.
Read = Callable[[slice], Iterator[Tensor]]


def vectors(
    shapes: Sequence[tuple[int, ...]],
    kinds: Sequence[str],
    read: Read,
    names: Sequence[str] | None,
    what: str,
) -> Stored | None:
    """Vectors of one length as rows; None where they are none, or most differ in length.

    Parameters
    ----------
    kinds : Sequence[str]
        Their types' names.
    names : Sequence[str] | None
        For errors, if they have any.
    what : str
        The file, for errors.

    Notes
    -----
    Whole numbers are no vectors: columns of labels and places have equal lengths too.
    """
    if len(shapes) < 2 or not all(kind.lower().startswith(("f", "bf")) for kind in set(kinds)):
        return None
    if not all(is_vector(shape) for shape in set(shapes)):
        return None
    sizes = [int(np.prod(shape)) for shape in shapes]
    ((size, often),) = Counter(sizes).most_common(1)
    if not size or 2 * often <= len(sizes):
        return None

    def pieces(rows: int) -> Iterator[Tensor]:
        for start in range(0, len(sizes), rows):
            part = slice(start, start + rows)
            for row, length in enumerate(sizes[part], start):
                if length != size:
                    of = "" if names is None else f" ({names[row]})"
                    raise ValueError(f"{what}: row {row}{of} has {length} numbers, and others have {size}")
            found = [tensor.detach().reshape(-1) for tensor in read(part)]
            yield torch.stack(found) if len({each.dtype for each in found}) == 1 else _promoted(found)

    how = "in the file's order" if names is None else f"by their names, {names[0]} to {names[-1]}"
    made_of = f"{len(sizes):,} vectors {how}"
    return Stored((len(sizes), size), kinds[0], True, pieces, _all(pieces, len(sizes)), made_of)


def batches(tensors: Sequence[Tensor]) -> Stored | None:
    """Tensors (n, ...) one after another; None where they differ in more than n.

    Two of equal length are none, since they are as likely two views.
    """
    shapes = {tuple(tensor.shape[1:]) for tensor in tensors}
    lengths = [len(tensor) for tensor in tensors if tensor.ndim]
    if len(lengths) < len(tensors) or len(shapes) != 1 or (len(lengths) == 2 and lengths[0] == lengths[1]):
        return None

    def pieces(rows: int) -> Iterator[Tensor]:
        for tensor in tensors:
            yield from tensor.detach().split(rows)

    kind = str(tensors[0].dtype).removeprefix("torch.")
    numeric = not any(tensor.is_complex() for tensor in tensors)
    made_of = f"{len(tensors):,} batches one after another"
    total = sum(lengths)
    return Stored((total, *next(iter(shapes))), kind, numeric, pieces, _all(pieces, max(lengths)), made_of)


def by_name(
    path: object, arrays: dict[str | None, Stored], read: Callable[[Sequence[str]], Iterator[Tensor]]
) -> Content | None:
    """A file of vectors by their names as one array, with `id`, the names; None where it is no such file.

    Parameters
    ----------
    read : Callable[[Sequence[str]], Iterator[Tensor]]
        Gives the arrays of some names.
    """
    names = [str(name) for name in arrays]
    found = vectors(
        [array.shape for array in arrays.values()],
        [array.kind for array in arrays.values()],
        lambda part: read(names[part]),
        names,
        str(path),
    )
    return None if found is None else Content({None: found, "id": texts(names)}, parts=arrays)


def _promoted(found: list[Tensor]) -> Tensor:
    kind = found[0].dtype
    for tensor in found:
        kind = torch.promote_types(kind, tensor.dtype)
    return torch.stack([tensor.to(kind) for tensor in found])


def _all(pieces: Callable[[int], Iterator[Tensor]], rows: int) -> Callable[[], NDArray[np.generic]]:
    def whole() -> NDArray[np.generic]:
        found: NDArray[np.generic] = torch.cat(list(pieces(rows))).numpy()
        return found

    return whole
