"""The families of one linear layer f(x) = W x: two of embeddings of views, two of tied autoencoders."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._cross_correlation import cross_correlation
from eigenstep.theory._eigenmodes import symmetric_operator, top_eigenmodes
from eigenstep.theory.families._family import Family, checked_second_moment, second_moment
from eigenstep.theory.families._mode_basis import ModeBasis, paired_basis

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BarlowTwins(Family):
    """Barlow Twins without normalisation, L = ||W Gamma W^T - I||^2.

        p' = 8 gamma p (1 - gamma p),     half-time log(1 / (gamma s_0^2) - 1) / (8 gamma),     end 1 / gamma

    The model of `LinearSolution`, which knows finite learning rates and other rules as well. Source:
    arXiv:2303.15438, section 4.

    Attributes
    ----------
    cross_correlation : ArrayLike
        (m, m) Gamma, symmetric.

    Raises
    ------
    ValueError
        An operator that is not square, symmetric and finite.

    Examples
    --------
    >>> BarlowTwins(np.diag([2.0, 0.5])).solve(1e-3 * np.eye(2)).ends
    array([0.5, 2. ])
    """

    cross_correlation: ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "cross_correlation", symmetric_operator(self.cross_correlation))

    @classmethod
    def from_data(cls, x: ArrayLike, y: ArrayLike | None = None, *, center: bool = False) -> "BarlowTwins":
        """Take pairs x, y (n, m) or views x (v, n, m), as `cross_correlation` does."""
        return cls(cross_correlation(x, y, center=center))

    def _operator(self) -> Matrix:
        return np.asarray(self.cross_correlation)

    def _basis(self, count: int) -> ModeBasis:
        gamma, modes = top_eigenmodes(self._operator(), min(count, len(self._operator())))
        return ModeBasis(gamma, gamma**2, modes)

    def _loss(self, state: Matrix) -> float:
        correlation = state @ self._operator() @ state.T
        return float(np.vdot(correlation, correlation) - 2 * np.trace(correlation))

    def _velocity(self, state: Matrix) -> Matrix:
        scaled = state @ self._operator()
        return -4 * (scaled @ state.T - np.eye(len(state))) @ scaled


@dataclass(frozen=True, eq=False)
class SpectralContrastive(Family):
    """The spectral contrastive loss, L = -2 tr W Gamma W^T + ||W Sigma W^T||^2.

        p' = 8 p (gamma - sigma^2 p),     half-time log(gamma / (sigma^2 s_0^2) - 1) / (8 gamma)
        end gamma / sigma^2, where the embedding's variance is rho = gamma / sigma

    What is learned first goes by gamma, what remains goes by rho: where a mode that is not among the first
    has a larger rho than one of them, the end is a plateau (`FamilySolution.lasting`). Exact where Gamma and
    Sigma commute. Source of the loss: HaoChen et al. 2021, arXiv:2106.04156.

    Attributes
    ----------
    cross_correlation : ArrayLike
        (m, m) Gamma, symmetric.
    second_moment : ArrayLike
        (m, m) Sigma of all views.

    Raises
    ------
    ValueError
        Matrices that are not symmetric, of one size and finite, or a Sigma with negative eigenvalues.

    Examples
    --------
    >>> family = SpectralContrastive(np.diag([1.0, 0.9]), np.diag([2.0, 1.0]))
    >>> solution = family.solve([[1e-3, 1e-3]])
    >>> solution.ends, solution.lasting
    (array([0.25]), False)
    """

    cross_correlation: ArrayLike
    second_moment: ArrayLike

    def __post_init__(self) -> None:
        _check_moments(self)

    @classmethod
    def from_data(
        cls, x: ArrayLike, y: ArrayLike | None = None, *, center: bool = False
    ) -> "SpectralContrastive":
        """Take pairs x, y (n, m) or views x (v, n, m), as `cross_correlation` does."""
        return cls(cross_correlation(x, y, center=center), second_moment(x, y, center=center))

    def _operator(self) -> Matrix:
        return np.asarray(self.second_moment)

    def _basis(self, count: int) -> ModeBasis:
        return paired_basis(np.asarray(self.cross_correlation), self._operator(), count, power=2)

    def _loss(self, state: Matrix) -> float:
        covariance = state @ self._operator() @ state.T
        agreement = np.vdot(state @ np.asarray(self.cross_correlation), state)
        return float(np.vdot(covariance, covariance) - 2 * agreement)

    def _velocity(self, state: Matrix) -> Matrix:
        scaled = state @ self._operator()
        velocity: Matrix = 4 * (state @ np.asarray(self.cross_correlation) - scaled @ state.T @ scaled)
        return velocity


@dataclass(frozen=True, eq=False)
class CrossViewAutoencoder(Family):
    """A tied linear autoencoder that gives back another view, L = E||x' - W^T W x||^2.

        p' = 8 p (gamma - sigma p),     half-time log(rho / s_0^2 - 1) / (8 gamma)
        end rho = gamma / sigma

    With x the sample with noise on it and x' the sample it is a denoising autoencoder. Exact where Gamma and
    Sigma commute. The loss is less E||x'||^2 throughout.

    Attributes
    ----------
    cross_correlation : ArrayLike
        (m, m) Gamma, the symmetric part of E x' x^T.
    second_moment : ArrayLike
        (m, m) Sigma = E x x^T of what goes in.

    Raises
    ------
    ValueError
        Matrices that are not symmetric, of one size and finite, or a Sigma with negative eigenvalues.

    Examples
    --------
    Noise of variance 1 on samples of variances 3 and 1:

    >>> family = CrossViewAutoencoder(np.diag([3.0, 1.0]), np.diag([4.0, 2.0]))
    >>> family.solve(1e-3 * np.eye(2)).ends
    array([0.75, 0.5 ])
    """

    cross_correlation: ArrayLike
    second_moment: ArrayLike

    def __post_init__(self) -> None:
        _check_moments(self)

    @classmethod
    def from_data(cls, x: ArrayLike, target: ArrayLike) -> "CrossViewAutoencoder":
        """Take what goes in, x (n, m), and what is to come out, target (n, m).

        For both orders of two views pass `np.concatenate((x, y))` and `np.concatenate((y, x))`.
        """
        return cls(cross_correlation(x, target), second_moment(x))

    def _operator(self) -> Matrix:
        return np.asarray(self.second_moment)

    def _basis(self, count: int) -> ModeBasis:
        return paired_basis(np.asarray(self.cross_correlation), self._operator(), count)

    def _loss(self, state: Matrix) -> float:
        return _reconstruction_loss(state, np.asarray(self.cross_correlation), self._operator())

    def _velocity(self, state: Matrix) -> Matrix:
        return _reconstruction_velocity(state, np.asarray(self.cross_correlation), self._operator())

    def _stiffness(self) -> float:
        return max(super()._stiffness(), float(np.linalg.norm(np.asarray(self.cross_correlation), 2)))


@dataclass(frozen=True, eq=False)
class Autoencoder(Family):
    """A tied linear autoencoder, L = E||x - W^T W x||^2, less E||x||^2.

        p' = 8 sigma p (1 - p),     half-time log(1 / s_0^2 - 1) / (8 sigma),     end 1

    Its modes are the principal directions of the data, uncentred if these are.

    Attributes
    ----------
    second_moment : ArrayLike
        (m, m) Sigma = E x x^T.

    Raises
    ------
    ValueError
        A matrix that is not symmetric and finite, or has negative eigenvalues.

    Examples
    --------
    >>> solution = Autoencoder(np.diag([4.0, 1.0, 0.0])).solve(1e-3 * np.eye(3))
    >>> solution.ends, solution.half_times.round(3)
    (array([1.e+00, 1.e+00, 1.e-06]), array([0.432, 1.727,   inf]))
    """

    second_moment: ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "second_moment", checked_second_moment(self.second_moment))

    @classmethod
    def from_data(cls, x: ArrayLike, *, center: bool = False) -> "Autoencoder":
        """Take samples x (n, m)."""
        return cls(second_moment(x, center=center))

    def _operator(self) -> Matrix:
        return np.asarray(self.second_moment)

    def _basis(self, count: int) -> ModeBasis:
        variances, modes = top_eigenmodes(self._operator(), min(count, len(self._operator())))
        variances = np.maximum(variances, 0.0)
        return ModeBasis(variances, variances, modes)

    def _loss(self, state: Matrix) -> float:
        return _reconstruction_loss(state, self._operator(), self._operator())

    def _velocity(self, state: Matrix) -> Matrix:
        return _reconstruction_velocity(state, self._operator(), self._operator())


def _reconstruction_loss(state: Matrix, cross: Matrix, moment: Matrix) -> float:
    overlap = state @ state.T
    return float(np.vdot(overlap, state @ moment @ state.T) - 2 * np.vdot(state @ cross, state))


def _reconstruction_velocity(state: Matrix, cross: Matrix, moment: Matrix) -> Matrix:
    scaled = state @ moment
    reached = (scaled @ state.T) @ state + (state @ state.T) @ scaled
    velocity: Matrix = 4 * (state @ cross) - 2 * reached
    return velocity


def _check_moments(family: SpectralContrastive | CrossViewAutoencoder) -> None:
    cross = symmetric_operator(family.cross_correlation)
    object.__setattr__(family, "cross_correlation", cross)
    object.__setattr__(family, "second_moment", checked_second_moment(family.second_moment, len(cross)))
