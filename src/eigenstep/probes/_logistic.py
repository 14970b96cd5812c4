from __future__ import annotations

import warnings
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from eigenstep.probes._logistic_fit import LogisticFit, fit_logistic
from eigenstep.probes._principal_axes import principal_axes
from eigenstep.probes._result import ProbeResult
from eigenstep.probes._standardise import standardise
from eigenstep.probes._strengths import check_strengths
from eigenstep.probes._task import probe_task

LOGISTIC_STRENGTHS = (1e-1, 1e0, 1e1, 1e2, 1e3, 1e4)


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
    train_features, test_features : (n, p) and (n_test, p), floating point, any device; n < p too
    train_labels, test_labels : (n,) and (n_test,), any integers
    strengths : alpha to choose from, or one to take; of equal cross-entropies the larger wins

    Raises
    ------
    TypeError : features that are not floating point, labels that are not integers
    ValueError : shapes that do not fit, no rows, NaN or infinite features, one class only to learn, a
        strength that is not positive, or several strengths and no class with two rows

    Warns
    -----
    RuntimeWarning : not converged

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
        alpha, start = _choose(directions.scores, y, _held_out(task.targets).to(train.device), alphas)
    fit = fit_logistic(directions.scores, y, alpha, start)
    if not fit.converged:
        warnings.warn(
            f"logistic_probe has not converged at strength {alpha:g}; give a larger one",
            RuntimeWarning,
            stacklevel=3,
        )
    outputs = test @ (directions.axes @ fit.weights) + fit.bias
    return task.score(outputs.argmax(1), alpha)


def _held_out(targets: Tensor) -> Tensor:
    """Every fifth row of each class, from its second on, as a mask (n,): each class keeps a row to learn."""
    order = targets.argsort(stable=True)
    sizes = torch.bincount(targets)
    rank = torch.arange(len(targets)) - (sizes.cumsum(0) - sizes)[targets[order]]
    held_out = torch.zeros(len(targets), dtype=torch.bool)
    held_out[order] = rank % 5 == 1
    return held_out


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
