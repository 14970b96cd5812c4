"""The modes of one operator, or of two that share them."""

import itertools
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from eigenstep.theory._eigenmodes import top_eigenmodes

Numbers = NDArray[np.float64]
# Drives closer than this, relative to the largest, are one: their modes are then told apart by variance.
SAME_DRIVE = 1e-9


@dataclass(frozen=True, eq=False)
class ModeBasis:
    """Modes with the two numbers of each that its learning depends on.

    Attributes
    ----------
    drives : NDArray[np.float64]
        (k,) descending: rate x drive is the exponent at which a mode first grows.
    restraints : NDArray[np.float64]
        (k,) not negative: it grows to drive / restraint.
    modes : NDArray[np.float64]
        (m, k) orthonormal columns V.
    left_modes : NDArray[np.float64] | None
        (o, k) orthonormal columns U on the side of the targets, where these are others.
    mixing : float
        ||Sigma V - V diag(v^T Sigma v)|| / ||Sigma V||: 0 where each mode moves alone; of two sides that of
        the worse one.
    lasting : bool
        Whether no mode beyond these would take more off the loss than one of these does.
    """

    drives: Numbers
    restraints: Numbers
    modes: Numbers
    left_modes: Numbers | None = None
    mixing: float = 0.0
    lasting: bool = True


def paired_basis(operator: Numbers, second_moment: Numbers, count: int, power: int = 1) -> ModeBasis:
    """Return the operator's top modes, their variances v^T Sigma v, to a power, as restraints.

    Modes of equal eigenvalue are turned to those of Sigma within their space: where the two matrices commute,
    the basis is then one of both.
    """
    drives, modes = top_eigenmodes(operator, len(operator))
    for group in equal_groups(drives):
        turn = scipy.linalg.eigh(modes[:, group].T @ second_moment @ modes[:, group])[1][:, ::-1]
        modes[:, group] = modes[:, group] @ turn
    return _restrained_basis(drives, modes, None, second_moment, count, power=power)


def rectangular_basis(
    cross: Numbers, second_moment: Numbers, left_moment: Numbers | None, count: int
) -> ModeBasis:
    """Return the singular vectors of a cross moment (o, m), of singular values as drives.

    Restraints are the right side's variances, times the left side's where that has a moment. Modes of equal
    singular value are turned to those of the right side's moment within their space.
    """
    left, drives, right = scipy.linalg.svd(cross, full_matrices=False)
    drives[drives <= max(cross.shape) * np.finfo(np.float64).eps * drives[0]] = 0.0
    modes = right.T.copy()
    for group in equal_groups(drives):
        turn = scipy.linalg.eigh(modes[:, group].T @ second_moment @ modes[:, group])[1][:, ::-1]
        modes[:, group], left[:, group] = modes[:, group] @ turn, left[:, group] @ turn
    return _restrained_basis(drives, modes, left, second_moment, count, left_moment=left_moment)


def _restrained_basis(
    drives: Numbers,
    modes: Numbers,
    left_modes: Numbers | None,
    second_moment: Numbers,
    count: int,
    *,
    power: int = 1,
    left_moment: Numbers | None = None,
) -> ModeBasis:
    """Return the first `count` of all modes, with their variances, to a power, as restraints.

    Where the left side has a second moment too, its variances multiply them.

    Raises
    ------
    ValueError
        A mode that is driven and not restrained: the loss would have no end.
    """
    learned = slice(0, min(count, len(drives)))
    variances, mixing = _variances(second_moment, modes, learned)
    if left_moment is not None and left_modes is not None:
        of_left, mixing_of_left = _variances(left_moment, left_modes, learned)
        variances, mixing = variances * of_left, max(mixing, mixing_of_left)
    if ((drives > 0) & (variances <= 1e-15 * variances.max(initial=0.0))).any():
        raise ValueError(
            "expected a second moment that is positive wherever the cross moment is, got one that is zero on"
            " one of its modes; take both of the same samples"
        )
    restraints = variances**power
    # What a learned mode takes off the loss, drive^2 / restraint.
    gains = np.divide(drives**2, restraints, out=np.zeros_like(drives), where=drives > 0)
    chosen, others = gains[learned], gains[learned.stop :]
    return ModeBasis(
        drives[learned],
        restraints[learned],
        modes[:, learned],
        None if left_modes is None else left_modes[:, learned],
        mixing=mixing,
        lasting=bool(others.max(initial=0.0) <= chosen.min() * (1 + SAME_DRIVE)),
    )


def _variances(moment: Numbers, modes: Numbers, learned: slice) -> tuple[Numbers, float]:
    """The variance along each of all modes, (k,), and how far the learned ones are from moving alone."""
    images = moment @ modes
    variances = np.maximum((modes * images).sum(axis=0), 0.0)
    size = float(np.linalg.norm(images[:, learned]))
    rest = float(np.linalg.norm(images[:, learned] - modes[:, learned] * variances[learned]))
    return variances, rest / size if size > 0 else 0.0


def equal_groups(values: Numbers) -> list[slice]:
    """Return the runs of two or more equal values, of values that descend.

    Examples
    --------
    >>> equal_groups(np.array([3.0, 2.0, 2.0, 1.0]))
    [slice(1, 3, None)]
    """
    cuts = np.flatnonzero(-np.diff(values) > SAME_DRIVE * np.abs(values).max(initial=0.0)) + 1
    bounds = [0, *cuts.tolist(), len(values)]
    return [slice(first, last) for first, last in itertools.pairwise(bounds) if last - first > 1]
