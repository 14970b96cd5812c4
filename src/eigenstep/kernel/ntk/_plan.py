"""How each layer is multiplied, and which layers and outputs share a pass over the samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from eigenstep.kernel.ntk._contraction import Contraction, GradientRows
from eigenstep.kernel.ntk._factor_contractions import (
    GradientProducts,
    GradientsOfBatches,
    PositionProducts,
)
from eigenstep.kernel.ntk._factor_store import FactorStore, Rotation
from eigenstep.kernel.ntk._layers import FactoredLayer, Layer
from eigenstep.kernel.ntk._network import Network
from eigenstep.kernel.ntk._pass import Pass, Reading
from eigenstep.kernel.ntk._products import Pairs
from eigenstep.machine import size_in_words


class TooLarge(Exception):
    """What has to be kept of all samples at a time is larger than the memory."""


@dataclass(frozen=True)
class Sweep:
    """A pass over all samples for each group of cotangents, for some of the layers."""

    contractions: tuple[Contraction, ...]
    groups: tuple[range, ...]


def contraction_of(
    layer: Layer,
    pairs: Pairs,
    network: Network,
    cotangents: int,
    scratch: float = 0,
    rotation: Rotation | None = None,
) -> Contraction:
    """Return the contraction of a layer that costs least; of two alike the one that keeps less.

    Parameters
    ----------
    scratch : float
        Bytes for what a layer lays out when it is multiplied.
    """
    if not isinstance(layer, FactoredLayer):
        return GradientRows(layer, pairs, network)
    choices: list[Contraction] = [
        PositionProducts(layer, pairs, network, rotation),
        GradientProducts(layer, pairs, network, scratch, rotation),
    ]
    if rotation is None:
        choices.append(GradientsOfBatches(layer, pairs, network))
    return min(choices, key=lambda one: (one.cost(cotangents), one.bytes(cotangents)))


def rotations(
    network: Network,
    layers: Sequence[Layer],
    reading: Reading,
    batch: Tensor,
    pairs: Pairs,
    cotangents: Tensor,
) -> dict[Layer, Rotation]:
    """Return, by layer, how outputs are rotated where they reach its channels along few directions."""
    if len(cotangents) < 2:
        return {}
    # As many gradients as tell the rank, from as few samples as have them.
    by_count: dict[int, list[FactoredLayer]] = {}
    for layer in layers:
        if isinstance(layer, FactoredLayer) and _worth_rotating(layer, pairs, network, len(cotangents)):
            count = max(2, -(-4 * len(cotangents) // layer.positions))
            by_count.setdefault(count, []).append(layer)
    found: dict[Layer, Rotation] = {}
    for count, alike in by_count.items():
        if count > len(batch):
            continue
        taken = Pass(network, batch[:count], reading)
        stores = [FactorStore(layer, network, count, len(cotangents)) for layer in alike]
        nodes = [node for store in stores for node in store.see(slice(0, count), taken)]
        for which, cotangent in enumerate(cotangents):
            of_outputs = taken.gradients(cotangent, nodes)
            for store in stores:
                store.put(which, of_outputs)
        for store in stores:
            rotation = Rotation.of(store.gradients.unflatten(1, (len(cotangents), -1)))
            if rotation is not None:
                found[store.layer] = rotation
    return found


def _worth_rotating(layer: FactoredLayer, pairs: Pairs, network: Network, cotangents: int) -> bool:
    """Whether K times fewer products would make up for small eigenproblems and passes over the gradients."""
    many, one = (contraction_of(layer, pairs, network, count).cost(count) for count in (cotangents, 1))
    gradients = pairs.n_samples * cotangents * layer.channels * layer.positions
    return many - one > 100 * gradients + 2000 * layer.channels * cotangents**3


def sweeps_of(contractions: Sequence[Contraction], cotangents: int, budget: float) -> list[Sweep]:
    """Share out layers and cotangents among passes, so that none keeps more than `budget` bytes.

    Raises
    ------
    TooLarge
        If a layer alone does.
    """
    everything = range(cotangents)
    if sum(one.bytes(cotangents) for one in contractions) <= budget:
        return [Sweep(tuple(contractions), (everything,))]
    whole = [one for one in contractions if one.whole]
    others = [one for one in contractions if not one.whole]
    sweeps = [Sweep(tuple(part), (everything,)) for part in _packed(whole, cotangents, budget)]
    for part in _packed(others, 1, budget):
        together = next(
            size for size in range(cotangents, 0, -1) if sum(one.bytes(size) for one in part) <= budget
        )
        starts = range(0, cotangents, together)
        groups = tuple(range(start, min(start + together, cotangents)) for start in starts)
        sweeps.append(Sweep(tuple(part), groups))
    return sweeps


def _packed(
    contractions: Sequence[Contraction], cotangents: int, budget: float
) -> Iterator[list[Contraction]]:
    """Yield runs of contractions that fit the budget together."""
    run: list[Contraction] = []
    for one in contractions:
        if one.bytes(cotangents) > budget:
            raise TooLarge(f"{one.layer.name} takes {size_in_words(one.bytes(cotangents))}")
        if run and sum(other.bytes(cotangents) for other in [*run, one]) > budget:
            yield run
            run = []
        run.append(one)
    if run:
        yield run
