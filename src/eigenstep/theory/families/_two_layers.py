"""Supervised learning by two linear layers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._eigenmodes import matching_weights
from eigenstep.theory.families._family import Family, checked_second_moment, second_moment
from eigenstep.theory.families._mode_basis import ModeBasis, rectangular_basis

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TwoLayerSupervised(Family):
    """Regression by two linear layers, L = E||y - B A x||^2, less E||y||^2.

        a' = 4 a (c - sigma a),     half-time log(c / (sigma a_0) - 1) / (4 c),     end c / sigma

    c are the singular values of Sigma_yx = U diag(c) V^T, sigma the variances of x along V, and a those of
    the product B A = U diag(a) V^T. Exact where V are principal directions of x, as they are of whitened x.
    Source: Saxe, McClelland, Ganguli 2014, arXiv:1312.6120.

    The weights of `solve`, `gradient_flow` and `loss` are a pair (A, B), of shapes (d, m) and (o, d). From a
    generic small start

        (A(0) V + B(0)^T U) / 2 = Q R,     a_j(0) = R_jj^2

    since the two layers grow to be one another's mirror, and what sets them apart at first does not grow.

    Attributes
    ----------
    cross_moment : ArrayLike
        (o, m) Sigma_yx = E y x^T.
    second_moment : ArrayLike
        (m, m) Sigma = E x x^T.

    Raises
    ------
    ValueError
        Shapes that do not match, values that are not finite, or a Sigma with negative eigenvalues.

    Examples
    --------
    >>> family = TwoLayerSupervised([[0.0, 2.0], [1.0, 0.0], [0.0, 0.0]], np.diag([1.0, 4.0]))
    >>> solution = family.solve((1e-3 * np.eye(2), 1e-3 * np.eye(3, 2)))
    >>> solution.ends
    array([0.5, 1. ])
    >>> (solution.readout() @ solution.weights()).round(6) + 0.0
    array([[0. , 0.5],
           [1. , 0. ],
           [0. , 0. ]])
    """

    rate: ClassVar[float] = 4.0
    cross_moment: ArrayLike
    second_moment: ArrayLike

    def __post_init__(self) -> None:
        cross = np.asarray(self.cross_moment, dtype=np.float64)
        if cross.ndim != 2 or 0 in cross.shape or not np.isfinite(cross).all():
            raise ValueError(f"expected a finite cross_moment E y x^T of shape (o, m), got {cross.shape}")
        object.__setattr__(self, "cross_moment", cross)
        object.__setattr__(self, "second_moment", checked_second_moment(self.second_moment, cross.shape[1]))

    @classmethod
    def from_data(cls, x: ArrayLike, y: ArrayLike) -> "TwoLayerSupervised":
        """Take samples x (n, m) and their targets y (n, o), for classes one-hot."""
        samples, targets = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if samples.ndim != 2 or targets.ndim != 2 or len(samples) != len(targets):
            raise ValueError(
                f"expected samples (n, m) and targets (n, o), got {samples.shape} and {targets.shape}; "
                "classes become one-hot rows"
            )
        return cls(targets.T @ samples / max(len(samples), 1), second_moment(samples))

    def _operator(self) -> Matrix:
        return np.asarray(self.second_moment)

    def _stiffness(self) -> float:
        # Twice, as the rate is half of theirs that the matrices' norms are meant for.
        return 2 * max(super()._stiffness(), float(np.linalg.norm(np.asarray(self.cross_moment), 2)))

    def _basis(self, count: int) -> ModeBasis:
        return rectangular_basis(np.asarray(self.cross_moment), self._operator(), None, count)

    def _state(self, weights: ArrayLike | tuple[ArrayLike, ArrayLike]) -> Matrix:
        """[A, B^T], a row for each hidden unit."""
        if not isinstance(weights, tuple) or len(weights) != 2:
            raise ValueError("expected the weights of both layers as a pair (A, B), A (d, m) and B (o, d)")
        outputs, inputs = np.asarray(self.cross_moment).shape
        first = matching_weights(weights[0], inputs)
        second = np.asarray(weights[1], dtype=np.float64)
        if second.shape != (outputs, len(first)) or not np.isfinite(second).all():
            raise ValueError(
                f"expected a finite second layer B of shape ({outputs}, {len(first)}), got {second.shape}"
            )
        return np.concatenate((first, second.T), axis=1)

    def _layers(self, state: Matrix) -> tuple[Matrix, Matrix]:
        inputs = len(self._operator())
        return state[:, :inputs], state[:, inputs:].T

    def _loss(self, state: Matrix) -> float:
        first, second = self._layers(state)
        product = second @ first
        return float(np.vdot(product @ self._operator() - 2 * np.asarray(self.cross_moment), product))

    def _velocity(self, state: Matrix) -> Matrix:
        first, second = self._layers(state)
        residual = 2 * (np.asarray(self.cross_moment) - second @ first @ self._operator())
        return np.concatenate((second.T @ residual, (residual @ first.T).T), axis=1)
