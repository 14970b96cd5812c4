"""One step of training: the forward pass to the loss, and the gradient of it."""

import contextlib
import copy
import itertools
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from eigenstep.encoders import Encoder, TwoEncoders, as_input
from eigenstep.methods import Embeddings, Objective, TargetNetwork, check_outcome
from eigenstep.optim import EmbeddingPreconditioner
from eigenstep.training._compile import compile_network
from eigenstep.training._engine import Engine
from eigenstep.training._seeds import derived_seed

Network = TypeVar("Network", bound=nn.Module)
_Given = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]


@dataclass(frozen=True)
class ForwardPass:
    """What a forward pass gave, and what the backward pass needs of it.

    Attributes
    ----------
    loss : Tensor
        a scalar.
    terms : dict[str, Tensor]
        Of the loss, by name, each a scalar before its weight and without gradient.
    features : tuple[Tensor, Tensor]
        Of the two views, each (b, p).
    embeddings : tuple[Tensor, ...]
        Of all views as the encoder gave them, each (b, d).
    batch : Embeddings
        What the objective was given: the same numbers, behind the preconditioner where there is one.
    step, views
        Which step it was, and the images that the encoder saw, each (b, C, H, W).
    """

    loss: Tensor
    terms: dict[str, Tensor]
    features: tuple[Tensor, Tensor]
    embeddings: tuple[Tensor, ...]
    batch: Embeddings
    step: int
    views: tuple[Tensor, ...]


