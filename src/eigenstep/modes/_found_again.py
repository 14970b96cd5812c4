"""Whether other images, and another random network, give the same modes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eigenstep.modes._evaluated import orthonormal

Array = NDArray[np.float64]


def found_again(values: Array, again: Array) -> Array:
    """|correlation| of each mode, (m,), with the one of the others, (n, m2), that is most like it.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> found_again(x, -x[:, ::-1]).round(6)
    array([1., 1.])
    """
    unit, others = (_unit(each) for each in (values, again))
    best: Array = np.abs(unit.T @ others).max(axis=1, initial=0.0)
    return best


def span_found_again(values: Array, again: Array) -> float:
    """Root mean square of the cosines of the principal angles between two spans of modes, centred.

    Examples
    --------
    >>> modes = np.eye(6, 2)
    >>> round(span_found_again(modes, modes[:, ::-1]), 3)
    1.0
    """
    cosines = np.linalg.svd(orthonormal(values).T @ orthonormal(again), compute_uv=False)
    return float(np.sqrt(np.square(cosines).sum() / values.shape[1]))


def _unit(values: Array) -> Array:
    centred = values - values.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    result: Array = centred / np.where(lengths > 0, lengths, 1)
    return result
