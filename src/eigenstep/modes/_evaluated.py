"""Modes as they are judged: their values on images that they were not learned from, twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EvaluatedModes:
    """Modes on n images, in order, and the modes that were found a second time on the same images.

    Attributes
    ----------
    values : Array
        (n, m), of any scale.
    strengths : Array
        (m,) eigenvalues gamma or rho of the closed form, variances of an embedding; descending.
    again : Array
        (n, m2): the same from other images, and, where there is one, from another random network.
    when : str
        Of which moment they are, in words.
    step : int | None
        Of training.
    directions : tuple[Array, Array] | None
        Mean (d,) and directions (m, d) of modes that are linear in an embedding.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(100, 2))
    >>> modes = EvaluatedModes(values, np.array([2.0, 1.0]), again=values[:, ::-1], when="at the end")
    >>> modes.values.shape, modes.when
    ((100, 2), 'at the end')
    """

    values: Array
    strengths: Array
    again: Array
    when: str = ""
    step: int | None = None
    directions: tuple[Array, Array] | None = None


def orthonormal(values: Array) -> Array:
    """Orthonormal columns over the images, centred: the first k span what the first k modes span less means.

    Modes that depend on earlier ones, and those that do not vary, become columns of zeros.

    Examples
    --------
    >>> q = orthonormal(np.array([[1.0, 2], [2, 4], [3, 7], [4, 1]]))
    >>> bool(np.allclose(q.T @ q, np.eye(2)))
    True
    """
    centred = values - values.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    centred = centred / np.where(lengths > 0, lengths, 1)
    basis: Array = np.zeros_like(centred)
    for place, column in enumerate(
        centred.T
    ):  # not by QR, whose column for one that adds nothing is arbitrary
        for _ in range(2):  # the second time what rounding left of the first
            column = column - basis @ (basis.T @ column)
        left = np.linalg.norm(column)
        if left > 1e-9:
            basis[:, place] = column / left
    return basis
