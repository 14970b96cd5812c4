"""Muon: momentum that is orthogonalised, a weight matrix at a time."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor

from eigenstep.optim._orthogonalize import compute_dtype, orthogonalize
from eigenstep.optim._shapes import MuonScale, fallback_reason, matrix_shape, rate_scale

# Of AdamW, where it stands in.
_EPS = 1e-7
# Matrices of equal shape pass as one batch of up to so many numbers.
_LARGEST_BATCH = 2**24


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by Newton-Schulz iterations, and AdamW for everything but weight matrices.

    For a matrix W (m, n) with gradient G, momentum mu, learning rate eta and weight decay w,

        B <- mu B + (1 - mu) G,    W <- (1 - eta w) W - eta scale(m, n) orthogonalize(B)

    in Nesterov's form of mu B + (1 - mu) G in place of B. Kernels of convolutions (out, in, h, w) are
    matrices (out, in h w). Biases, norms and what `fallback_reason` names besides are updated by AdamW at
    `fallback_share` of the rate, by NAdamW where `nesterov` is set. The update is that of `timm.optim.Muon`
    but for rounding; matrices of equal shape pass as one batch, see `orthogonalize`.
    K. Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024.

    Parameters
    ----------
    params : Iterable[Tensor] | Iterable[dict[str, Any]]
        Parameters, or groups of them with options of their own, `use_fallback=True` among these: AdamW for
        a whole group, such as embeddings of tokens.
    lr : float
        Learning rate; every step moves a matrix by lr times its scale in spectral norm.
    momentum : float
        mu, in [0, 1).
    nesterov : bool
        Nesterov's form of the momentum.
    weight_decay : float
        Decoupled, as AdamW's: weights shrink by lr weight_decay a step.
    scale : MuonScale
        How a matrix's rate goes with its shape, see `rate_scale`.
    fallback_share : float
        AdamW's rate in parts of lr.
    betas : tuple[float, float]
        Of AdamW.

    Raises
    ------
    ValueError
        For an option out of its bounds. In a step, for a sparse gradient.

    Examples
    --------
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    >>> optimizer = Muon(model.parameters(), lr=0.02)
    >>> x = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))
    >>> losses = []
    >>> for _ in range(20):
    ...     optimizer.zero_grad()
    ...     loss = (model(x) - x[:, :4]).square().mean()
    ...     loss.backward()
    ...     optimizer.step()
    ...     losses.append(loss.item())
    >>> losses[-1] < 0.5 * losses[0]
    True
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 0.02,
        *,
        momentum: float = 0.95,
        nesterov: bool = True,
        weight_decay: float = 0.0,
        scale: MuonScale = "original",
        fallback_share: float = 0.05,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        for name, value, most in (
            ("lr", lr, math.inf),
            ("momentum", momentum, 1),
            ("weight_decay", weight_decay, math.inf),
            ("fallback_share", fallback_share, math.inf),
            *(("betas", beta, 1) for beta in betas),
        ):
            if not 0 <= value < most:
                raise ValueError(f"{name}: expected a number in [0, {most}), got {value}")
        rate_scale((1, 1), scale)  # refuses an unknown one
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "scale": scale,
            "fallback_share": fallback_share,
            "betas": betas,
            "use_fallback": False,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; returns what `closure` gives, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        alike: dict[tuple[Any, ...], list[tuple[Tensor, dict[str, Any]]]] = defaultdict(list)
        for group in self.param_groups:
            others = []
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if parameter.grad.is_sparse:
                    raise ValueError(
                        f"expected dense gradients, got a sparse one of {tuple(parameter.shape)};"
                        " use an embedding with sparse=False"
                    )
                if group["use_fallback"] or fallback_reason(parameter.shape):
                    others.append(parameter)
                else:
                    kind = (matrix_shape(parameter.shape), parameter.dtype, parameter.device)
                    alike[kind].append((parameter, group))
            self._step_by_adamw(others, group)
        for (shape, *_), matrices in alike.items():
            count = max(1, _LARGEST_BATCH // math.prod(shape))
            for start in range(0, len(matrices), count):
                self._step_orthogonalized(matrices[start : start + count])
        return loss

    def _step_orthogonalized(self, matrices: list[tuple[Tensor, dict[str, Any]]]) -> None:
        """Update matrices of one shape, each by the options of its group."""
        first = matrices[0][0]
        shape = matrix_shape(first.shape)
        dtype = compute_dtype(first.dtype, first.device, min(shape))
        moments = torch.empty(len(matrices), *shape, dtype=dtype, device=first.device)
        for row, (weight, group) in zip(moments, matrices, strict=True):
            row.copy_(_as_matrix(self._momentum(weight, group), weight))
        for (weight, group), update in zip(matrices, orthogonalize(moments, dtype), strict=True):
            if group["weight_decay"]:
                weight.mul_(1 - group["lr"] * group["weight_decay"])
            step = -group["lr"] * rate_scale(shape, group["scale"])
            weight.add_(_of_matrix(update, weight), alpha=step)

    def _momentum(self, weight: Tensor, group: dict[str, Any]) -> Tensor:
        state, gradient = self.state[weight], cast(Tensor, weight.grad)
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        moment: Tensor = state["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
        return gradient.lerp(moment, group["momentum"]) if group["nesterov"] else moment

    def _step_by_adamw(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        if not parameters:
            return
        states = [self.state[parameter] for parameter in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if "step" not in state:
                state["step"] = torch.zeros(())
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
        first, second, steps = (
            [state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step")
        )
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        options = {
            "beta1": group["betas"][0],
            "beta2": group["betas"][1],
            "lr": group["lr"] * group["fallback_share"],
            "weight_decay": group["weight_decay"],
            "eps": _EPS,
            "caution": False,
            "maximize": False,
            "max_lr": None,
        }
        if group["nesterov"]:
            from timm.optim.nadamw import nadamw

            nadamw(parameters, gradients, first, second, steps, **options)
        else:
            from timm.optim.adamw import adamw

            adamw(parameters, gradients, first, second, [], steps, amsgrad=False, **options)


def _channels_last(weight: Tensor) -> bool:
    return weight.ndim > 2 and weight.movedim(1, -1).is_contiguous()


def _as_matrix(values: Tensor, weight: Tensor) -> Tensor:
    """A tensor of the weight's shape as a matrix, in the order in which the weight's numbers lie in memory.

    The order of a matrix's columns does not matter to its singular values, and copies in order are fast.
    """
    return (values.movedim(1, -1) if _channels_last(weight) else values).reshape(len(weight), -1)


def _of_matrix(matrix: Tensor, weight: Tensor) -> Tensor:
    """The inverse of `_as_matrix`."""
    if not _channels_last(weight):
        return matrix.reshape(weight.shape)
    return matrix.reshape(weight.movedim(1, -1).shape).movedim(-1, 1)
