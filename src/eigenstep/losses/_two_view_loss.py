"""What all losses of two views share: the call, the checks, the precision and the joint batch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch import distributed as dist

from eigenstep.analysis import Landmark
from eigenstep.embeddings import type_name, wide_type
from eigenstep.losses._joint_batch import JointBatch, gather_batch, gather_views
from eigenstep.losses._landmarks import landmarks_over_processes
from eigenstep.losses._pairs_of_views import check_global, mean_over_pairs

# What was measured where the gradient at the embeddings is multiplied by (Cov + damping)^-power.
LOWERED_ACCURACY = (
    "for losses that normalise it lowers what is learned (VICReg with AdamW: accuracy .447 without, .427 with"
    " it at 400 steps)"
)
FAILS_BY_INNER_PRODUCT = "for NT-Xent by inner product it fails where it was tried"


class TwoViewLoss(nn.Module, ABC):
    """A loss of two views' embeddings: a weighted sum of named terms.

    A subclass gives `weights` and `_terms`, which receives the checked embeddings of the whole batch,
    of all ranks if `gather_distributed`, in float32 or float64, outside autocast. Where adding the terms
    up would lose digits it gives `_loss` and `_loss_and_terms` as well. What it is by itself, constant
    embeddings and so on, it says by `_landmarks`.

    With `gather_distributed` and no process group initialised, the joint batch is this process's own.

    Of more than two views, see `of_views`, the loss is the mean over pairs of them. A subclass whose
    definition is of any number of views sets `more_views` to "together" and finds them in the batch's
    `views`; one that knows two alone sets it to "refused".
    """

    min_pairs = 1
    more_views: ClassVar[Literal["by_pairs", "together", "refused"]] = "by_pairs"

    def __init__(self, gather_distributed: bool) -> None:
        super().__init__()
        if not dist.is_available() and gather_distributed:
            raise ValueError(
                "gather_distributed=True needs torch.distributed, which this build of torch lacks; use False"
            )
        self.gather_distributed = gather_distributed

    def forward(self, z_a: Tensor, z_b: Tensor) -> Tensor:
        """The loss of embeddings z_a and z_b, both (batch, dim): a scalar.

        The scalar is float64 for float64 embeddings and float32 for all others.

        Raises
        ------
        TypeError
            For anything but tensors: a loss needs gradients, so arrays are not converted.
        ValueError
            For embeddings that are not two floating-point tensors of one shape (batch, dim) on one device, or
            too few of them for the loss to be defined.
        """
        with outside_autocast(z_a=z_a, z_b=z_b):
            return self._loss(self._joint_batch(z_a, z_b))

    def terms(self, z_a: Tensor, z_b: Tensor) -> dict[str, Tensor]:
        """The terms of the loss by name, each a scalar before its factor in `weights`."""
        with outside_autocast(z_a=z_a, z_b=z_b):
            return self._terms(self._joint_batch(z_a, z_b))

    def loss_and_terms(self, z_a: Tensor, z_b: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What the call and `terms` give, computed once; the terms carry no gradient."""
        with outside_autocast(z_a=z_a, z_b=z_b):
            return self._loss_and_terms(self._joint_batch(z_a, z_b))

    def landmarks(
        self, pairs: int, dim: int, *, processes: int = 1, classes: int | None = None
    ) -> list[Landmark]:
        """The values that the loss has by itself, by formula: what its value is to be compared with.

        Parameters
        ----------
        pairs : int
            n, of the batches of all processes together.
        dim : int
            d, of the embeddings.
        processes : int
            That share the batch evenly.
        classes : int | None
            How many there are, equally frequent, for losses that take labels.

        Returns
        -------
        list[Landmark]
            Chance, what is learned by nothing, constant embeddings, the floor, where they are known; see
            docs/verdicts.md for the formulas. With `gather_distributed` and several processes also chance in
            the batch of one of them.

        Raises
        ------
        ValueError
            For a batch that is not a multiple of the processes, or smaller than the loss needs.
        """
        if dim < 1:
            raise ValueError(f"dim expects at least 1, got {dim}")
        return landmarks_over_processes(
            lambda seen: self._landmarks(seen, dim, classes),
            pairs,
            processes,
            gathers=self.gather_distributed,
            least=self.min_pairs,
        )

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        """Of a batch that the loss sees as one; none are known unless a loss says so."""
        return []

    def of_views(self, views: Sequence[Tensor], n_global: int = 2) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of two views or more, and its terms without gradient.

        Parameters
        ----------
        views : Sequence[Tensor]
            Embeddings (batch, dim), row i of all from the same sample.
        n_global : int
            How many of them, the first ones, are of large crops, at least two; see `mean_over_pairs`.

        Raises
        ------
        TypeError, ValueError
            As the call; ValueError also for a loss that takes two views alone.

        Examples
        --------
        >>> from eigenstep.losses import BarlowTwinsLoss
        >>> a, b, c = torch.randn(3, 8, 2, generator=torch.Generator().manual_seed(0))
        >>> loss = BarlowTwinsLoss()
        >>> bool(torch.isclose(loss.of_views([a, b, c])[0], (2 * loss(a, b) + loss(a, c) + loss(b, c)) / 4))
        True
        """
        if len(views) > 2 and self.more_views == "refused":
            raise ValueError(f"{type(self).__name__} takes two views, got {len(views)}")
        check_global(n_global, len(views))
        if self.more_views == "together":
            with outside_autocast(**named_views(views)):
                return self._loss_and_terms(self._joint_batch_of(views, n_global))
        if len(views) == 2:
            return self.loss_and_terms(*views)
        return mean_over_pairs(self.loss_and_terms, views, n_global)

    @property
    @abstractmethod
    def weights(self) -> Mapping[str, float]:
        """The factor of each term in the loss."""

    @abstractmethod
    def _terms(self, batch: JointBatch) -> dict[str, Tensor]: ...

    @property
    def refuses_preconditioning(self) -> str | None:
        """Why the gradient at the embeddings is not to be preconditioned, None where that serves.

        See `eigenstep.optim.EmbeddingPreconditioner`. A loss is refused until it says otherwise.
        """
        return "nobody has measured that it serves there"

    def _loss(self, batch: JointBatch) -> Tensor:
        return self._weighted_sum(self._terms(batch))

    def _loss_and_terms(self, batch: JointBatch) -> tuple[Tensor, dict[str, Tensor]]:
        terms = self._terms(batch)
        return self._weighted_sum(terms), {name: term.detach() for name, term in terms.items()}

    def _weighted_sum(self, terms: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()

    def _joint_batch(self, z_a: Tensor, z_b: Tensor, labels: Tensor | None = None) -> JointBatch:
        z_a, z_b = _checked(z_a, z_b)
        if self.gather_distributed:
            batch = gather_batch(z_a, z_b, labels)
        else:
            batch = JointBatch(z_a, z_b, labels=labels)
        if len(batch.z_a) < self.min_pairs:
            raise ValueError(
                f"{type(self).__name__} expects a batch of at least {self.min_pairs} pairs, "
                f"got {len(batch.z_a)}; use a larger batch or drop the last, incomplete one"
            )
        return batch

    def _joint_batch_of(self, views: Sequence[Tensor], n_global: int) -> JointBatch:
        """The joint batch of two views or more."""
        z_a, z_b, *others = views
        further = tuple(_checked(z_a, other)[1] for other in others)
        if self.gather_distributed:
            further = tuple(gather_views(further))
        return replace(self._joint_batch(z_a, z_b), further=further, n_global=n_global)


def named_views(views: Sequence[Tensor]) -> dict[str, Tensor]:
    """Views under the names that errors have for them."""
    return {f"view {number}": view for number, view in enumerate(views)}


def outside_autocast(**given: Tensor) -> torch.autocast:
    """The context in which a loss of these tensors computes. Raises TypeError if one is not a tensor."""
    others = {name: type_name(value) for name, value in given.items() if not isinstance(value, Tensor)}
    if others:
        came = " and ".join(f"{kind} as {name}" for name, kind in others.items())
        raise TypeError(
            f"expected tensors, got {came}; a loss needs gradients, so arrays are not converted: pass the"
            f" model's output, or torch.as_tensor({next(iter(others))})"
        )
    return torch.autocast(next(iter(given.values())).device.type, enabled=False)


def check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise a ValueError that names the choices unless `value` is one of them."""
    if value not in choices:
        expected = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"{option} expects {expected}, got {value!r}")


