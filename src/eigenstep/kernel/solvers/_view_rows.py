"""The rows of all views, stacked in thought: read where they lie, converted and checked a part at a time."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

Rows: TypeAlias = Any  # an array, a memory map, a tensor or a CSR matrix


class ViewRows:
    """Views stacked below each other, as rows on a device.

    Parameters
    ----------
    parts : Sequence[Rows]
        Arrays, memory maps, tensors or CSR matrices of the same kind and row shape, one below the other.
    device, dtype
        Of the rows that `take` returns; CSR rows stay where and as they are.

    Examples
    --------
    >>> views = ViewRows([np.zeros((2, 3)), np.ones((2, 3))], torch.device("cpu"), torch.float64)
    >>> views.take(np.array([1, 2])).sum(dim=1)
    tensor([0., 3.], dtype=torch.float64)
    """

    def __init__(self, parts: Sequence[Rows], device: torch.device, dtype: torch.dtype) -> None:
        self.parts = list(parts)
        self.device = device
        self.dtype = dtype
        self._bounds = np.cumsum(np.array([0] + [part.shape[0] for part in self.parts]))

    @property
    def n_views(self) -> int:
        return int(self._bounds[-1])

    @property
    def is_sparse(self) -> bool:
        return scipy.sparse.issparse(self.parts[0])

    def all(self) -> Any:
        """Return every row, a tensor (N, ...) of its own or a CSR matrix (N, p)."""
        return self.take(np.arange(self.n_views))

    def take(self, indices: NDArray[np.integer]) -> Any:
        """Return rows by index, a tensor (n, ...) of its own or a CSR matrix (n, p).

        Raises
        ------
        ValueError
            NaN or infinity among them; names the first such row.
        """
        taken = []
        inside = np.searchsorted(self._bounds, indices, side="right") - 1
        order = np.argsort(inside, kind="stable")
        for at, part in enumerate(self.parts):
            chosen = indices[inside == at] - self._bounds[at]
            if len(chosen):
                taken.append(self._converted(part, chosen))
        if self.is_sparse:
            stacked = scipy.sparse.vstack(taken, format="csr")
            if not np.isfinite(stacked.data).all():
                raise ValueError("expected finite rows, got NaN or infinity in the sparse input")
            return stacked if (order[1:] > order[:-1]).all() else stacked[np.argsort(order)]
        stacked = torch.cat(taken) if len(taken) > 1 else taken[0]
        finite = torch.isfinite(stacked.flatten(1).sum(dim=1))
        if not bool(finite.all()):
            finite = torch.isfinite(stacked).flatten(1).all(dim=1)
            if not bool(finite.all()):
                row = int(indices[order][int((~finite).nonzero()[0])])
                raise ValueError(
                    f"expected finite rows, got NaN or infinity in view {row}; remove or repair it"
                )
        return stacked if (order[1:] > order[:-1]).all() else stacked[torch.from_numpy(np.argsort(order))]

    def _converted(self, part: Rows, chosen: NDArray[np.integer]) -> Any:
        consecutive = len(chosen) == chosen[-1] - chosen[0] + 1 and (np.diff(chosen) == 1).all()
        where: Any = slice(int(chosen[0]), int(chosen[-1]) + 1) if consecutive else chosen
        if isinstance(part, Tensor):
            rows = part[torch.from_numpy(where) if not consecutive else where]
            return rows.to(self.device, self.dtype, copy=True)
        rows = part[where]
        if scipy.sparse.issparse(rows):
            return rows
        # A copy in any case: a model must not change when the user's array does.
        converted = torch.from_numpy(np.array(rows, dtype=str(self.dtype).removeprefix("torch.")))
        forget_pages(part)
        return converted.to(self.device)


@dataclass(frozen=True, eq=False)
class SelectedRows:
    """Some of the views, numbered anew: row i is row indices[i] of `rows`.

    Examples
    --------
    >>> rows = ViewRows([np.arange(4.0)[:, None]], torch.device("cpu"), torch.float64)
    >>> some = SelectedRows(rows, np.array([3, 1]))
    >>> some.n_views, some.take(np.array([0])).ravel()
    (2, tensor([3.], dtype=torch.float64))
    """

    rows: ViewRows
    indices: NDArray[np.integer]

    @property
    def n_views(self) -> int:
        return len(self.indices)

    def take(self, indices: NDArray[np.integer]) -> Any:
        """Return rows by their new index, as `ViewRows.take`."""
        return self.rows.take(self.indices[indices])


def memory_map(array: Any) -> np.memmap | None:
    """Return the memory map that an array is, or is a view of.

    Examples
    --------
    >>> memory_map(np.zeros(3)) is None
    True
    """
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array


def forget_pages(array: Any) -> None:
    """Let go of the pages of a memory map that were read, so that a pass over a file keeps none in memory.

    Examples
    --------
    >>> forget_pages(np.zeros(3))  # nothing to forget
    """
    mapped = memory_map(array)
    # Pages of a copy-on-write map may hold changes that the file has not.
    if mapped is None or mapped.mode == "c" or not hasattr(mmap, "MADV_DONTNEED"):
        return
    base: Any = mapped
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None:
        base.madvise(mmap.MADV_DONTNEED)
