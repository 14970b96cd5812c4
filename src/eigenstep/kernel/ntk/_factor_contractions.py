"""Layers whose inputs and output gradients are kept: products over positions, one way or the other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from eigenstep.kernel.ntk._contraction import Contraction
from eigenstep.kernel.ntk._factor_store import FactorStore, Rotation, UnexpectedRank, rows_of
from eigenstep.kernel.ntk._graph import Node
from eigenstep.kernel.ntk._layers import FactoredLayer
from eigenstep.kernel.ntk._network import Network
from eigenstep.kernel.ntk._pass import Pass
from eigenstep.kernel.ntk._products import Pairs, fastest_product, outer_sums

# Positions of all samples of a tile: its two products stay in the cache until they have met.
_TILE = 512
# What it takes for an entry of a tile to meet the other product's, and for a number of a gradient to be laid
# out and read again, in flops of a matrix product.
_MEETING, _LAYING_OUT = 24, 200
# Bytes of columns that are worked on at a time.
_CACHE = 1 << 24


class FactorContraction(Contraction):
    """Keeps a layer's inputs and output gradients.

    Parameters
    ----------
    rotation : Rotation | None
        Of the outputs that reach each channel, if they do so along few directions.
    """

    layer: FactoredLayer

    def __init__(
        self, layer: FactoredLayer, pairs: Pairs, network: Network, rotation: Rotation | None = None
    ) -> None:
        super().__init__(layer, pairs)
        self.whole = rotation is not None
        self._network = network
        self._rotation = rotation

    def rows(self, cotangents: int) -> int:
        """Return R, the output gradients that a position of a sample has."""
        return rows_of(self.layer, cotangents, self._rotation)

    def bytes(self, cotangents: int) -> int:
        sample = self.layer.stored + self.rows(cotangents) * self.layer.positions
        return self._network.dtype.itemsize * self.pairs.n_samples * sample

    def begin(self, cotangents: int) -> None:
        self.store = FactorStore(self.layer, self._network, self.pairs.n_samples, cotangents, self._rotation)

    def see(self, where: slice, taken: Pass) -> list[Node]:
        return self.store.see(where, taken)

    def put(self, which: int, cotangent: Tensor, of_outputs: Mapping[Node, Tensor]) -> None:
        self.store.put(which, of_outputs)

    def end_batch(self) -> None:
        with self.timed():
            try:
                self.store.end_batch()
            except UnexpectedRank as rank:
                raise UnexpectedRank(self.layer) from rank

    def release(self) -> None:
        del self.store


class PositionProducts(FactorContraction):
    """sum_ts (a_it . a_js) (g_it . g_js): 2 T^2 (c_in + R) flops for a pair. At T = 1, (A A^T) * (G G^T).

    Examples
    --------
    >>> from eigenstep.kernel.ntk._factored_uses import Columns
    >>> layer = FactoredLayer("0", ("0.weight",), 200, Columns(), 20, 10, positions=1, stored=20, bias=False)
    >>> network, pairs = Network(torch.nn.Linear(20, 10)), Pairs(100)
    >>> kinds = PositionProducts(layer, pairs, network), GradientProducts(layer, pairs, network, 1e6)
    >>> [each.flops(cotangents=1) for each in kinds]
    [303000.0, 2060000.0]
    """

    method = "positions"

    def __init__(
        self, layer: FactoredLayer, pairs: Pairs, network: Network, rotation: Rotation | None = None
    ) -> None:
        super().__init__(layer, pairs, network, rotation)
        # The inputs' products serve all cotangents.
        self.whole = True

    def flops(self, cotangents: int) -> float:
        width = self.layer.columns_of.inner_width(self.layer.width) + self.rows(cotangents)
        return 2 * width * self.layer.positions**2 * self.pairs.count

    def cost(self, cotangents: int) -> float:
        return self.flops(cotangents) + _MEETING * self.layer.positions**2 * self.pairs.count

    def add_to(self, total: Tensor) -> None:
        with self.timed():
            width = max(1, _TILE // self.layer.positions)
            # What a block has below the diagonal is computed twice: flat ones have less of it.
            height = width // 4 if self.layer.positions == 1 and self.pairs.symmetric else width
            for rows, columns, left, right in self.pairs.blocks(height):
                first = self.store.positions(left)
                for start in range(right.start, right.stop, width):
                    stop = min(start + width, right.stop)
                    offset = columns.start - right.start
                    tile = total[rows, start + offset : stop + offset]
                    tile.add_(self._meet(first, self.store.positions(slice(start, stop)), tile.shape))

    def _meet(self, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], shape: torch.Size) -> Tensor:
        product = fastest_product(self._network.device, self._network.dtype)
        gradients = product(first[1], second[1])
        inputs = self.layer.columns_of.inner(first[0], second[0], product)
        met = gradients.mul_(inputs + 1 if self.layer.bias else inputs)
        if self.layer.positions == 1:
            return met
        return met.view(shape[0], -1, shape[1], self.layer.positions).sum(dim=(1, 3))


class GradientProducts(FactorContraction):
    """Per-sample gradients, laid out for some channels at a time: 2 R c_in flops for a pair.

    Parameters
    ----------
    scratch : float
        Bytes for what is laid out.

    Examples
    --------
    >>> from eigenstep.kernel.ntk._factored_uses import Columns
    >>> shape = dict(width=20, channels=10, positions=64, stored=1280)
    >>> layer = FactoredLayer("0", ("0.weight",), 200, Columns(), **shape, bias=False)
    >>> network, pairs = Network(torch.nn.Linear(20, 10)), Pairs(100)
    >>> kinds = PositionProducts(layer, pairs, network), GradientProducts(layer, pairs, network, 1e6)
    >>> [each.flops(cotangents=1) for each in kinds]
    [1241088000.0, 4580000.0]
    """

    method = "gradients"

    def __init__(
        self,
        layer: FactoredLayer,
        pairs: Pairs,
        network: Network,
        scratch: float,
        rotation: Rotation | None = None,
    ) -> None:
        super().__init__(layer, pairs, network, rotation)
        self._scratch = scratch

    def flops(self, cotangents: int) -> float:
        return _gradient_flops(self.layer, self.rows(cotangents), self.pairs)

    def cost(self, cotangents: int) -> float:
        numbers = self.rows(cotangents) * self.layer.full_width * self.pairs.n_samples
        return self.flops(cotangents) + _LAYING_OUT * numbers

    def add_to(self, total: Tensor) -> None:
        with self.timed():
            gradients, width = self.store.gradients, self.layer.width
            count, rows, positions = gradients.shape
            size = gradients.element_size() * count * width
            keep = size * positions <= self._scratch / 2
            kept = self.store.columns(slice(0, count)) if keep else None
            height = int(min(rows, max(1, (self._scratch - keep * size * positions) // size)))
            laid_out = gradients.new_empty(count * height * width)
            for start in range(0, rows, height):
                channels = slice(start, min(start + height, rows))
                block = laid_out[: count * (channels.stop - start) * width].view(count, -1, width)
                for samples in self._parts():
                    columns = self.store.columns(samples) if kept is None else kept[samples]
                    outer_sums(gradients[samples, channels], columns, block[samples])
                self.pairs.add_products(total, block.flatten(1))
            if self.layer.bias:
                self.pairs.add_products(total, gradients.sum(dim=2))

    def _parts(self) -> list[slice]:
        """Return slices of samples whose columns fit the cache."""
        sample = self.store.gradients.element_size() * self.layer.width * self.layer.positions
        step, count = max(1, _CACHE // sample), self.pairs.n_samples
        return [slice(start, min(start + step, count)) for start in range(0, count, step)]


class GradientsOfBatches(Contraction):
    """Per-sample gradients, laid out batch by batch and kept: less than their factors at many positions.

    Examples
    --------
    >>> from eigenstep.kernel.ntk._factored_uses import Columns
    >>> shape = dict(width=20, channels=10, positions=64, stored=1280)
    >>> layer = FactoredLayer("0", ("0.weight",), 200, Columns(), **shape, bias=False)
    >>> network, pairs = Network(torch.nn.Linear(20, 10)), Pairs(100)
    >>> kinds = GradientsOfBatches(layer, pairs, network), GradientProducts(layer, pairs, network, 1e6)
    >>> [each.bytes(cotangents=1) for each in kinds]
    [80000, 768000]
    """

    method = "gradients"
    layer: FactoredLayer

    def __init__(self, layer: FactoredLayer, pairs: Pairs, network: Network) -> None:
        super().__init__(layer, pairs)
        self._network = network

    def flops(self, cotangents: int) -> float:
        return _gradient_flops(self.layer, cotangents * self.layer.channels, self.pairs)

    def cost(self, cotangents: int) -> float:
        numbers = cotangents * self.layer.channels * self.layer.full_width * self.pairs.n_samples
        return self.flops(cotangents) + _LAYING_OUT * numbers

    def bytes(self, cotangents: int) -> int:
        sample = cotangents * self.layer.channels * self.layer.full_width
        return self._network.dtype.itemsize * self.pairs.n_samples * sample

    def begin(self, cotangents: int) -> None:
        self._cotangents = cotangents
        self._store: FactorStore | None = None
        shape = (self.pairs.n_samples, cotangents * self.layer.channels, self.layer.width)
        self._rows = torch.empty(shape, device=self._network.device, dtype=self._network.dtype)
        # Apart, for one column more makes the width odd, and products a third slower.
        self._of_bias = self._rows.new_empty(shape[:2] if self.layer.bias else 0)

    def see(self, where: slice, taken: Pass) -> list[Node]:
        self._where, store = where, self._store
        if store is None or len(store.gradients) < taken.count:
            store = self._store = FactorStore(self.layer, self._network, taken.count, self._cotangents)
        return store.see(slice(0, taken.count), taken)

    def put(self, which: int, cotangent: Tensor, of_outputs: Mapping[Node, Tensor]) -> None:
        assert self._store is not None
        self._store.put(which, of_outputs)

    def end_batch(self) -> None:
        with self.timed():
            assert self._store is not None
            samples = slice(0, self._where.stop - self._where.start)
            gradients = self._store.gradients[samples]
            outer_sums(gradients, self._store.columns(samples), self._rows[self._where])
            if self.layer.bias:
                self._of_bias[self._where] = gradients.sum(dim=2)

    def add_to(self, total: Tensor) -> None:
        with self.timed():
            self.pairs.add_products(total, self._rows.flatten(1))
            if self.layer.bias:
                self.pairs.add_products(total, self._of_bias)

    def release(self) -> None:
        self._store = None
        del self._rows, self._of_bias


def _gradient_flops(layer: FactoredLayer, rows: int, pairs: Pairs) -> float:
    return 2 * rows * layer.full_width * (pairs.count + layer.positions * pairs.n_samples)
