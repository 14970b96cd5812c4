"""When each mode is learned: the closed forms of eigenstep.theory on an estimator's eigenvalues."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from eigenstep import theory
from eigenstep.kernel.pairs import SimCLR, SmallStartObjective


class LearningCurves:
    """What a fitted estimator with `eigenvalues_` knows of the training that it stands for.

    Time is t = learning rate x step. `init_scale` is s_j(0), the size of each mode in the initial function,
    in the norm of the kernel's function space: one number, or one for each mode (k,). All curves are those of
    an aligned start, exact for Barlow Twins (arXiv:2303.15438, section 4) and to fourth order in the
    embeddings for SimCLR; VICReg and LeJEPA have none beyond their first growth, `growth_rates_`.
    """

    eigenvalues_: NDArray[np.float64]
    next_eigenvalue_: float
    n_components_: int
    objective_: SmallStartObjective
    _plateaus: NDArray[np.float64]
    _by_rho: bool

    def learning_times(self, init_scale: ArrayLike = 1e-4) -> NDArray[np.float64]:
        """Return when each mode is half learned, (k,).

        t_j = log(1/lambda_j(0) - 1) / (8 gamma_j), lambda_j(0) = gamma_j s_j(0)^2; for SimCLR 2 T times that,
        with lambda_j(0) in units of where the mode ends.

        Raises
        ------
        ValueError
            A scale that is not positive, or an objective without closed form.

        Examples
        --------
        >>> from eigenstep import ContrastiveKernelPCA
        >>> model = ContrastiveKernelPCA(1, kernel="linear", y_is="view").fit([[1.0], [2.0]], [[1.0], [2.0]])
        >>> model.learning_times(init_scale=1e-4).round(3)
        array([0.875])
        """
        unit, plateau = self._closed_form()
        return unit * theory.half_times(self.eigenvalues_, self._scales(init_scale) / np.sqrt(plateau))

    def trajectory(self, times: ArrayLike, init_scale: ArrayLike = 1e-4) -> NDArray[np.float64]:
        """Return the eigenvalues lambda_j(t) of the embeddings' cross-correlation, (T, k).

        Each rises along a logistic curve from gamma_j s_j(0)^2 to 1. For SimCLR it ends at T rho_j^2, with
        rho_j^2 = gamma_j^2 / (m c) and m and c the second moment and the variance of the unit-norm mode.

        Parameters
        ----------
        times : ArrayLike
            (T,) or one number, t >= 0; infinity gives the end point.
        init_scale : ArrayLike
            s_j(0), one number or (k,).

        Raises
        ------
        ValueError
            Negative times, a scale that is not positive, or an objective without closed form.

        Examples
        --------
        >>> from eigenstep import ContrastiveKernelPCA
        >>> model = ContrastiveKernelPCA(1, kernel="linear", y_is="view").fit([[1.0], [2.0]], [[1.0], [2.0]])
        >>> model.trajectory([0.0, 0.875, 2.0]).round(2)
        array([[0. ],
               [0.5],
               [1. ]])
        """
        unit, plateau = self._closed_form()
        scales = self._scales(init_scale) / np.sqrt(plateau)
        moments = np.atleast_1d(np.asarray(times, dtype=np.float64)) / unit
        return plateau * theory.mode_eigenvalues(self.eigenvalues_, scales, moments)

    def loss_curve(self, times: ArrayLike, init_scale: ArrayLike = 1e-4) -> NDArray[np.float64]:
        """Return the loss over time, (T,), for embeddings of as many dimensions as there are modes here.

        Barlow Twins: sum_j (1 - lambda_j)^2, a staircase from k to 0. SimCLR: its loss to fourth order for
        modes that move one after the other, less its end value: with e_j where lambda_j ends,
        sum_j e_j (1 - lambda_j/e_j)^2 / (2 T).

        Raises
        ------
        ValueError
            As `trajectory`.

        Examples
        --------
        >>> from eigenstep import ContrastiveKernelPCA
        >>> model = ContrastiveKernelPCA(1, kernel="linear", y_is="view").fit([[1.0], [2.0]], [[1.0], [2.0]])
        >>> model.loss_curve([0.0, 0.875, 2.0]).round(2)
        array([1.  , 0.25, 0.  ])
        """
        plateau = self._closed_form()[1]
        missing = 1 - self.trajectory(times, init_scale) / plateau
        if isinstance(self.objective_, SimCLR):
            return missing**2 @ (plateau / self.objective_.temperature) / 2
        return (missing**2).sum(axis=1)

    def predicted_leak(self, init_scale: float = 1e-4) -> NDArray[np.float64]:
        """Return how much of the next mode has been learned when the modes up to each one have been, (k,).

        An embedding of j dimensions that starts small, but not infinitely so, has in its j-th direction this
        amplitude of mode j + 1 beside mode j, up to a factor of order one that depends on the start:

            sqrt(gamma_{j+1}) s0 (sqrt(gamma_j) s0)^(-gamma_{j+1}/gamma_j)  ~  s0^(1 - gamma_{j+1}/gamma_j)

        Near 0 the top j modes are learned alone; near 1 mode j and j + 1 are mixed.

        Raises
        ------
        ValueError
            A scale that is not positive.

        Examples
        --------
        >>> from eigenstep import ContrastiveKernelPCA
        >>> x = [[2.0, 0.0], [0.0, 1.0]]
        >>> ContrastiveKernelPCA(1, kernel="linear", y_is="view").fit(x, x).predicted_leak(1e-4).round(4)
        array([0.0006])
        """
        check_is_fitted(self)
        self._refuse_invariance()
        start = self._scales(init_scale)
        following = np.append(self.eigenvalues_[1:], max(self.next_eigenvalue_, 0.0))
        amplitudes = np.sqrt(self.eigenvalues_) * start
        return np.sqrt(following) * start * amplitudes ** (-following / self.eigenvalues_)

    def _closed_form(self) -> tuple[float, NDArray[np.float64]]:
        """Return the objective's unit of time, and each mode's plateau (k,)."""
        check_is_fitted(self)
        self._refuse_invariance()
        objective = self.objective_
        if not objective.closed_form:
            raise ValueError(
                f"expected an objective whose learning is known in closed form (barlow_twins, simclr), got"
                f" {objective.name!r}; its first growth is in growth_rates_"
            )
        return objective.time_unit(), self._plateaus

    def _refuse_invariance(self) -> None:
        if self._by_rho:
            raise ValueError(
                "expected order='gamma' for the course of learning, which goes by gamma, got modes by"
                " invariance, which are its end; fit another model with order='gamma'"
            )

    def _scales(self, init_scale: ArrayLike) -> NDArray[np.float64]:
        scales = np.asarray(init_scale, dtype=np.float64)
        if (
            scales.shape not in ((), self.eigenvalues_.shape)
            or not (np.isfinite(scales) & (scales > 0)).all()
        ):
            raise ValueError(
                f"expected init_scale positive, one number or {len(self.eigenvalues_)} of them, got"
                f" {init_scale!r}"
            )
        return np.broadcast_to(scales, self.eigenvalues_.shape)
