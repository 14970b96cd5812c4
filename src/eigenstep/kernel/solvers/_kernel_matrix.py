"""The kernel matrix over all views as an operator: half of it stored, or computed anew at each product."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenstep.kernel._processes import ALONE, Processes
from eigenstep.kernel.functions import Kernel


class KernelMatrix(ABC):
    """A symmetric positive semi-definite N x N matrix that multiplies blocks of columns."""

    n_views: int

    @abstractmethod
    def product(self, block: Tensor) -> Tensor:
        """Return K~ V (N, b) for a block V (N, b)."""


class StoredKernelMatrix(KernelMatrix):
    """A matrix that is there already, as with kernel="precomputed".

    Examples
    --------
    >>> StoredKernelMatrix(torch.eye(2)).product(torch.ones(2, 1)).ravel()
    tensor([1., 1.])
    """

    def __init__(self, matrix: Tensor, processes: Processes = ALONE) -> None:
        self.n_views = len(matrix)
        self._matrix = matrix
        self._processes = processes

    def product(self, block: Tensor) -> Tensor:
        rows = self._processes.share(self.n_views)
        return self._processes.gather_rows(self._matrix[rows] @ block, self.n_views)


class PanelKernelMatrix(KernelMatrix):
    """The upper triangle of a kernel function's matrix in panels of rows, dealt out to the processes.

    A panel is computed when a product first needs it and multiplies twice, as itself and as its transpose;
    so many panels are kept as the storage holds, the others are computed anew at every product.

    Parameters
    ----------
    kernel : Kernel
        The kernel function.
    prepared : Any
        All views, as `kernel.prepare` returns them.
    storage : float
        Bytes for panels on this process.
    processes : Processes
        Who shares the panels; products are summed over them.
    progress : Callable[[float], None] | None
        Called with the share of the panels done, in each product that computes panels.

    Examples
    --------
    >>> from eigenstep.kernel.functions import make_kernel
    >>> rows = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    >>> kernel = make_kernel("linear", rows)
    >>> PanelKernelMatrix(kernel, kernel.prepare(rows)).product(torch.ones(2, 1)).ravel()
    tensor([1., 4.])
    """

    def __init__(
        self,
        kernel: Kernel,
        prepared: Any,
        *,
        storage: float = float("inf"),
        processes: Processes = ALONE,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self.n_views = prepared.shape[0]
        self._kernel = kernel
        self._prepared = prepared
        self._processes = processes
        self._progress = progress
        self._height = panel_height(self.n_views, processes.size)
        self._room = storage
        self._panels: dict[int, Tensor] = {}

    def product(self, block: Tensor) -> Tensor:
        total = torch.zeros_like(block)
        for top in self._own_panels():
            bottom = min(top + self._height, self.n_views)
            for left, part in self._parts(top, bottom, block):
                right = left + part.shape[1]
                total[top:bottom].addmm_(part, block[left:right])
                beyond = max(left, bottom)
                if right > beyond:
                    total[beyond:right].addmm_(part[:, beyond - left :].T, block[top:bottom])
        return self._processes.sum(total)

    def _own_panels(self) -> Iterator[int]:
        """Yield where this process's panels begin; they are dealt back and forth, for the last are small."""
        rank, size = self._processes.rank, self._processes.size
        tops = range(0, self.n_views, self._height)
        mine = [top for at, top in enumerate(tops) if at % (2 * size) in (rank, 2 * size - 1 - rank)]
        for at, top in enumerate(mine):
            computed = top not in self._panels
            yield top
            if computed and self._progress is not None:
                self._progress((at + 1) / len(mine))

    def _parts(self, top: int, bottom: int, like: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield a panel as one stored part, or in tiles that are still in the cache when they multiply."""
        if top in self._panels:
            yield top, self._panels[top]
            return
        bytes_needed = (bottom - top) * (self.n_views - top) * like.element_size()
        panel = None
        if bytes_needed <= self._room:
            self._room -= bytes_needed
            panel = large_empty((bottom - top, self.n_views - top), like)
        rows = self._prepared[top:bottom]
        tile = like.new_empty(0) if panel is not None else like.new_empty(bottom - top, self._height)
        for left in range(top, self.n_views, self._height):
            right = min(left + self._height, self.n_views)
            out = tile[:, : right - left] if panel is None else panel[:, left - top : right - top]
            columns = rows if left == top else self._prepared[left:right]
            yield left, self._kernel.block(rows, columns, out=out)
        if panel is not None:
            self._panels[top] = panel


class CenteredKernelMatrix(KernelMatrix):
    """H K~ H of a kernel matrix K~, with H = I - 11^T/N: positive also where K~ is so only on such vectors.

    Examples
    --------
    >>> matrix = CenteredKernelMatrix(StoredKernelMatrix(torch.tensor([[0.0, -2.0], [-2.0, 0.0]])))
    >>> matrix.product(torch.eye(2))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """

    def __init__(self, matrix: KernelMatrix) -> None:
        self.n_views = matrix.n_views
        self._matrix = matrix
        self._row_means: Tensor | None = None

    def product(self, block: Tensor) -> Tensor:
        centered = block - block.mean(dim=0)
        if self._row_means is None:
            # The kernel may be computed anew for each product: its means come with the first.
            ones = block.new_full((self.n_views, 1), 1 / self.n_views)
            image = self._matrix.product(torch.cat((centered, ones), dim=1))
            self._row_means, image = image[:, -1].cpu().double(), image[:, :-1]
        else:
            image = self._matrix.product(centered)
        return image - image.mean(dim=0)

    def size_before(self) -> float:
        """Return a norm of what centring took off; after a product."""
        assert self._row_means is not None
        return self.n_views * float(self._row_means.abs().max())

    def means(self, vectors: Tensor) -> Tensor:
        """Return the means over the views of K~ a, (k,) in float64, of vectors a (N, k); after a product."""
        assert self._row_means is not None
        return self._row_means @ vectors.cpu().double()


def center_twice(matrix: Tensor) -> Tensor:
    """Return H K~ H of a stored matrix (N, N), for eigenproblems that need its entries.

    `CenteredKernelMatrix` has only products, and so takes kernels that are computed a panel at a time.
    """
    means = matrix.mean(dim=0)
    return matrix - means - means[:, None] + means.mean()


def panel_height(n_views: int, n_processes: int) -> int:
    """Return how many rows a panel has: tiles that fit the cache, and panels enough for an even deal.

    Examples
    --------
    >>> panel_height(50_000, 2) > 0
    True
    """
    return max(64, min(1024, -(-n_views // (8 * n_processes))))


def panel_storage(n_views: int, n_processes: int, element_size: int) -> int:
    """Return the bytes that every panel of one process takes.

    Examples
    --------
    >>> panel_storage(4_000, 1, 4) / 4_000**2
    2.25
    """
    return element_size * n_views * (n_views + panel_height(n_views, n_processes)) // (2 * n_processes)


def large_empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return a tensor of some shape and of the dtype and device of `like`, with any values.

    Examples
    --------
    >>> large_empty((2, 3), torch.zeros(1)).shape
    torch.Size([2, 3])
    """
    if like.device.type != "cpu":
        return like.new_empty(shape)
    # NumPy asks the system for huge pages, PyTorch does not: half the time to touch the memory first.
    return torch.from_numpy(np.empty(shape, dtype=str(like.dtype).removeprefix("torch.")))
