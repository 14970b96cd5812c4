"""What the simulators' rules make of a gradient, in full matrices."""

from collections.abc import Callable

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._eigenmodes import symmetric_operator
from eigenstep.theory._update_rules import Preconditioner, Rule, checked_rule

Matrix = NDArray[np.float64]
# From the weights W (d, m), W Gamma (d, m) and C (d, d) to a direction (d, m).
Direction = Callable[[Matrix, Matrix, Matrix], Matrix]


def gradient_direction(rule: Rule, second_moment: Matrix | None) -> Direction:
    """Return the gradient, preconditioned or not: 4 P (C - I) W Gamma.

    Of the orthogonalised rule it is the plain gradient, as that acts on the whole step, momentum included.

    Parameters
    ----------
    second_moment : Matrix | None
        (m, m) Sigma of the views, in the weights' basis: P is made of W Sigma W^T; of C if None.

    Raises
    ------
    ValueError
        A second moment with another rule, or correlations, which simulation has no use for.
    """
    update = checked_rule(rule)
    if not isinstance(update, Preconditioner):
        if second_moment is not None:
            raise ValueError(f"rule {rule} has no use for a second_moment: expected it left out")
        return lambda weights, scaled, correlation: 4 * (correlation - np.eye(len(weights))) @ scaled
    if update.correlations != 1.0:
        raise ValueError(
            "a simulation takes no correlations: expected second_moment, the views' own, in place of them"
        )

    def preconditioned(weights: Matrix, scaled: Matrix, correlation: Matrix) -> Matrix:
        seen = correlation if second_moment is None else weights @ second_moment @ weights.T
        values, vectors = np.linalg.eigh(seen)
        size = np.abs(values) + update.damping
        # Without damping a direction of no size has no gradient either.
        powers = np.where(size > 0, np.where(size > 0, size, 1.0) ** -update.power, 0.0)
        residual = correlation - np.eye(len(weights))
        return 4 * ((vectors * powers) @ (vectors.T @ residual)) @ scaled

    return preconditioned


def polar_factor(direction: Matrix) -> Matrix:
    """Return U V^T of the singular value decomposition U S V^T, without those of S that are rounding.

    Examples
    --------
    >>> polar_factor(np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 1e-9]]))
    array([[0., 1., 0.],
           [0., 0., 1.]])
    """
    left, values, right = scipy.linalg.svd(direction, full_matrices=False)
    kept = values > max(direction.shape) * np.finfo(np.float64).eps * values[0]
    factor: Matrix = left[:, kept] @ right[kept]
    return factor


def checked_second_moment(second_moment: ArrayLike | None, basis: Matrix) -> Matrix | None:
    """Return the second moment in the eigenbasis; ValueError unless it is symmetric and of its size."""
    if second_moment is None:
        return None
    matrix = symmetric_operator(second_moment)
    if matrix.shape != basis.shape:
        raise ValueError(
            f"expected a second_moment of the operator's shape {basis.shape}, got {matrix.shape}"
        )
    rotated: Matrix = basis.T @ matrix @ basis
    return rotated
