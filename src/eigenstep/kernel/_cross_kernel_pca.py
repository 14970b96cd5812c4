"""`CrossKernelPCA`: what two encoders of two kinds of data learn together, in closed form."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from eigenstep import theory
from eigenstep.kernel._kernel_features import KernelFeatures

Matrix = NDArray[np.float64]
# Covariances and correlations up to so many roundings of the largest are none.
_ROUNDINGS = 100


class CrossKernelPCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What CLIP learns of pairs (x, y) of two kinds from a small start, in closed form, for a kernel of each.

    With feature maps phi of x and psi of y, centred over the n pairs, the modes are the singular functions of
    the cross-covariance S = 1/n sum_i phi(x_i) psi(y_i)^T,

        S v_j = c_j u_j,    S^T u_j = c_j v_j
        f_j(x) = c_j^{-1/2} u_j . phi(x),    g_j(y) = c_j^{-1/2} v_j . psi(y)

    f and g are the embeddings by the two encoders, their dimensions in the order in which training learns
    them (see `eigenstep.theory.CLIP`): 1/n sum_i f(x_i) g(y_i)^T is the identity. For linear kernels these
    are PLSSVD of scikit-learn with scale=False, and with order="invariance" CCA.

    Parameters
    ----------
    n_components : int or None, default 10
        Modes to keep; None keeps all.
    kernel : str or callable, default "rbf"
        Of the rows of X, and of y's where `kernel_y` is None: a name that `ContrastiveKernelPCA` knows, or a
        function of two blocks of rows.
    gamma, degree, coef0, depth, kernel_params
        Its parameters; gamma=None is 1 / n_features of its side.
    kernel_y, kernel_params_y
        The kernel of the rows of y with all its parameters, where it is another one.
    order : {"gamma", "invariance"}, default "gamma"
        "gamma": by the singular value c, the order in which training learns. "invariance": by rho, the
        correlation of the two sides, whatever its size: what is left at the end of long training.
    n_principal : int, default 256
        For order="invariance": how many principal directions of each side to look in, at most. Fewer
        regularise more; they should be far fewer than the pairs.
    whiten : bool, default True
        False returns the scores of unit-norm modes, as PLSSVD does; with order="invariance" scores of unit
        variance.
    n_landmarks : int, default 1000
        Rows of each side, chosen by randomly pivoted Cholesky, whose kernel functions span the modes. It is
        exact where they explain all, as up to 1,000 pairs and in spaces of up to 1,000 features; else late
        modes come out too small. A warning says so.
    random_state : int, RandomState or None
        Of the landmarks.

    Attributes
    ----------
    singular_values_ : NDArray[np.float64]
        (k,) c_j, the covariance of the two sides along unit-norm modes, descending but for
        order="invariance".
    rho_ : NDArray[np.float64]
        (k,) the correlation of f_j(x) and g_j(y) over the pairs; descending with order="invariance".
    explained_, explained_y_ : float
        The share of the sum of K(x, x) that the landmarks explain, of y's likewise; 1 where it is exact.
    n_components_, n_features_in_, n_features_y_ : int

    Notes
    -----
    It costs kernel values of all rows with the landmarks, (n, m) of each side, held in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from eigenstep.kernel import CrossKernelPCA
    >>> rng = np.random.default_rng(0)
    >>> cause = rng.uniform(-1, 1, size=(200, 1))
    >>> x = np.hstack([cause, rng.normal(size=(200, 2))])                # three numbers
    >>> y = np.hstack([np.cos(3 * cause), np.sin(3 * cause), 0.3 * rng.normal(size=(200, 3))])   # and five
    >>> model = CrossKernelPCA(2, kernel="rbf", gamma=0.5).fit(x, y)
    >>> model.transform(x).shape, model.transform_y(y).shape
    ((200, 2), (200, 2))
    >>> (model.transform(x).T @ model.transform_y(y) / 200).round(6) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """

    def __init__(
        self,
        n_components: int | None = 10,
        *,
        kernel: str | Callable[..., Any] = "rbf",
        gamma: float | None = None,
        degree: float = 3,
        coef0: float = 1,
        depth: int = 1,
        kernel_params: Mapping[str, Any] | None = None,
        kernel_y: str | Callable[..., Any] | None = None,
        kernel_params_y: Mapping[str, Any] | None = None,
        order: str = "gamma",
        n_principal: int = 256,
        whiten: bool = True,
        n_landmarks: int = 1000,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.depth = depth
        self.kernel_params = kernel_params
        self.kernel_y = kernel_y
        self.kernel_params_y = kernel_params_y
        self.order = order
        self.n_principal = n_principal
        self.whiten = whiten
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Solve for the modes of pairs.

        Parameters
        ----------
        X : ArrayLike
            (n, p) rows of the first kind, float32 or float64.
        y : ArrayLike
            (n, q) rows of the second kind, row i of one thing with row i of X; (n,) is one column.

        Raises
        ------
        ValueError
            Parameters out of range; NaN or infinity; numbers of rows that differ; sides that share nothing.
        """
        self._check_parameters()
        first, second = self._checked_pairs(X, y)
        draws = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        mine = {name: getattr(self, name) for name in ("gamma", "degree", "coef0", "depth", "kernel_params")}
        side_x = KernelFeatures.of(first, self.kernel, mine, self.n_landmarks, draws)
        if self.kernel_y is None:
            side_y = KernelFeatures.of(second, self.kernel, mine, self.n_landmarks, draws)
        else:
            theirs = {"kernel_params": self.kernel_params_y}
            side_y = KernelFeatures.of(second, self.kernel_y, theirs, self.n_landmarks, draws)
        self._learn(side_x, side_y)
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Embed rows of the first kind by the first encoder, (n, p) to (n, k), in X's precision.

        Raises
        ------
        ValueError
            Rows of another width, NaN or infinity.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        embedded: NDArray[Any] = (self._side_x.features(rows) @ self._map_x).astype(rows.dtype)
        return embedded

    def transform_y(self, y: ArrayLike) -> NDArray[Any]:
        """Embed rows of the second kind by the second encoder, (n, q) to (n, k), in y's precision.

        Raises
        ------
        ValueError
            Rows of another width, NaN or infinity.
        """
        check_is_fitted(self)
        rows = _second_rows(y)
        if rows.shape[1] != self.n_features_y_:
            raise ValueError(
                f"y has {rows.shape[1]} features, but {type(self).__name__} is expecting"
                f" {self.n_features_y_} features of the second side"
            )
        embedded: NDArray[Any] = (self._side_y.features(rows) @ self._map_y).astype(rows.dtype)
        return embedded

    def learning_times(self, init_scale: ArrayLike = 1e-4, temperature: float = 1.0) -> Matrix:
        """Return when CLIP by inner product has learned half of each mode, (k,), in learning rate x step.

            t_j = T log(T c_j / (sigma_x sigma_y s_j(0)^2) - 1) / (2 c_j)

        sigma_x and sigma_y are the variances of either side along the unit-norm mode, s_j(0) the size of the
        mode in both initial functions. First times hold; see `eigenstep.theory.CLIP` for how far ends do.

        Parameters
        ----------
        init_scale : ArrayLike
            s_j(0), one positive number or (k,).
        temperature : float
            T of `CLIPLoss(T, normalize="none")`.

        Raises
        ------
        ValueError
            Modes by invariance; a scale or temperature that is not positive.
        """
        check_is_fitted(self)
        if self.order == "invariance":
            raise ValueError(
                "expected order='gamma' for the course of learning, which goes by covariance, got modes by"
                " invariance, which are its end; fit another model with order='gamma'"
            )
        scales = np.broadcast_to(np.asarray(init_scale, dtype=np.float64), self.singular_values_.shape)
        if not (scales > 0).all() or not temperature > 0:
            raise ValueError(
                f"expected a positive init_scale and temperature, got {init_scale!r} and {temperature!r}"
            )
        course = theory.FamilySolution(
            rate=theory.CLIP.rate,
            drives=self.singular_values_ / temperature,
            restraints=(self.singular_values_ / (self.rho_ * temperature)) ** 2,
            starts=scales**2,
            modes=np.eye(self.n_components_),
            rotation=np.eye(self.n_components_),
            loss_scale=theory.CLIP.loss_scale,
        )
        return course.half_times

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def _check_parameters(self) -> None:
        if self.order not in ("gamma", "invariance"):
            raise ValueError(f"expected order as 'gamma' or 'invariance', got {self.order!r}")
        for name in ("n_components", "n_principal", "n_landmarks"):
            value = getattr(self, name)
            if value is None and name == "n_components":
                continue
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
                raise ValueError(f"expected {name} as an integer >= 1, got {value!r}")
        if "precomputed" in (self.kernel, self.kernel_y):
            raise ValueError(
                "a precomputed kernel is not taken here, which chooses its own landmarks; pass rows"
            )

    def _checked_pairs(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        first = validate_data(self, X, dtype=(np.float64, np.float32), ensure_min_samples=2)
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None: it"
                " holds the rows of the second kind"
            )
        second = _second_rows(y)
        check_consistent_length(first, second)
        self.n_features_y_ = second.shape[1]
        return first, second

    def _learn(self, side_x: KernelFeatures, side_y: KernelFeatures) -> None:
        n = len(side_x.training)
        cross = side_x.training.T @ side_y.training / n
        if self.order == "invariance":
            basis_x, basis_y = (side.whitening(self.n_principal) for side in (side_x, side_y))
            left, found, right = np.linalg.svd(basis_x.T @ cross @ basis_y, full_matrices=False)
            map_x, map_y, largest = basis_x @ left, basis_y @ right.T, 1.0
        else:
            left, found, right = np.linalg.svd(cross, full_matrices=False)
            map_x, map_y = left, right.T
            largest = float(np.linalg.norm(side_x.training) * np.linalg.norm(side_y.training) / n)
        learned = int((found > _ROUNDINGS * np.finfo(np.float64).eps * largest).sum())
        if not learned:
            raise ValueError(
                f"the two sides share nothing (n_samples = {n}, n_features = {self.n_features_in_}): expected"
                " a positive covariance between them, got none; is one of them constant?"
            )
        if self.n_components is not None and learned < self.n_components:
            warnings.warn(
                f"n_components={self.n_components} modes were asked for, {learned} have a covariance beyond"
                " rounding",
                UserWarning,
                stacklevel=3,
            )
        kept = min(self.n_components or learned, learned)
        # The largest entry of each mode of the first side is positive.
        signs = np.sign(map_x[np.abs(map_x[:, :kept]).argmax(axis=0), np.arange(kept)])
        map_x, map_y = map_x[:, :kept] * signs, map_y[:, :kept] * signs
        spreads = [
            ((side.training @ each) ** 2).mean(axis=0) for side, each in ((side_x, map_x), (side_y, map_y))
        ]
        norms = [np.linalg.norm(each, axis=0) for each in (map_x, map_y)]
        self.n_components_ = kept
        self.rho_ = found[:kept] / np.sqrt(spreads[0] * spreads[1])
        self.singular_values_ = found[:kept] / (norms[0] * norms[1])
        scales = 1 / np.sqrt(found[:kept]) if self.whiten else np.ones(kept)
        self._side_x, self._side_y = side_x.without_training(), side_y.without_training()
        self._map_x, self._map_y = map_x * scales, map_y * scales
        self.explained_, self.explained_y_ = side_x.explained, side_y.explained

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _second_rows(y: ArrayLike) -> NDArray[Any]:
    """Return the rows of the second kind, (n, q); one column of y (n,)."""
    rows = check_array(y, dtype=(np.float64, np.float32), ensure_2d=False, allow_nd=True, input_name="y")
    if rows.ndim == 1:
        rows = column_or_1d(rows)[:, None]
    if rows.ndim != 2:
        raise ValueError(f"expected y as rows (n, q) of the second kind, got shape {rows.shape}")
    return rows
