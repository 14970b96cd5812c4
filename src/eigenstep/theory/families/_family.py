"""What every family of learning offers: modes, a course from a small start, and its simulation."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._aligned_start import aligned_start
from eigenstep.theory._eigenmodes import matching_weights, symmetric_operator
from eigenstep.theory._integrate_flow import integrate_flow
from eigenstep.theory.families._family_solution import FamilyRun, FamilySolution
from eigenstep.theory.families._logistic_modes import BARLOW_TWINS_RATE
from eigenstep.theory.families._mode_basis import ModeBasis

Matrix = NDArray[np.float64]


class Family(ABC):
    """A loss of linear weights, of which each mode learns by p' = rate p (drive - restraint p).

    A family is made of moments of the data, or of the data themselves by its `from_data`. It is to be told by

    - `_basis`: modes, drives and restraints;
    - `_loss` and `_velocity`: the loss less its value at zero weights, and minus its gradient.

    Attributes
    ----------
    rate : ClassVar[float]
        The exponent of a small mode of drive 1.
    loss_scale : ClassVar[float]
        The factor in front of the loss.

    Examples
    --------
    >>> from eigenstep.theory import Autoencoder
    >>> issubclass(Autoencoder, Family), Autoencoder.rate
    (True, 8.0)
    """

    rate: ClassVar[float] = 8.0
    loss_scale: ClassVar[float] = 1.0

    def solve(self, weights: ArrayLike | tuple[ArrayLike, ArrayLike]) -> FamilySolution:
        """Solve the flow from small initial weights W(0), (d, m), for the top min(d, m) modes.

            W(0) V = Q R,     U = Q sign(diag R),     p_j(0) = R_jj^2

        Raises
        ------
        ValueError
            Weights that do not match the data, or are not finite.
        """
        state = self._state(weights)
        basis = self._basis(len(state))
        start = aligned_start(state, _across(basis))
        return FamilySolution(
            rate=self.rate,
            drives=basis.drives,
            restraints=basis.restraints,
            starts=start.scales**2,
            modes=basis.modes,
            rotation=start.rotation,
            left_modes=basis.left_modes,
            loss_scale=self.loss_scale,
            mixing=basis.mixing,
            lasting=basis.lasting,
        )

    def gradient_flow(
        self,
        weights: ArrayLike | tuple[ArrayLike, ArrayLike],
        times: ArrayLike,
        *,
        rtol: float = 1e-10,
    ) -> FamilyRun:
        """Integrate dW/dt = -dL/dW from any start, in full matrices, by Dormand and Prince's order 8.

        Parameters
        ----------
        weights : ArrayLike | tuple[ArrayLike, ArrayLike]
            (d, m) W(0), of any size, as `solve` takes them.
        times : ArrayLike
            (T,) increasing and finite, t >= 0, at which to record.
        rtol : float
            Relative tolerance of a step; the absolute one is rtol times the largest initial weight.

        Raises
        ------
        ValueError
            Weights that do not match the data, or times that do not increase.
        FloatingPointError
            The integration failed; names the time.
        """
        start = self._state(weights)
        basis = self._basis(len(start))
        fastest = self.rate / BARLOW_TWINS_RATE * self._stiffness()
        moments, path = integrate_flow(self._velocity, start, times, fastest, rtol)
        final, readout = self._layers(path[-1])
        return FamilyRun(
            times=moments,
            sizes=np.array([self._sizes(state, basis) for state in path]),
            losses=np.array([self._loss(state) for state in path]),
            weights=final,
            readout=readout,
        )

    def loss(self, weights: ArrayLike | tuple[ArrayLike, ArrayLike]) -> float:
        """Return the loss less its value at zero weights, which is never above 0 at the end of learning."""
        return self._loss(self._state(weights))

    @abstractmethod
    def _basis(self, count: int) -> ModeBasis: ...

    @abstractmethod
    def _loss(self, state: Matrix) -> float: ...

    @abstractmethod
    def _velocity(self, state: Matrix) -> Matrix: ...

    @abstractmethod
    def _operator(self) -> Matrix:
        """The matrix that weights multiply, (m, m)."""

    def _stiffness(self) -> float:
        """The largest drive or variance, which limits the steps of an integration."""
        return float(np.linalg.norm(self._operator(), 2))

    def _state(self, weights: ArrayLike | tuple[ArrayLike, ArrayLike]) -> Matrix:
        """All weights as one checked matrix, a row each for the d outputs."""
        if isinstance(weights, tuple):
            raise ValueError(
                f"expected one matrix W (d, m), got a tuple of {len(weights)}; this has one layer"
            )
        return matching_weights(weights, len(self._operator()))

    def _layers(self, state: Matrix) -> tuple[Matrix, Matrix]:
        return state, state.T

    def _sizes(self, state: Matrix, basis: ModeBasis) -> Matrix:
        """What the weights hold of each mode, (k,), so that it is p_j once the mode is learned."""
        first, second = self._layers(state)
        outward = basis.modes if basis.left_modes is None else basis.left_modes
        sizes: Matrix = ((outward.T @ second) * (first @ basis.modes).T).sum(axis=1)
        return sizes


def _across(basis: ModeBasis) -> Matrix:
    """The directions of a state's rows in which modes grow."""
    if basis.left_modes is None:
        return basis.modes
    return np.concatenate((basis.modes, basis.left_modes)) / 2


def second_moment(x: ArrayLike, y: ArrayLike | None = None, *, center: bool = False) -> Matrix:
    """Return Sigma, the mean of x x^T over samples, or over all views of all samples.

    Parameters
    ----------
    x : ArrayLike
        (n, m) samples or first views, or (v, n, m) all views with `y` left out.
    y : ArrayLike | None
        (n, m) second views.
    center : bool
        Subtract the mean of all views of all samples first, as `cross_correlation` does.

    Returns
    -------
    NDArray[np.float64]
        (m, m) float64

    Raises
    ------
    ValueError
        Shapes other than these, no samples, or values that are not finite.

    Examples
    --------
    >>> second_moment([[1.0, 0.0], [0.0, 2.0]])
    array([[0.5, 0. ],
           [0. , 2. ]])
    """
    views = np.asarray(x, dtype=np.float64)
    if y is not None:
        partners = np.asarray(y, dtype=np.float64)
        if partners.shape != views.shape:
            raise ValueError(f"expected x and y of one shape (n, m), got {views.shape} and {partners.shape}")
        views = np.stack((views, partners))
    if views.ndim not in (2, 3) or 0 in views.shape:
        raise ValueError(f"expected samples (n, m) or views (v, n, m), got shape {np.shape(x)}")
    rows = views.reshape(-1, views.shape[-1])
    if not np.isfinite(rows).all():
        raise ValueError("expected finite values, got NaN or infinity; remove those samples first")
    if center:
        rows = rows - rows.mean(axis=0)
    moment: Matrix = rows.T @ rows / len(rows)
    return moment


def checked_second_moment(matrix: ArrayLike, size: int | None = None) -> Matrix:
    """Return a second moment (m, m) as float64; ValueError unless positive semi-definite and of its size."""
    moment = symmetric_operator(matrix)
    if size is not None and len(moment) != size:
        raise ValueError(f"expected a second_moment of shape ({size}, {size}), got {moment.shape}")
    lowest, scale = float(np.linalg.eigvalsh(moment)[0]), float(np.linalg.norm(moment))
    if lowest < -1e-9 * scale:
        raise ValueError(
            f"expected a second_moment without negative eigenvalues, got {lowest:.3g};"
            " second_moment gives one"
        )
    return moment
