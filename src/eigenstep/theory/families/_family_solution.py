"""A family's learning from a small start, in closed form; and what its simulation recorded."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory.families._logistic_modes import mode_ends, mode_sizes, times_of_rise, times_to_half


@dataclass(frozen=True, eq=False)
class FamilySolution:
    """How each mode of a family is learned: p' = rate p (drive - restraint p), from p(0) = `starts`.

    p_j is the squared singular value of the weights along mode j, W(t) = U diag(p(t))^{1/2} V^T; for two
    layers, or two encoders, it is the singular value of their product. Made by a family's `solve`. It is
    exact from an aligned start and where modes move alone (`mixing` 0), and the better from a generic start
    the smaller that is, see `aligned_start`; of modes with equal drives only the space that they span is
    determined.

    Attributes
    ----------
    rate : float
        Of the family: 8, of two layers 4, of word embeddings and CLIP 2.
    drives : NDArray[np.float64]
        (k,) descending; the order in which modes are learned. Zero and negative ones never are.
    restraints : NDArray[np.float64]
        (k,) p ends at drive / restraint.
    starts : NDArray[np.float64]
        (k,) p_j(0).
    modes : NDArray[np.float64]
        (m, k) V, as columns.
    rotation : NDArray[np.float64]
        (d, k) U, the output direction that learns each mode.
    left_modes : NDArray[np.float64] | None
        (o, k) the targets' side of each mode, of two layers, or the second encoder's.
    loss_scale : float
        The loss's factor: 1, of word embeddings 1/4, of CLIP 1/2.
    mixing : float
        How far modes are from moving alone, 0 to 1: ||Sigma V - V diag(v^T Sigma v)|| / ||Sigma V||. First
        times hold anyhow, as all modes grow freely while they are small. Ends are approximate, and so are the
        times of later modes, which are driven by what earlier ones have left as well.
    lasting : bool
        False where a mode beyond these would take more off the loss than one of these. The end is then a long
        plateau, from which training goes on to that other mode; it is not what is found at infinite time.

    Examples
    --------
    >>> from eigenstep.theory import CrossViewAutoencoder
    >>> family = CrossViewAutoencoder(np.diag([1.0, 0.4, 0.1]), np.diag([2.0, 0.5, 0.4]))
    >>> solution = family.solve(1e-4 * np.eye(2, 3))
    >>> solution.ends, solution.half_times.round(2)
    (array([0.5, 0.8]), array([2.22, 5.69]))
    >>> solution.sizes([0.0, 3.0, np.inf]).round(3)
    array([[0.   , 0.   ],
           [0.499, 0.   ],
           [0.5  , 0.8  ]])
    """

    rate: float
    drives: NDArray[np.float64]
    restraints: NDArray[np.float64]
    starts: NDArray[np.float64]
    modes: NDArray[np.float64]
    rotation: NDArray[np.float64]
    left_modes: NDArray[np.float64] | None = None
    loss_scale: float = 1.0
    mixing: float = 0.0
    lasting: bool = True

    @property
    def half_times(self) -> NDArray[np.float64]:
        """(k,) when each mode passes half of its end; inf if never, negative if it starts above."""
        return times_to_half(self.drives, self.restraints, self.starts, self.rate)

    @property
    def rise_widths(self) -> NDArray[np.float64]:
        """(k,) the time from 10 % to 90 % of the end, whatever the start; inf if never."""
        return times_of_rise(self.drives, self.rate)

    @property
    def ends(self) -> NDArray[np.float64]:
        """(k,) p_j at infinite time: drive / restraint, or 0 if it is never learned."""
        return mode_ends(self.drives, self.restraints, self.starts)

    def sizes(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return p_j(t), (T, k); times (T,) are learning rate x step >= 0, infinity is the end."""
        return mode_sizes(self.drives, self.restraints, self.starts, self.rate, times)

    def loss_drop(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return how far the loss is below its value at zero weights, (T,): a staircase.

        Each mode takes off loss_scale (2 drive p - restraint p^2), in the end drive^2 / restraint.
        """
        sizes = self.sizes(times)
        drops: NDArray[np.float64] = self.loss_scale * (
            (2 * self.drives - self.restraints * sizes) * sizes
        ).sum(axis=1)
        return drops

    def weights(self, time: float = math.inf) -> NDArray[np.float64]:
        """Return W(t), (d, m), of two layers the first; by default the end."""
        return (self.rotation * np.sqrt(self.sizes(float(time))[0])) @ self.modes.T

    def readout(self, time: float = math.inf) -> NDArray[np.float64]:
        """Return the layer after W(t), (o, d): the second of two, or W^T, which a tied autoencoder has.

        Of two encoders it is the second one, transposed.
        """
        outward = self.modes if self.left_modes is None else self.left_modes
        return (outward * np.sqrt(self.sizes(float(time))[0])) @ self.rotation.T


@dataclass(frozen=True, eq=False)
class FamilyRun:
    """What the simulation of a family recorded.

    Attributes
    ----------
    times : NDArray[np.float64]
        (T,) learning rate x step.
    sizes : NDArray[np.float64]
        (T, k) what the weights hold of each of the data's modes, ||W v_j||^2, of two layers u_j^T B A v_j, of
        two encoders v_j^T W^T V u_j.
    losses : NDArray[np.float64]
        (T,) less its value at zero weights.
    weights : NDArray[np.float64]
        (d, m) W at the last time, of two layers the first.
    readout : NDArray[np.float64]
        (o, d) the second of two layers at the last time, of two encoders that one transposed, else W^T.
    """

    times: NDArray[np.float64]
    sizes: NDArray[np.float64]
    losses: NDArray[np.float64]
    weights: NDArray[np.float64]
    readout: NDArray[np.float64]

    def times_to(self, sizes: ArrayLike) -> NDArray[np.float64]:
        """Return when each mode first reached its size of these, (k,); linear between records.

        It is inf if that did not happen, and -inf if the first record is there already.

        Examples
        --------
        >>> run = FamilyRun(np.arange(3.0), np.array([[0, 0], [1, 0], [3, 0.0]]), *[np.zeros(0)] * 3)
        >>> run.times_to([2.0, 1.0])
        array([1.5, inf])
        """
        levels = np.asarray(sizes, dtype=np.float64)
        if levels.shape != self.sizes.shape[1:]:
            raise ValueError(f"expected one size for each of {self.sizes.shape[1]} modes, got {levels.shape}")
        found = np.full(levels.shape, np.inf)
        for mode, level in enumerate(levels.tolist()):
            course = self.sizes[:, mode]
            after = int((course >= level).argmax())
            if course[after] >= level:
                around = slice(after - 1, after + 1)
                found[mode] = np.interp(level, course[around], self.times[around]) if after else -np.inf
        return found
