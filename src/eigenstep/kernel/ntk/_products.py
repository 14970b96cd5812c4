"""Inner products between many long rows, by the faster of the matrix products that torch has."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from eigenstep.kernel.ntk._factored_uses import Product

# Rows of a block of a symmetric product: few flops are done twice, and blocks are long enough to be fast.
_BLOCK = 128


@dataclass(frozen=True)
class Pairs:
    """Which pairs of samples a kernel is between: all of `left` with themselves, or with `right` behind them.

    Examples
    --------
    >>> Pairs(4).total(torch.device("cpu")).shape, Pairs(4, 2).total(torch.device("cpu")).shape
    (torch.Size([4, 4]), torch.Size([4, 2]))
    """

    left: int
    right: int = 0

    @property
    def symmetric(self) -> bool:
        return self.right == 0

    @property
    def count(self) -> float:
        """How many pairs are computed, each once."""
        return self.left * (self.left + 1) / 2 if self.symmetric else self.left * self.right

    @property
    def n_samples(self) -> int:
        return self.left + self.right

    def total(self, device: torch.device) -> Tensor:
        """Return zeros for the sums over layers, (left, right), in float64 where the device has it."""
        dtype = torch.float32 if device.type == "mps" else torch.float64
        return torch.zeros(self.left, self.right or self.left, device=device, dtype=dtype)

    def blocks(self, height: int) -> list[tuple[slice, slice, slice, slice]]:
        """Return (rows, columns, row samples, column samples) of blocks that cover each pair once or more."""
        found = []
        for top in range(0, self.left, height):
            rows = slice(top, min(top + height, self.left))
            first = top if self.symmetric else 0
            columns = slice(first, self.right or self.left)
            behind = 0 if self.symmetric else self.left
            found.append((rows, columns, rows, slice(first + behind, columns.stop + behind)))
        return found

    def add_products(self, total: Tensor, vectors: Tensor) -> None:
        """Add the inner products of vectors (n_samples, K) to the pairs' total."""
        product = fastest_product(vectors.device, vectors.dtype)
        for rows, columns, left, right in self.blocks(_BLOCK if self.symmetric else self.left):
            total[rows, columns].add_(product(vectors[left], vectors[right]))

    def mirrored(self, total: Tensor) -> Tensor:
        """Return the whole matrix from what has been summed on and above the diagonal."""
        if not self.symmetric:
            return total
        above = total.triu(1)
        return above + above.T + torch.diag(total.diagonal())


def fastest_product(device: torch.device, dtype: torch.dtype) -> Product:
    """Return product(a, b) = a b^T for contiguous a (m, K) and b (n, K).

    On CPUs torch.mm is MKL's, which leaves AMD's widest registers idle, where oneDNN, which convolutions use,
    does not: twice as fast there in float32. Which it is, is measured once for a number of threads.

    Examples
    --------
    >>> product = fastest_product(torch.device("cpu"), torch.float32)
    >>> product(torch.eye(2), torch.ones(1, 2))
    tensor([[1.],
            [1.]])
    """
    if device.type != "cpu" or dtype != torch.float32 or not _has_onednn():
        return _blas
    return _faster_on_cpu(torch.get_num_threads())


def matrix_products() -> tuple[Product, ...]:
    """Return the products of rows that `fastest_product` chooses from, torch's own first.

    Examples
    --------
    >>> matrix_products()[0](torch.ones(1, 2), torch.ones(1, 2))
    tensor([[2.]])
    """
    return (_blas, _onednn) if _has_onednn() else (_blas,)


def _blas(left: Tensor, right: Tensor) -> Tensor:
    return left @ right.T


def _onednn(left: Tensor, right: Tensor) -> Tensor:
    # Neither rows of one entry nor strided ones are for it.
    if left.shape[1] < 16:
        return left @ right.T
    return torch.ops.mkldnn._linear_pointwise(left.contiguous(), right.contiguous(), None, "none", [], "")


def outer_sums(left: Tensor, right: Tensor, out: Tensor) -> None:
    """Write sum_t l_t r_t^T of each sample, (b, m, n), for left (b, m, T) and right (b, n, T), into `out`.

    Examples
    --------
    >>> out = torch.empty(1, 2, 1)
    >>> outer_sums(torch.ones(1, 2, 3), torch.ones(1, 1, 3), out)
    >>> out
    tensor([[[3.],
             [3.]]])
    """
    product = fastest_product(left.device, left.dtype)
    work = left.shape[1] * right.shape[1] * left.shape[2]
    if product is _blas or work < 1 << 18:
        torch.bmm(left, right.transpose(1, 2), out=out)
        return
    for sample in range(len(left)):
        out[sample] = product(left[sample], right[sample])


def _has_onednn() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


@lru_cache
def _faster_on_cpu(threads: int) -> Product:
    left, right = torch.ones(128, 1024), torch.ones(512, 1024)
    try:
        times = {}
        for product in (_blas, _onednn):
            product(left, right)
            times[product] = min(_seconds(product, left, right) for _ in range(5))
        # A small gain is not worth an operation that is private to torch.
        return _onednn if times[_onednn] < 0.8 * times[_blas] else _blas
    except (RuntimeError, AttributeError, TypeError):
        return _blas


def _seconds(product: Product, left: Tensor, right: Tensor) -> float:
    started = time.perf_counter()
    product(left, right)
    return time.perf_counter() - started