def check_positive(option: str, value: float) -> None:
    """Raise a ValueError unless the value is above zero."""
    if not value > 0:
        raise ValueError(f"{option} expects a positive number, got {value}")


def _checked(z_a: Tensor, z_b: Tensor) -> tuple[Tensor, Tensor]:
    """Both embeddings in their common precision, float32 or better."""
    shapes = f"{tuple(z_a.shape)} and {tuple(z_b.shape)}"
    if z_a.ndim != 2 or z_b.ndim != 2:
        raise ValueError(f"z_a and z_b must have shape (batch, dim), got {shapes}; flatten other axes first")
    if z_a.shape != z_b.shape:
        raise ValueError(f"z_a and z_b must have the same shape, got {shapes}; row i of both is one sample")
    if z_a.numel() == 0:
        raise ValueError(f"z_a and z_b must not be empty, got {shapes}")
    if not (z_a.is_floating_point() and z_b.is_floating_point()):
        dtypes = f"{z_a.dtype} and {z_b.dtype}"
        raise ValueError(f"z_a and z_b must be floating-point tensors, got {dtypes}; convert with .float()")
    if z_a.device != z_b.device:
        raise ValueError(f"z_a and z_b must be on one device, got {z_a.device} and {z_b.device}")
    # Products of embeddings overflow in float16 at 256 and keep 3 digits in bfloat16.
    dtype = torch.promote_types(wide_type(z_a.dtype), wide_type(z_b.dtype))
    return z_a.to(dtype), z_b.to(dtype)
