"""Multinomial logistic regression."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from eigenstep.probes._linear import check_strengths, principal_axes, standardise
from eigenstep.probes._task import ProbeResult, every_fifth, probe_task

LOGISTIC_STRENGTHS = (1e-1, 1e0, 1e1, 1e2, 1e3, 1e4)
_MOST_ITERATIONS = 1000


@torch.no_grad()
def logistic_probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    strengths: float | Iterable[float] = LOGISTIC_STRENGTHS,
) -> ProbeResult:
    """Classify by multinomial logistic regression.

        minimise sum_i -log softmax(W^T x_i + b)_{y_i} + alpha/2 |W|^2          x: standardised features

    The objective of scikit-learn's `LogisticRegression(C=1 / alpha)` after `StandardScaler`, for three
    classes and more. (For two, scikit-learn has one column of weights, and its C is 2 / alpha.) By full-batch
    L-BFGS in float64, the weights to about 1e-4. Of several strengths the one with the least cross-entropy
    on every fifth training row of each class, learned from the others, is learned again from all rows. No
    test row takes part.

    Parameters
    ----------
    train_features, test_features : Tensor
        (n, p) and (n_test, p), floating point, any device; n < p too.
    train_labels, test_labels : Tensor
        (n,) and (n_test,), any integers.
    strengths : float | Iterable[float]
        Alpha to choose from, or one to take; of equal cross-entropies the larger wins.

    Raises
    ------
    TypeError
        Features that are not floating point, labels that are not integers.
    ValueError
        Shapes that do not fit, no rows, NaN or infinite features, one class only to learn, a strength that is
        not positive, or several strengths and no class with two rows.

    Warns
    -----
    RuntimeWarning
        Not converged.

    Examples
    --------
    >>> train, labels = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 0, 5, 5])
    >>> logistic_probe(train, labels, torch.tensor([[-1.0], [9.0]]), torch.tensor([0, 5]), 1.0).accuracy
    1.0
    """
    task = probe_task(train_features, train_labels, test_features, test_labels)
    alphas = sorted(check_strengths(strengths), reverse=True)
    train, test = standardise(task.train, task.test)
    directions = principal_axes(train)
    y = one_hot(task.targets).to(train)
    alpha, start = alphas[0], None
    if len(alphas) > 1:
        alpha, start = _choose(directions.scores, y, every_fifth(task.targets).to(train.device), alphas)
    fit = fit_logistic(directions.scores, y, alpha, start)
    if not fit.converged:
        warnings.warn(
            f"logistic_probe has not converged at strength {alpha:g}; give a larger one",
            RuntimeWarning,
            stacklevel=3,
        )
    outputs = test @ (directions.axes @ fit.weights) + fit.bias
    return task.score(outputs.argmax(1), alpha)


@dataclass(frozen=True)
class LogisticFit:
    """A linear map of features on their principal axes to logits."""

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
    x : Tensor
        (n, r) features, on their principal axes: on others it takes more iterations.
    y : Tensor
        (n, c) one-hot classes.
    alpha : float
        Strength, positive.
    tolerance : float
        Largest entry of the mean gradient to stop at, in units in which the curvature is about 1.

    Examples
    --------
    >>> x = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]], dtype=torch.float64)
    >>> y = torch.eye(2, dtype=torch.float64)[[0, 0, 1, 1]]
    >>> fitted = fit_logistic(x, y, alpha=0.1)
    >>> type(fitted).__name__
    'LogisticFit'
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

    def objective(flat: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        weights = unit * torch.from_numpy(flat).to(x).view(-1, classes)
        log_share = (x @ weights).log_softmax(1)
        value = (penalty * weights.square()).sum() / 2 - (y * log_share).sum() / n
        gradient = unit * (x.T @ (log_share.exp() - y) / n + penalty * weights)
        return value.item(), gradient.flatten().cpu().numpy()

    from scipy.optimize import minimize

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


def _choose(x: Tensor, y: Tensor, held_out: Tensor, alphas: list[float]) -> tuple[float, LogisticFit]:
    """The first strength with the least cross-entropy on the held-out rows, and its fit to the others."""
    if not held_out.any():
        raise ValueError(
            "expected a class with two training rows, to choose a strength by; give more rows or one strength"
        )
    (learned_x, judged_x), (learned_y, judged_y) = ((rows[~held_out], rows[held_out]) for rows in (x, y))
    fit, fits, errors = None, [], []
    for alpha in alphas:
        fit = fit_logistic(learned_x, learned_y, alpha, start=fit, tolerance=1e-4)
        fits.append(fit)
        errors.append(cross_entropy(judged_x @ fit.weights + fit.bias, judged_y))
    best = int(torch.stack(errors).argmin())
    return alphas[best], fits[best]
