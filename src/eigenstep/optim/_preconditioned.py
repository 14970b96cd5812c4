"""Any loss of two views, with its gradient at the embeddings preconditioned."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.analysis import Landmark
from eigenstep.losses import LOWERED_ACCURACY, TwoViewLoss, VICRegLoss
from eigenstep.optim._embedding_preconditioner import EmbeddingPreconditioner


class Preconditioned(nn.Module):
    """A loss whose gradient at the embeddings is multiplied by (Cov + damping)^-power: its value stays.

    Parameters
    ----------
    loss : Callable[..., Tensor]
        `(z_a, z_b) -> scalar`, a module or a function, with embeddings (batch, dim). Further arguments of the
        call are handed on.
    check : bool
        Refuse losses for which this is of no use; False insists. What normalises embeddings over the batch
        or by cosines is refused, for there P lowers what is learned (VICReg with AdamW: accuracy .447
        without, .427 with it at 400 steps), and NT-Xent by inner product, where it fails. Eigenstep's losses
        say so themselves, when this is built. Others are called with random embeddings, and with twice
        these, before the first call: a loss that does not change normalises, over the batch or by cosines. A
        copy of the loss is asked, and torch's random state stays. VICReg of other libraries is known by its
        name; that a contrastive loss takes inner products cannot be seen.
    options
        Of `EmbeddingPreconditioner`: power, damping, decay, every, center. `center` is by default what the
        loss says of itself (`loss.center`), and True where it says nothing.

    Attributes
    ----------
    preconditioner : EmbeddingPreconditioner
        With `gain`, the largest factor so far, and `skipped`. Its state is in `state_dict()`.

    Raises
    ------
    ValueError
        In one line, with the reason, for a loss that is refused.
    TypeError
        If the loss cannot be called.

    Examples
    --------
    >>> from eigenstep.losses import BarlowTwinsLoss
    >>> loss = Preconditioned(BarlowTwinsLoss(1.0, normalize="none"), power=0.5)
    >>> z = torch.randn(8, 3, requires_grad=True)
    >>> loss(z, z).backward()
    """

    more_views = "refused"  # each call moves the covariance on

    def __init__(self, loss: Callable[..., Tensor], *, check: bool = True, **options: Any) -> None:
        super().__init__()
        if not callable(loss):
            raise TypeError(f"expected a loss that can be called as loss(z_a, z_b), got {loss!r}")
        known = isinstance(loss, TwoViewLoss)
        if check and (reason := _known_reason(loss)):
            raise _refused(loss, reason)
        self.loss = loss
        said = getattr(loss, "center", True)  # of DINO's loss a vector
        center = said if isinstance(said, bool) else True
        self.preconditioner = EmbeddingPreconditioner(**{"center": center} | options)
        self._to_be_tried = check and not known

    def forward(self, z_a: Tensor, z_b: Tensor, *others: Any) -> Tensor:
        """The loss's own value of z_a and z_b, both (batch, dim)."""
        if self._to_be_tried:
            self._try(z_a, *others)
            self._to_be_tried = False
        return self.loss(*self.preconditioner(z_a, z_b), *others)

    @property
    def gather_distributed(self) -> bool:
        """Whether the loss gathers the batches of all processes by itself."""
        return bool(getattr(self.loss, "gather_distributed", False))

    @property
    def terms(self) -> Callable[..., dict[str, Tensor]]:
        """The loss's own, where it has some."""
        found: Callable[..., dict[str, Tensor]] = self.loss.terms  # type: ignore[attr-defined]
        return found

    @property
    def landmarks(self) -> Callable[..., list[Landmark]]:
        """The loss's own, where it has some: its value is that of the loss."""
        found: Callable[..., list[Landmark]] = self.loss.landmarks  # type: ignore[attr-defined]
        return found

    def _try(self, z: Tensor, *others: Any) -> None:
        """Raise ValueError if a copy of the loss does not notice a scale."""
        if not isinstance(z, Tensor) or z.ndim != 2 or not z.is_floating_point():
            return  # refused in words by the preconditioner
        generator = torch.Generator().manual_seed(0)
        common, noise_a, noise_b = torch.randn(3, *z.shape, generator=generator).to(z)
        z_a, z_b = common + 0.5 * noise_a + 0.2, common + 0.5 * noise_b + 0.2
        devices = [z.device] if z.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            try:
                value = self._value(z_a, z_b, *others)
                doubled = self._value(2 * z_a, 2 * z_b, *others)
            except Exception as error:
                reason = str(error).strip().partition("\n")[0] or type(error).__name__
                raise ValueError(
                    f"{_name(self.loss)} could not be called with random embeddings, to see whether it"
                    f" normalises them ({reason}); check=False leaves this out"
                ) from error
        # eps in batch norms leaves changes of 1e-5. Who is blind to each dimension's scale is so to this one.
        if abs(doubled - value) <= 1e-3 * abs(value):
            reason = f"its value is the same for embeddings twice as large; {LOWERED_ACCURACY}"
            raise _refused(self.loss, reason)

    def _value(self, z_a: Tensor, z_b: Tensor, *others: Any) -> float:
        torch.manual_seed(0)  # of a random loss the same draws
        return float(copy.deepcopy(self.loss)(z_a, z_b, *others))


def _known_reason(loss: Any) -> str | None:
    if isinstance(loss, TwoViewLoss):
        return loss.refuses_preconditioning
    if "vicreg" in _name(loss).lower():
        return VICRegLoss().refuses_preconditioning
    return None


def _refused(loss: Any, reason: str) -> ValueError:
    return ValueError(
        f"{_name(loss)} is not preconditioned: {reason}; expected a loss that does not normalise, such as"
        ' BarlowTwinsLoss(normalize="none"); check=False insists'
    )


def _name(loss: Any) -> str:
    return getattr(loss, "__name__", type(loss).__name__)
