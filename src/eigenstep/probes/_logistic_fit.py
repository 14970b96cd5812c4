from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

_MOST_ITERATIONS = 1000


@dataclass(frozen=True)
class LogisticFit:
    weights: Tensor
    """(r, c)"""
    bias: Tensor
    """(c,)"""
    converged: bool
    """The gradient is below 1e-6, in the units in which `tolerance` is."""


def fit_logistic(
    x: Tensor, y: Tensor, alpha: float, start: LogisticFit | None = None, tolerance: float = 1e-8
) -> LogisticFit:
    """Minimise sum_i -y_i . log softmax(W^T x_i + b) + alpha/2 |W|^2 by L-BFGS from `start`, or from zero.

    Parameters
    ----------
    x : (n, r) features, on their principal axes: on others it takes more iterations
    y : (n, c) one-hot classes
    alpha : strength, positive
    tolerance : largest entry of the mean gradient to stop at, in units in which the curvature is about 1
    """
    n, classes = y.shape
    x = torch.cat([x, x.new_ones(n, 1)], dim=1)
    penalty = x.new_full((x.shape[1], 1), alpha / n)
    penalty[-1] = 0
    weights = x.new_zeros(x.shape[1], classes)
    if start is not None:
        weights = torch.cat([start.weights, start.bias[None]])
    # One over the root of the mean curvature along each axis, at the start. The axes' variances differ by
    # orders of magnitude; in these units L-BFGS takes several times fewer iterations.
    share = (x @ weights).softmax(1)
    curvature = x.square().T @ (share * (1 - share)).mean(1, keepdim=True) / n
    unit = (curvature + penalty).rsqrt()

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = unit * torch.from_numpy(flat).to(x).view(-1, classes)
        log_share = (x @ weights).log_softmax(1)
        value = (penalty * weights.square()).sum() / 2 - (y * log_share).sum() / n
        gradient = unit * (x.T @ (log_share.exp() - y) / n + penalty * weights)
        return value.item(), gradient.flatten().cpu().numpy()

    found = minimize(
        objective,
        (weights / unit).flatten().cpu().numpy(),
        jac=True,
        method="L-BFGS-B",
        options={
            "gtol": tolerance,
            "ftol": 1e-16,
            "maxiter": _MOST_ITERATIONS,
        },
    )
    weights = unit * torch.from_numpy(found.x).to(x).view(-1, classes)
    # Near the end the objective changes by less than its rounding: L-BFGS may stop short of the tolerance.
    return LogisticFit(weights[:-1], weights[-1], bool(abs(found.jac).max() <= 1e-6))