class Learner:
    """Holds the networks of a run on their device, and computes losses and gradients.

    The batch may pass the encoder in parts of `micro_batch_size` images. Then the embeddings of all parts
    are computed first, without their graphs; the objective sees the whole batch and gives the gradient
    at each embedding; and each part passes once more, with its graph, to take its share of the gradient
    on to the weights (gradient caching, Gao et al. 2021, arXiv:2101.06983). This is the gradient of the
    whole batch's loss, but for batch normalisation, which sees a part at a time.

    Views of one size pass the encoder as one batch, local ones, which are smaller, as a batch of their own.

    Parameters
    ----------
    engine : Engine
        The engine.
    encoder : Encoder
        On the CPU; it is moved to the device.
    objective : Objective
        Likewise, its parameters are trained too.
    target : TargetNetwork | None
        The slowly following copy of the encoder, if the objective needs one.
    micro_batch_size : int | None
        Images that pass the encoder at once; None for all.
    seed : int
        Determines what is random within the networks, such as dropout.
    compiled : bool
        Compile the encoder.
    preconditioner : EmbeddingPreconditioner | None
        Between the encoder and the objective, if the gradient at the embeddings is preconditioned.
    global_views : int
        How many of the views are global ones; the first two are measured.
    local_views : int
        How many further ones there are.

    Examples
    --------
    >>> from eigenstep.encoders import OwnEncoder
    >>> from eigenstep.methods import METHODS
    >>> from eigenstep.training import OneProcess
    >>> method, encoder = METHODS["vicreg"], OwnEncoder(nn.Linear(5, 3))
    >>> learner = Learner(OneProcess("cpu", "32-true"), encoder, method.build(method.options(), 3, 2))
    >>> passed = learner.forward(0, (torch.randn(8, 5), torch.randn(8, 5)))
    >>> sorted(passed.terms), [tuple(z.shape) for z in passed.embeddings]
    (['covariance', 'invariance', 'variance'], [(8, 3), (8, 3)])
    """

    def __init__(
        self,
        engine: Engine,
        encoder: Encoder,
        objective: Objective,
        target: TargetNetwork | None = None,
        *,
        micro_batch_size: int | None = None,
        seed: int = 0,
        compiled: bool = False,
        preconditioner: EmbeddingPreconditioner | None = None,
        global_views: int = 2,
        local_views: int = 0,
    ) -> None:
        self.engine = engine
        self.global_views, self.local_views = global_views, local_views
        self.micro_batch_size = micro_batch_size
        self.seed = seed
        self.encoder = self._to_device(encoder)
        self.objective = self._to_device(objective)
        self.target = self._to_device(target) if target else None
        self.preconditioner = self._to_device(preconditioner) if preconditioner else None
        self._objective_is_trained = any(True for _ in objective.parameters())
        self._passes = _Passes(self.encoder)
        self._model: nn.Module = engine.wrap(self._passes)
        self._objective: nn.Module = (
            engine.wrap(self.objective) if self._objective_is_trained else self.objective
        )
        if compiled:
            self._model = compile_network(self._model)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights, and so of the images that the encoder takes."""
        return next(self.encoder.parameters()).dtype

    @property
    def parts(self) -> dict[str, nn.Module]:
        """Everything that has weights to keep, by the name of its file in a checkpoint."""
        named = {"backbone": self.encoder.backbone}
        others = {
            "projector": self.encoder.projector,
            "objective": self.objective,
            "target": self.target,
            "preconditioner": self.preconditioner,
        }
        return named | {name: module for name, module in others.items() if module and module.state_dict()}

    def forward(self, step: int, views: tuple[Tensor, ...], labels: Tensor | None = None) -> ForwardPass:
        """The loss of views, each (b, C, H, W), of this process's images: two, or global and local ones."""
        views, given = self._altered(step, views)
        micro = self._micro_batches(views)
        if len(micro) == 1:
            encoded = [self._encode(self._model, step, 0, micro[0])]
        else:
            with torch.no_grad():
                encoded = [self._encode(self._passes, step, index, part) for index, part in enumerate(micro)]
        f_a, f_b, *z = (torch.cat(rows) if len(rows) > 1 else rows[0] for rows in zip(*encoded, strict=True))
        if len(micro) > 1:
            for each in z:
                each.requires_grad_()
        z_a, z_b, *crops = z
        with self.engine.autocast():
            to_a, to_b = self.preconditioner(z_a, z_b) if self.preconditioner else (z_a, z_b)
            targets = self._target_embeddings(micro)
            target_a, target_b = targets[:2] if targets else (None, None)
            seen = (to_a, to_b, labels, target_a, target_b, *given, step, self._generator(step))
            batch = Embeddings(*seen, tuple(crops), self.global_views, targets[2:])
            loss, terms = self._evaluate(self._objective, batch)
        return ForwardPass(loss, terms, (f_a.detach(), f_b.detach()), tuple(z), batch, step, views)

    def _altered(self, step: int, views: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], _Given]:
        """What the encoder sees of the views, and what the objective is told of them: views and numbers."""
        if not self.objective.needs_views:
            return views, (None,) * 4
        view_a, view_b = views  # objectives that are given views take two
        if not self.objective.draws:
            return views, (view_a, view_b, None, None)
        shape = (2, self.engine.world_size, len(views[0]), self.objective.draws)
        generator = torch.Generator().manual_seed(derived_seed(self.seed, 7, step))
        # All processes draw for the joint batch, as one process would.
        drawn = torch.rand(shape, generator=generator)[:, self.engine.global_rank].to(views[0].device)
        with torch.no_grad():
            first, second = (self.objective.alter(*each) for each in zip(views, drawn, strict=True))
        return (first, second), (view_a, view_b, drawn[0], drawn[1])

    def gains(self) -> dict[str, float]:
        """How much the gradient at the embeddings was multiplied since the last call, nothing of plain runs.

        Also of a loss of one's own that is `Preconditioned`.
        """
        found = self._preconditioner()
        if found is None:
            return {}
        numbers = torch.stack([found.take_gain(), found.skipped.to(found.gain)]).tolist()
        return dict(zip(("embedding_gain", "skipped_statistics"), numbers, strict=True))

    def largest_gain(self) -> dict[str, float]:
        """The largest of all steps, nothing of plain runs."""
        found = self._preconditioner()
        return {} if found is None else {"largest_gain": float(found.gain)}

    def _preconditioner(self) -> EmbeddingPreconditioner | None:
        inside = (each for each in self.objective.modules() if isinstance(each, EmbeddingPreconditioner))
        return self.preconditioner or next(inside, None)

    def try_objective(self, pairs: int, dim: int, classes: int, view: tuple[int, ...]) -> None:
        """See that a copy of the objective gives a loss of embeddings that mean nothing, (pairs, dim) each.

        Parameters
        ----------
        view : tuple[int, ...]
            The shape of one view.

        Raises
        ------
        ValueError
            If the loss cannot be minimised, in one line.
        """
        generator = self._generator(0)
        drawn = (torch.randn(pairs, dim, generator=generator) for _ in range(4))
        z_a, z_b, target_a, target_b = (z.to(self.engine.device, self.dtype) for z in drawn)
        labels = torch.arange(pairs, device=self.engine.device) % classes
        _, given = self._altered(0, (torch.zeros(pairs, *view).to(z_a), torch.zeros(pairs, *view).to(z_a)))
        batch = Embeddings(
            z_a.requires_grad_(),
            z_b.requires_grad_(),
            labels if self.objective.needs_labels else None,
            target_a if self.target else None,
            target_b if self.target else None,
            *given,
            generator=generator,
            n_global=self.global_views,
            **self._tried_crops(pairs, dim, generator),
        )
        with self.engine.autocast():
            self._evaluate(copy.deepcopy(self.objective), batch)

    def _tried_crops(self, pairs: int, dim: int, generator: torch.Generator) -> dict[str, Any]:
        """Embeddings that mean nothing of the views beyond two, and targets of the global ones."""
        others = self.global_views - 2
        counts = {"crops": others + self.local_views, "crop_targets": others if self.target else 0}
        drawn = {
            name: torch.randn(count, pairs, dim, generator=generator).to(self.engine.device, self.dtype)
            for name, count in counts.items()
        }
        return {name: tuple(z.unbind()) for name, z in drawn.items()}

    def backward(self, passed: ForwardPass) -> None:
        """Add the loss's gradient to that of all trained parameters; over the processes, its mean."""
        micro = self._micro_batches(passed.views)
        if len(micro) == 1:
            self.engine.backward(passed.loss)
            return
        at_embeddings = torch.autograd.grad(
            passed.loss, passed.embeddings, retain_graph=self._objective_is_trained
        )
        if self._objective_is_trained:
            self.engine.backward(passed.loss)
        buffers = list(self.encoder.buffers())
        before = [buffer.clone() for buffer in buffers]  # running statistics have seen these parts already
        gradients = self._micro_batches(at_embeddings)
        for index, (part, gradient) in enumerate(zip(micro, gradients, strict=True)):
            with self._no_sync(index + 1 < len(micro)):
                _, _, *z = self._encode(self._model, passed.step, index, part)
                shares = [(each * at_each).sum() for each, at_each in zip(z, gradient, strict=True)]
                self.engine.backward(torch.stack(shares).sum())
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)

    def _evaluate(self, objective: nn.Module, batch: Embeddings) -> tuple[Tensor, dict[str, Tensor]]:
        # The same random state in every process, for losses that draw from torch's own.
        torch.manual_seed(derived_seed(self.seed, 6, batch.step))
        trained = batch.z_a.requires_grad and torch.is_grad_enabled()
        return check_outcome(objective(batch), type(self.objective).__name__, trained)

    def _generator(self, step: int) -> torch.Generator:
        return torch.Generator().manual_seed(derived_seed(self.seed, 5, step))

    def _encode(
        self, model: nn.Module, step: int, index: int, views: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """Features of the two first views and embeddings of all, in float32 or better.

        Views of one size pass as one batch; of two encoders, each its own.
        """
        # The same random state in both passes of a part, and after a run is resumed.
        torch.manual_seed(derived_seed(self.seed, 2, step, index, self.engine.global_rank))
        if isinstance(self.encoder.backbone, TwoEncoders):
            with self.engine.autocast():
                (sides,) = model(tuple(as_input(view, self.dtype) for view in views))
            f_a, f_b, z_a, z_b = (_wide(each) for pair in sides for each in pair)
            return f_a, f_b, z_a, z_b
        alike = [list(group) for _, group in itertools.groupby(views, key=lambda view: view.shape)]
        with self.engine.autocast():
            passed = model(*(as_input(torch.cat(group), self.dtype) for group in alike))
        f_a, f_b = _wide(passed[0][0]).chunk(len(alike[0]))[:2]
        embeddings = [_wide(z).chunk(len(group)) for (_, z), group in zip(passed, alike, strict=True)]
        return f_a, f_b, *itertools.chain.from_iterable(embeddings)

    def _target_embeddings(self, micro: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Of the global views; none where there is no target network."""
        if self.target is None:
            return ()
        count = self.global_views
        passed = [_wide(self.target(as_input(torch.cat(part[:count]), self.dtype))) for part in micro]
        return tuple(torch.cat(rows) for rows in zip(*(z.chunk(count) for z in passed), strict=True))

    def _micro_batches(self, views: tuple[Tensor, ...]) -> list[tuple[Tensor, ...]]:
        size = self.micro_batch_size or len(views[0])
        return list(zip(*(view.split(size) for view in views), strict=True))

    def _no_sync(self, quiet: bool) -> contextlib.AbstractContextManager[None]:
        """Leave the averaging over processes to a later backward pass."""
        if quiet and isinstance(self._model, DistributedDataParallel):
            return self._model.no_sync()
        return contextlib.nullcontext()

    def _to_device(self, module: Network) -> Network:
        """The module itself, in the run's precision; images of a CPU pass faster in channels-last order."""
        module = self.engine.to_device(module)
        volumes = any(parameter.ndim == 5 for parameter in module.parameters())
        return module if volumes else module.to(memory_format=torch.channels_last)


class _Passes(nn.Module):
    """Batches of several sizes pass the encoder in one call, as DistributedDataParallel needs it."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *batches: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [self.encoder(batch) for batch in batches]


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
