"""The sum over layers, by as many passes over the samples as the memory asks for."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from eigenstep.kernel.ntk._contraction import Contraction, FunctionRows, LayerAccount
from eigenstep.kernel.ntk._factor_store import UnexpectedRank
from eigenstep.kernel.ntk._layers import Layer
from eigenstep.kernel.ntk._pass import Pass
from eigenstep.kernel.ntk._plan import Sweep, TooLarge, contraction_of, rotations, sweeps_of
from eigenstep.kernel.ntk._products import Pairs
from eigenstep.kernel.ntk._samples import Samples
from eigenstep.kernel.ntk._subject import Subject
from eigenstep.machine import size_in_words

# Bytes for what a layer lays out when it is multiplied: a share of the budget within these limits.
_LEAST_SCRATCH, _MOST_SCRATCH = 1 << 26, 1 << 30


class Computation:
    """Kernel blocks between ranges of a subject's samples, and the account of them.

    Parameters
    ----------
    pairs : Pairs
        All of them, for which blocks are chosen.
    budget : float
        Bytes for what is kept of all samples of a block.

    Examples
    --------
    >>> import torch
    >>> from eigenstep.kernel.ntk._subject import Subject
    >>> model = torch.nn.Linear(3, 2)
    >>> options = dict(outputs="mean", chunk_size=None, dtype=None, device=None, random_state=0)
    >>> computation = Computation(Subject(model, [torch.eye(3)], **options), Pairs(3), budget=1e8)
    >>> computation.between(range(3)).round()  # x.x' + 1
    tensor([[2., 1., 1.],
            [1., 2., 1.],
            [1., 1., 2.]], dtype=torch.float64)
    >>> computation.accounts()[0].method
    'positions'
    """

    def __init__(self, subject: Subject, pairs: Pairs, budget: float) -> None:
        self.pass_seconds = 0.0
        self._subject = subject
        self._scratch = min(max(0.2 * budget, _LEAST_SCRATCH), _MOST_SCRATCH)
        self._budget = budget - self._scratch if budget > 2 * self._scratch else budget
        self._rotations = rotations(
            subject.network,
            subject.layers,
            subject.survey.reading,
            subject.first_batch(),
            pairs,
            subject.cotangents,
        )
        self._accounts: dict[Layer, LayerAccount] = {}

    def accounts(self) -> tuple[LayerAccount, ...]:
        """Return the account of each layer, in the network's order."""
        order = list(self._subject.network.parameters)
        return tuple(sorted(self._accounts.values(), key=lambda account: order.index(account.parameters[0])))

    def between(self, left: range, right: range | None = None) -> Tensor:
        """Return the kernel (left, right) or (left, left), in float64 where the device has it."""
        chosen = [left] if right is None else [left, right]
        pairs = Pairs(len(left), 0 if right is None else len(right))
        contractions = [self._contraction(layer, pairs) for layer in self._subject.all_layers]
        try:
            sweeps = sweeps_of(contractions, len(self._subject.cotangents), self._budget)
        except TooLarge as reason:
            return self._in_halves(left, right, reason)
        total = pairs.total(self._subject.network.device)
        try:
            for sweep in sweeps:
                self._run(sweep, self._subject.samples.subset(*chosen), total)
        except UnexpectedRank as unexpected:
            del self._rotations[unexpected.args[0]]
            return self.between(left, right)
        for one in contractions:
            self._enter(one)
        return pairs.mirrored(total)

    def _contraction(self, layer: Layer, pairs: Pairs) -> Contraction:
        subject = self._subject
        method = subject.survey.by_function.get(layer.parameters[0])
        if method is not None:
            return FunctionRows(layer, pairs, subject.network, method)
        rotation = self._rotations.get(layer)
        cotangents = len(subject.cotangents)
        return contraction_of(layer, pairs, subject.network, cotangents, self._scratch, rotation)

    def _run(self, sweep: Sweep, samples: Samples, total: Tensor) -> None:
        subject = self._subject
        for group in sweep.groups:
            for one in sweep.contractions:
                one.begin(len(group))
            before = sum(one.seconds for one in sweep.contractions)
            started = time.perf_counter()
            for where, batch in samples.batches(subject.chunk):
                taken = Pass(subject.network, batch, subject.survey.reading)
                nodes = [node for one in sweep.contractions for node in one.see(where, taken)]
                for which, cotangent in enumerate(subject.cotangents[group.start : group.stop]):
                    of_outputs = taken.gradients(cotangent, nodes)
                    for one in sweep.contractions:
                        one.put(which, cotangent, of_outputs)
                for one in sweep.contractions:
                    one.end_batch()
            own = sum(one.seconds for one in sweep.contractions) - before
            self.pass_seconds += max(time.perf_counter() - started - own, 0.0)
            for one in sweep.contractions:
                one.add_to(total)
                one.release()

    def _in_halves(self, left: range, right: range | None, reason: TooLarge) -> Tensor:
        """Return a block in parts, each of which keeps less but takes passes of its own."""
        if len(left) + len(right or ()) < 4:
            raise MemoryError(
                f"expected memory_budget to hold three samples, got {size_in_words(self._budget)} for them "
                f"where {reason}: raise it, or use outputs='random'"
            )
        if right is not None and len(right) > len(left):
            return torch.cat([self.between(left, part) for part in _halves(right)], dim=1)
        upper, lower = _halves(left)
        if right is not None:
            return torch.cat([self.between(part, right) for part in (upper, lower)])
        across = self.between(upper, lower)
        above = torch.cat((self.between(upper), across), dim=1)
        return torch.cat((above, torch.cat((across.T, self.between(lower)), dim=1)))

    def _enter(self, one: Contraction) -> None:
        flops = one.flops(len(self._subject.cotangents))
        before = self._accounts.get(one.layer)
        self._accounts[one.layer] = LayerAccount(
            one.layer.name,
            one.method,
            one.layer.parameters,
            one.layer.size,
            flops + (before.flops if before else 0),
            one.seconds + (before.seconds if before else 0),
        )


def _halves(samples: range) -> tuple[range, range]:
    middle = samples.start + len(samples) // 2
    return range(samples.start, middle), range(middle, samples.stop)
