"""Contrastive learning by two linear encoders, of two kinds of data."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._eigenmodes import matching_weights
from eigenstep.theory.families._family import Family, checked_second_moment, second_moment
from eigenstep.theory.families._mode_basis import ModeBasis, rectangular_basis

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CLIP(Family):
    """CLIP by inner product of two linear encoders f = W x and g = V y, less log n, to fourth order in them.

        L = -tr(W S V^T) / T + tr(W Sigma_x W^T V Sigma_y V^T) / (2 T^2)
        p' = 2 p (c/T - sigma_x sigma_y p/T^2),     half-time T log(T c / (sigma_x sigma_y p(0)) - 1) / (2 c)
        end T c / (sigma_x sigma_y)

    c are the singular values of the cross-covariance S = E x y^T = V_x diag(c) V_y^T, sigma_x and sigma_y the
    variances of either side along its modes, and p the singular values of W^T V. So what is learned first
    goes by c, the covariance of the two sides, and the mean of f . g ends at T times the square of the
    correlation c / sqrt(sigma_x sigma_y). The loss is the spectral contrastive one of two encoders as well,
    up to its factors. Exact in this form where modes are principal directions of either side; it is the loss
    of `eigenstep.losses.CLIPLoss(T, normalize="none")` while embeddings are small beside sqrt(T): the times
    hold, the ends where correlations are weak.

    The weights of `solve`, `gradient_flow` and `loss` are a pair (W, V), of shapes (d, m) and (d, o); the
    second encoder of a solution is its `readout`, transposed. From a generic small start

        (W(0) V_x + V(0) V_y) / 2 = Q R,     p_j(0) = R_jj^2

    Derived from the loss (Radford et al. 2021, arXiv:2103.00020), checked by simulation.

    Attributes
    ----------
    cross_covariance : ArrayLike
        (m, o) S = E x y^T, of data without their means.
    second_moment, second_moment_y : ArrayLike
        (m, m) Sigma_x = E x x^T and (o, o) Sigma_y = E y y^T, likewise.
    temperature : float
        T.

    Raises
    ------
    ValueError
        Shapes that do not match, values that are not finite, a moment with negative eigenvalues, or a
        temperature that is not positive.

    Examples
    --------
    >>> family = CLIP([[0.0, 2.0], [1.0, 0.0], [0.0, 0.0]], np.diag([4.0, 2.0, 1.0]), np.diag([2.0, 2.0]))
    >>> solution = family.solve((1e-3 * np.eye(2, 3), 1e-3 * np.eye(2)))
    >>> solution.drives, solution.ends
    (array([2., 1.]), array([0.25, 0.25]))
    >>> first, second = solution.weights(), solution.readout().T
    >>> (first.T @ second).round(6) + 0.0
    array([[0.  , 0.25],
           [0.25, 0.  ],
           [0.  , 0.  ]])
    """

    rate: ClassVar[float] = 2.0
    loss_scale: ClassVar[float] = 0.5
    cross_covariance: ArrayLike
    second_moment: ArrayLike
    second_moment_y: ArrayLike
    temperature: float = 1.0

    def __post_init__(self) -> None:
        cross = np.asarray(self.cross_covariance, dtype=np.float64)
        if cross.ndim != 2 or 0 in cross.shape or not np.isfinite(cross).all():
            raise ValueError(f"expected a finite cross_covariance E x y^T of shape (m, o), got {cross.shape}")
        if not self.temperature > 0:
            raise ValueError(f"expected a positive temperature, got {self.temperature}")
        object.__setattr__(self, "cross_covariance", cross)
        for name, size in zip(("second_moment", "second_moment_y"), cross.shape, strict=True):
            object.__setattr__(self, name, checked_second_moment(getattr(self, name), size))

    @classmethod
    def from_data(cls, x: ArrayLike, y: ArrayLike, *, temperature: float = 1.0) -> "CLIP":
        """Take samples x (n, m) and y (n, o), row i of both of one thing; their means are taken off."""
        first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or not len(first):
            raise ValueError(
                f"expected x (n, m) and y (n, o), row i of both of one sample, got {first.shape} and"
                f" {second.shape}"
            )
        first, second = first - first.mean(axis=0), second - second.mean(axis=0)
        cross = first.T @ second / len(first)
        return cls(cross, second_moment(first), second_moment(second), temperature)

    def _scaled(self) -> tuple[Matrix, Matrix, Matrix]:
        """S, Sigma_x and Sigma_y over T, of which the loss is made as at T = 1."""
        moments = (self.cross_covariance, self.second_moment, self.second_moment_y)
        cross, of_x, of_y = (np.asarray(moment) / self.temperature for moment in moments)
        return cross, of_x, of_y

    def _operator(self) -> Matrix:
        return self._scaled()[1]

    def _stiffness(self) -> float:
        # Four times, as the rate is a quarter of theirs that the matrices' norms are meant for.
        cross, of_x, of_y = (float(np.linalg.norm(moment, 2)) for moment in self._scaled())
        return 4 * max(cross, (of_x * of_y) ** 0.5)

    def _basis(self, count: int) -> ModeBasis:
        cross, of_x, of_y = self._scaled()
        return rectangular_basis(cross.T, of_x, of_y, count)

    def _state(self, weights: ArrayLike | tuple[ArrayLike, ArrayLike]) -> Matrix:
        """[W, V], a row for each output."""
        if not isinstance(weights, tuple) or len(weights) != 2:
            raise ValueError("expected the weights of both encoders as a pair (W, V), W (d, m) and V (d, o)")
        of_x, of_y = np.asarray(self.cross_covariance).shape
        first, second = matching_weights(weights[0], of_x), matching_weights(weights[1], of_y)
        if len(first) != len(second):
            raise ValueError(f"expected as many outputs of both encoders, got {len(first)} and {len(second)}")
        return np.concatenate((first, second), axis=1)

    def _layers(self, state: Matrix) -> tuple[Matrix, Matrix]:
        inputs = len(np.asarray(self.cross_covariance))
        return state[:, :inputs], state[:, inputs:].T

    def _loss(self, state: Matrix) -> float:
        first, second = self._layers(state)
        cross, of_x, of_y = self._scaled()
        spread = np.vdot(first @ of_x @ first.T, second.T @ of_y @ second)
        return float(spread / 2 - np.vdot(first @ cross, second.T))

    def _velocity(self, state: Matrix) -> Matrix:
        first, second = self._layers(state)
        cross, of_x, of_y = self._scaled()
        scaled_x, scaled_y = first @ of_x, second.T @ of_y
        of_first = second.T @ cross.T - (scaled_y @ second) @ scaled_x
        of_second = first @ cross - (scaled_x @ first.T) @ scaled_y
        return np.concatenate((of_first, of_second), axis=1)
