"""The gradient at the embeddings, multiplied by a power of their own inverse covariance."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.embeddings import type_name, wide_type
from eigenstep.machine import sum_over_processes
from eigenstep.spectrum.moments import full_precision


class EmbeddingPreconditioner(nn.Module):
    """Leaves embeddings as they are, and multiplies the gradient that comes back by (Cov + damping)^-power.

    Cov is a running mean of the covariance of both views together. Directions in which the embeddings
    hardly vary yet, the late modes, get the larger gradient. Under un-normalised Barlow Twins an eigenvalue
    lambda of the linear model's C then follows

        lambda' = 8 gamma lambda (1 - lambda) (lambda + damping)^-power

    in place of the logistic; the modes and their order stay.

    Parameters
    ----------
    power : float
        Positive. 1/2 equalises rates partly, 1 as far as damping lets it.
    damping : float
        Positive, in units of squared embeddings: directions of less variance than this are treated alike. No
        gradient grows by more than damping^-power.
    decay : float
        Of the running mean, a step, in [0, 1): .9 remembers about ten batches.
    every : int | None
        Steps between two computations of the power; the first steps compute it at each power of two as well,
        for one batch says little. Default: 1 below 512 dimensions, then (dim // 256)^2, so 4 at 512, 16 at
        1024 and 64 at 2048: on a core an eigendecomposition of 256 dimensions takes 3 ms, of 2048 .8 s. With
        power 1, which takes a Cholesky factor and no eigendecomposition: (dim // 512)^2, so 1 below 1024.
    center : bool
        Subtract each batch's mean, of both views together, as the loss does; without, Cov is the second
        moment.

    Attributes
    ----------
    gain : Tensor
        The largest factor by which a gradient has been multiplied, a scalar. With power 1 it is an
        estimate from below, of a few products with one vector.
    skipped : Tensor
        How many batches' statistics were not finite, and were left out; int64 scalar.

    Raises
    ------
    TypeError
        For what is no tensor.
    ValueError
        In one line for options out of range, and for embeddings that are not two floating-point tensors of
        one shape (batch, dim) on one device, with at least two rows and the dimension of the calls before.

    Notes
    -----
    Statistics are taken in the forward pass, in training mode and with gradients enabled, so that a step's
    own batch is part of what its gradient is multiplied by; in evaluation mode the last power is used. A call
    is a step: activation checkpointing around this module would count twice. Before any finite batch the
    gradient stays as it is.

    All state is in buffers, of the dimension of the first call: `state_dict` carries it. Buffers follow the
    embeddings to their device. They are float64 for float64 embeddings and float32 for all others, also under
    autocast, and with all its digits where `torch.set_float32_matmul_precision` allows fewer. A mean over ten
    batches loses nothing in float32, whose rounding of Cov, 1e-7 of its largest eigenvalue, is far below any
    damping of use, and in float64 an eigendecomposition takes three times as long.

    With torch.distributed initialised, Cov is that of the joint batch, and every process must call.

    Cov must not be replaced by the batch's own cross-correlation of the two views: that is not positive in
    directions of noise, and training diverges. For losses that normalise over the batch or by cosines it
    is of no use, see `Preconditioned`.

    Examples
    --------
    >>> preconditioner = EmbeddingPreconditioner(power=0.5, damping=1e-3, center=False)
    >>> z = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.1], [0.0, -0.1]], requires_grad=True)
    >>> z_a, z_b = preconditioner(z, z)                     # variances .5 and .005
    >>> z_a.sum().backward()
    >>> z.grad[0]                                           # .501^-.5 and .006^-.5
    tensor([ 1.4128, 12.9099])
    >>> preconditioner.gain
    tensor(12.9099)
    """

    moment: Tensor
    weight: Tensor
    transform: Tensor
    factor: Tensor
    gain: Tensor
    recent: Tensor
    skipped: Tensor
    updates: Tensor

    def __init__(
        self,
        power: float = 0.5,
        damping: float = 1e-3,
        decay: float = 0.9,
        every: int | None = None,
        center: bool = True,
    ) -> None:
        super().__init__()
        if not 0 < power < torch.inf:
            raise ValueError(f"power: expected a positive number, got {power}")
        if not 0 < damping < torch.inf:
            raise ValueError(f"damping: expected a positive number, got {damping}")
        if not 0 <= decay < 1:
            raise ValueError(f"decay: expected a number in [0, 1), got {decay}")
        if every is not None and (every < 1 or every != int(every)):
            raise ValueError(f"every: expected a whole number from 1, got {every}")
        self.power, self.damping, self.decay = power, damping, decay
        self.every, self.center = every, center
        self.register_buffer("moment", torch.zeros(0, 0))
        self.register_buffer("weight", torch.zeros(()))
        self.register_buffer("transform", torch.zeros(0, 0))
        self.register_buffer("factor", torch.zeros(()))
        self.register_buffer("gain", torch.zeros(()))
        self.register_buffer("recent", torch.zeros(()))
        self.register_buffer("skipped", torch.zeros((), dtype=torch.int64))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self._updates = 0  # the same, known without waiting for the device

    def forward(self, z_a: Tensor, z_b: Tensor) -> tuple[Tensor, Tensor]:
        """The embeddings z_a and z_b, both (batch, dim), whose gradient is multiplied on its way back."""
        self._check(z_a, z_b)
        if self.training and torch.is_grad_enabled():
            with torch.no_grad():
                self._follow(z_a, z_b)
                with full_precision(self.moment):
                    self._update(torch.cat([z_a, z_b]).to(self.moment.dtype))
        return self._multiplying(z_a), self._multiplying(z_b)

    def steps_between(self, dim: int) -> int:
        """Steps between two computations of the power of a (dim, dim) covariance.

        Examples
        --------
        >>> [EmbeddingPreconditioner().steps_between(dim) for dim in (64, 256, 512, 2048)]
        [1, 1, 4, 64]
        """
        return self.every or max(1, dim // (512 if self.power == 1 else 256)) ** 2

    def take_gain(self) -> Tensor:
        """The largest factor since the last call of this method, a scalar; 0 if there was no step."""
        taken, self.recent = self.recent, torch.zeros_like(self.recent)
        return taken

    def extra_repr(self) -> str:
        return (
            f"power={self.power}, damping={self.damping}, decay={self.decay}, every={self.every}, "
            f"center={self.center}"
        )

    def _multiplying(self, z: Tensor) -> Tensor:
        if not (z.requires_grad and torch.is_grad_enabled() and self.transform.numel()):
            return z
        # Kept by the hook as it is now: a later step has a tensor of its own.
        transform = self.transform

        def multiply(gradient: Tensor) -> Tensor:
            with full_precision(transform):
                return (gradient.to(transform.dtype) @ transform).to(gradient.dtype)

        # A copy, for a loss that changes its arguments in place would lead a view's gradient past the hook.
        passed = z.clone()
        passed.register_hook(multiply)
        return passed

    def _update(self, z: Tensor) -> None:
        """Take in a batch, (2 batch, dim), of this process."""
        dim = z.shape[1]
        total = sum_over_processes(torch.cat([z.sum(0), z.square().sum(0), z.new_full((1,), len(z))]))
        # All on the device, which no step waits for; with a step of 0 everything stays to the bit. Where no
        # square overflows no product does.
        finite = torch.isfinite(total).all()
        if self.center:  # before the products, which would lose a small variance beside a large mean
            z = z - total[:dim] / total[-1]
        z = torch.where(finite, z / total[-1].sqrt(), 0)
        step = (1 - self.decay) * finite.to(z.dtype)
        self.moment.lerp_(sum_over_processes(z.T @ z), step)
        self.weight = self.weight + step * (1 - self.weight)
        self.skipped = self.skipped + ~finite
        self.updates = self.updates + 1
        self._updates += 1
        if self._is_due():
            self._compute()
        self.gain = torch.maximum(self.gain, self.factor)
        self.recent = torch.maximum(self.recent, self.factor)

    def _is_due(self) -> bool:
        every = self.steps_between(len(self.moment))
        past = self._updates - 1
        return past % every == 0 or (past < every and self._updates.bit_count() == 1)

    def _compute(self) -> None:
        """The power of the mean so far, and its largest eigenvalue."""
        identity = torch.eye(len(self.moment), dtype=self.moment.dtype, device=self.moment.device)
        mean = self.moment / self.weight.clamp(min=torch.finfo(self.weight.dtype).tiny)
        damped = torch.where(self.weight > 0, mean + self.damping * identity, identity)
        if self.power == 1:
            cholesky, failed = torch.linalg.cholesky_ex(damped)
            if not failed:
                # In rows, as a checkpoint gives it back: products round by the order in memory.
                self.transform = torch.cholesky_inverse(cholesky).contiguous()
                self.factor = _largest_eigenvalue(self.transform)
                return
        # MPS has no eigendecomposition. Rounding makes eigenvalues below the damping, which none can have.
        on_cpu = damped.cpu() if damped.device.type == "mps" else damped
        values, vectors = (found.to(damped.device) for found in torch.linalg.eigh(on_cpu))
        factors = values.clamp(min=min(self.damping, 1.0)) ** -self.power
        self.transform = (vectors * factors) @ vectors.T
        self.factor = factors.max()

    def _follow(self, z_a: Tensor, z_b: Tensor) -> None:
        """Buffers on the embeddings' device, in their precision or float32, made at the first step."""
        dtype = wide_type(self.moment.dtype)
        for z in (z_a, z_b):
            dtype = torch.promote_types(dtype, wide_type(z.dtype))
        if self.moment.device != z_a.device or self.moment.dtype != dtype:
            self.to(z_a.device, dtype)
        if not self.moment.numel():
            self.moment = torch.zeros(z_a.shape[1], z_a.shape[1], dtype=dtype, device=z_a.device)

    def _check(self, z_a: Tensor, z_b: Tensor) -> None:
        for name, z in (("z_a", z_a), ("z_b", z_b)):
            if not isinstance(z, Tensor):
                raise TypeError(f"expected tensors, got {type_name(z)} as {name}; pass the model's output")
        shapes = f"{tuple(z_a.shape)} and {tuple(z_b.shape)}"
        if z_a.ndim != 2 or z_a.shape != z_b.shape:
            raise ValueError(
                f"z_a and z_b must have one shape (batch, dim), got {shapes}; flatten other axes"
            )
        if len(z_a) < 2 or not z_a.shape[1]:
            raise ValueError(f"expected at least 2 pairs of embeddings, got {shapes}; use a larger batch")
        if not (z_a.is_floating_point() and z_b.is_floating_point()):
            raise ValueError(f"expected floating-point embeddings, got {z_a.dtype} and {z_b.dtype}")
        if z_a.device != z_b.device:
            raise ValueError(f"z_a and z_b must be on one device, got {z_a.device} and {z_b.device}")
        if self.moment.numel() and len(self.moment) != z_a.shape[1]:
            raise ValueError(
                f"expected embeddings of {len(self.moment)} dimensions, as before, got {z_a.shape[1]};"
                " each encoder needs a preconditioner of its own"
            )

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *others: Any) -> None:
        for name in self._buffers:  # whose size and precision are those of the embeddings seen
            if isinstance(saved := state_dict.get(prefix + name), Tensor):
                setattr(self, name, torch.zeros_like(saved, device=self.weight.device))
        super()._load_from_state_dict(state_dict, prefix, *others)
        self._updates = int(self.updates)


def _largest_eigenvalue(matrix: Tensor) -> Tensor:
    """Of a positive definite matrix, from below: Rayleigh-Ritz in a Krylov space of one random vector."""
    start = torch.randn(len(matrix), generator=torch.Generator().manual_seed(0))
    columns = [start.to(matrix)]
    for _ in range(min(len(matrix), 16) - 1):
        following = matrix @ columns[-1]
        columns.append(following / following.norm())
    basis = torch.linalg.qr(torch.stack(columns, dim=1))[0]
    return torch.linalg.eigvalsh(basis.T @ matrix @ basis).max()
