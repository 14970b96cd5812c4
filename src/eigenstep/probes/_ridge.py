"""Ridge regression onto the classes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from eigenstep.probes._linear import PrincipalAxes, check_strengths, principal_axes, standardise
from eigenstep.probes._task import ProbeResult, probe_task

RIDGE_STRENGTHS = (1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6)


@torch.no_grad()
def ridge_probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    strengths: float | Iterable[float] = RIDGE_STRENGTHS,
) -> ProbeResult:
    """Classify by linear least squares in closed form, its strength chosen by leave-one-out error.

        minimise |X W + 1 b^T - Y|^2 + alpha |W|^2          X: standardised features, Y: one-hot classes

    The class with the largest output wins, the smaller label if there are several. The leave-one-out error of
    every alpha, (y_i - f(x_i)) / (1 - h_i), comes from one eigendecomposition (Rifkin and Lippert 2007,
    MIT-CSAIL-TR-2007-025); the mean and the standard deviation are those of all training rows. Equal to
    scikit-learn's `RidgeClassifierCV(strengths)` after `StandardScaler`. Computed in float64.

    Cost: n p min(n, p), and min(n, p)^2 numbers of memory beside a few copies of the features.

    Parameters
    ----------
    train_features, test_features : Tensor
        (n, p) and (n_test, p), floating point, any device; n < p too.
    train_labels, test_labels : Tensor
        (n,) and (n_test,), any integers.
    strengths : float | Iterable[float]
        Alpha to choose from, or one to take; of equal errors the first wins.

    Raises
    ------
    TypeError
        Features that are not floating point, labels that are not integers.
    ValueError
        Shapes that do not fit, no rows, NaN or infinite features, one class only to learn or a strength that
        is not positive.

    Examples
    --------
    >>> train, labels = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 0, 5, 5])
    >>> ridge_probe(train, labels, torch.tensor([[-1.0], [9.0]]), torch.tensor([0, 5]), 1.0).accuracy
    1.0
    """
    task = probe_task(train_features, train_labels, test_features, test_labels)
    alphas = check_strengths(strengths)
    train, test = standardise(task.train, task.test)
    fit = fit_ridge(train, one_hot(task.targets).to(train), alphas)
    return task.score((test @ fit.weights + fit.bias).argmax(1), float(fit.strength[0]))


@dataclass(frozen=True)
class RidgeFit:
    """A linear map of centred features to targets."""

    weights: Tensor
    """(p, c)"""
    bias: Tensor
    """(c,)"""
    strength: Tensor
    """alpha of each target, (c,); the same for all unless each was to have its own."""
    errors: Tensor
    """Mean squared leave-one-out error of each strength, (number of strengths, c), on the CPU."""


def fit_ridge(
    x: Tensor, y: Tensor, strengths: Sequence[float], *, each: bool = False, relative: bool = False
) -> RidgeFit:
    """Regress targets y (n, c) on centred features x (n, p), by the best of the strengths.

    Parameters
    ----------
    each : bool
        Choose a strength for each target by itself; default: one by the error of all.
    relative : bool
        Strengths are in units of the largest eigenvalue of x^T x.

    Examples
    --------
    >>> x = torch.tensor([[-1.0], [0.0], [1.0]])
    >>> fit_ridge(x, 4 * x, [1.0], relative=True).weights
    tensor([[2.]])
    """
    directions = principal_axes(x)
    bias = y.mean(0)
    y = y - bias
    alphas = torch.tensor(strengths, dtype=x.dtype, device=x.device)
    if relative and len(directions.variances):
        alphas = alphas * directions.variances[-1]
    errors = torch.stack([_leave_one_out(directions, y, alpha).square().mean(0) for alpha in alphas]).cpu()
    best = errors.argmin(0) if each else errors.mean(1).argmin().expand(y.shape[1])
    strength = alphas[best.to(alphas.device)]
    weights = directions.scores.T @ y / (directions.variances[:, None] + strength)
    return RidgeFit(directions.axes @ weights, bias, strength, errors)


def _leave_one_out(directions: PrincipalAxes, y: Tensor, alpha: Tensor) -> Tensor:
    """y_i less the value at x_i of the fit without row i, for centred y (n, c)."""
    scores, variances = directions.scores, directions.variances
    n, rank = scores.shape
    if rank < n - 1:
        residuals = y - scores @ (scores.T @ y / (variances + alpha)[:, None])
        room = 1 - 1 / n - scores.square() @ (1 / (variances + alpha))
        room = room.clamp(min=torch.finfo(room.dtype).eps)
    else:
        # The fit can pass through every target. What it leaves is too small for a difference: both are
        # written without one, and in units of alpha, which leave no trace in the ratio.
        basis = scores / variances.sqrt()
        residuals = basis @ (basis.T @ y / (variances + alpha)[:, None])
        room = basis.square() @ (1 / (variances + alpha))
    return residuals / room[:, None]
