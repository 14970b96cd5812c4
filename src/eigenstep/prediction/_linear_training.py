"""Training of a kernel's own linear model under any loss: a network's, if its tangent kernel stood still."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.prediction._clock import Descent

# The embeddings of two views as they are, whose gradient is changed on its way back.
Preconditioning = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

# Directions of the kernel's functions below this share of the largest are rounding.
ROUNDING_OF_KERNEL = 1e-10


@dataclass(frozen=True, eq=False)
class LinearModelMoment:
    """The linear model at one step.

    Attributes
    ----------
    step, time
        Time is the sum of the learning rates of the steps taken.
    loss : float
        Of all pairs.
    embeddings : Tensor
        (N, d) of the views, float64.
    moved : Tensor
        (N, d) such that an image with kernel values k (N,) has the embedding f_0 + k^T moved.
    """

    step: int
    time: float
    loss: float
    embeddings: Tensor
    moved: Tensor


def train_linear_model(
    kernel: NDArray[np.float64],
    start: NDArray[np.float64],
    loss: Callable[[Tensor, Tensor], Tensor],
    rates: NDArray[np.float64],
    descent: Descent | None = None,
    preconditioner: Preconditioning | None = None,
) -> Iterator[LinearModelMoment]:
    """Yield the linear model before each step of gradient descent on all pairs, and after the last one.

        F = F_0 + K M,      V <- mu V + dL/dF,      M <- M - eta V       (Nesterov: M - eta (dL/dF + mu V))

    A model that is linear in its parameters, with kernel K, takes just these steps under torch's SGD: its
    embeddings move by the kernel times the loss's gradient at the embeddings. A network whose tangent kernel
    is K does as long as the kernel does not change.

    Parameters
    ----------
    kernel : NDArray[np.float64]
        (N, N) over all views, first the first of each pair, then the second.
    start : NDArray[np.float64]
        (N, d) F_0.
    loss : Callable[[Tensor, Tensor], Tensor]
        Of the two views' embeddings (n, d), as `eigenstep.losses`.
    rates : NDArray[np.float64]
        (steps,) learning rates.
    descent : Descent | None
        Whose momentum mu is; none by default.
    preconditioner : Preconditioning | None
        What the embeddings pass before the loss, such as `eigenstep.optim.EmbeddingPreconditioner`, which
        multiplies dL/dF by (Cov + damping)^-power with its running Cov. Called once a step, in order.

    Raises
    ------
    FloatingPointError
        The loss is not finite; names the step.

    Examples
    --------
    >>> from eigenstep.losses import BarlowTwinsLoss
    >>> loss = BarlowTwinsLoss(1.0, normalize="none", center=False, symmetrize=True)
    >>> views = np.array([[1.0], [3.0], [2.0], [6.0]])
    >>> run = train_linear_model(views @ views.T, 1e-4 * views, loss, np.full(100, 0.004))
    >>> [round(moment.loss, 2) for moment in run][::25]
    [1.0, 1.0, 0.6, 0.0, 0.0]
    """
    momentum, nesterov = (descent.momentum, descent.nesterov) if descent else (0.0, False)
    matrix, origin = torch.from_numpy(kernel), torch.from_numpy(start)
    moved, velocity, time = torch.zeros_like(origin), torch.zeros_like(origin), 0.0
    for step in range(len(rates) + 1):
        embeddings = (origin + matrix @ moved).requires_grad_()
        passed = embeddings.chunk(2)
        # The moment after the last step has no gradient, so it is none of the preconditioner's steps.
        if preconditioner is not None and step < len(rates):
            passed = preconditioner(*passed)
        value = loss(*passed)
        if not torch.isfinite(value):
            raise FloatingPointError(
                f"the linear model's loss is not finite at step {step}; try a smaller --optimizer.lr"
            )
        yield LinearModelMoment(step, time, value.item(), embeddings.detach(), moved)
        if step == len(rates):
            return
        (gradient,) = torch.autograd.grad(value, embeddings)
        velocity = momentum * velocity + gradient
        rate = float(rates[step])
        moved = moved - rate * (gradient + momentum * velocity if nesterov else velocity)
        time += rate


@dataclass(frozen=True, eq=False)
class Start:
    """views : (N, d) embeddings of the views; images : (m, d) of the images that are predicted."""

    views: NDArray[np.float64]
    images: NDArray[np.float64]


def random_start(
    kernel: NDArray[np.float64], to_images: NDArray[np.float64], scale: float, dim: int, seed: int
) -> Start:
    """A function with independent normal coefficients, of standard deviation `scale`, in d outputs.

    In an orthonormal basis of the kernel's functions on the views (N, N); `to_images` (m, N) are kernel
    values of the images with the views. Every mode has an s_j(0) of the order of `scale`.

    Examples
    --------
    >>> start = random_start(np.eye(4), np.eye(4), scale=1e-3, dim=2, seed=0)
    >>> type(start).__name__
    'Start'
    """
    values, vectors = np.linalg.eigh(kernel)
    kept = values > ROUNDING_OF_KERNEL * values[-1]
    normal = np.random.default_rng(seed).normal(size=(int(kept.sum()), dim))
    coefficients = vectors[:, kept] @ (scale * normal / np.sqrt(values[kept])[:, None])
    return Start(kernel @ coefficients, to_images @ coefficients)
