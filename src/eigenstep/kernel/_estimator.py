"""`ContrastiveKernelPCA`: self-supervised learning in closed form, for any kernel."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from eigenstep import theory
from eigenstep.kernel._learning_curves import LearningCurves
from eigenstep.kernel._parameters import check_parameters, parameters_code, solver_settings
from eigenstep.kernel._pre_images import PreImages
from eigenstep.kernel._processes import check_same_data, join_processes
from eigenstep.kernel._progress import SolverProgress
from eigenstep.kernel._rows import checked_rows, real_tensor
from eigenstep.kernel._to_run import write_run
from eigenstep.kernel._training_views import TrainingViews, training_views
from eigenstep.kernel.functions import KERNELS, LinearKernel, SparseKernel, central_row, make_kernel
from eigenstep.kernel.pairs import SimCLR, SmallStartObjective, make_objective
from eigenstep.kernel.solvers import (
    Problem,
    Solution,
    SolverSettings,
    ViewRows,
    nystrom_solution,
    solve,
    start_pass,
)

# Kernel values computed at a time when new rows are embedded.
_TRANSFORM_ENTRIES = 2**24


def _takes_batches(estimator: ContrastiveKernelPCA) -> bool:
    if estimator.kernel == "precomputed":
        raise AttributeError("a precomputed kernel is of all views, to which no batch can be added; use fit")
    return True


class ContrastiveKernelPCA(ClassNamePrefixFeaturesOutMixin, LearningCurves, TransformerMixin, BaseEstimator):
    """Self-supervised embeddings of any kernel in closed form: what Barlow Twins learns from a small start.

    From positive pairs and a kernel K~ over all N views, the modes

        A K~ a_j = gamma_j a_j,   a_j^T K~ a_j = 1,   f_j(x) = gamma_j^{-1/2} a_j^T k~(x)

    are the embedding's dimensions in the order in which training learns them; A is the pair graph, for pairs
    the swap of views over 2n. Source: Simon et al., ICML 2023, arXiv:2303.15438, sections 3 to 5.

    Parameters
    ----------
    n_components : int or None, default 10
        Modes to keep; None keeps every positive eigenvalue.
    kernel : str or callable, default "rbf"
        A kernel of `sklearn.metrics.pairwise` by name; "relu_ntk", "arc_cosine": the tangent kernel and the
        Gaussian-process kernel of infinitely wide fully connected ReLU networks; "precomputed"; or a callable
        of two blocks of rows that returns their (n, m) kernel values.
    gamma, degree, coef0 : as in `sklearn.metrics.pairwise`
        gamma=None is 1 / n_features.
    depth : int, default 1
        Hidden layers, for "relu_ntk" and "arc_cosine".
    kernel_params : mapping, optional
        Further keyword arguments of the kernel.
    objective : {"barlow_twins", "simclr", "vicreg", "lejepa"}, default "barlow_twins"
        The loss whose first learning is described; it chooses the operator in A's place.
    objective_params : mapping, optional
        `temperature` of SimCLR; `lambda_param`, `mu_param`, `nu_param`, `eps` of VICReg; `weight`,
        `batch_size`, `pooled`, `prediction`, `t_max`, `knots` of LeJEPA.
    order : {"gamma", "invariance"}, default "gamma"
        "gamma": modes in the order in which training learns them. "invariance": in the order of rho, by what
        two views share of them, whatever its size: what is left at the end of long training.
    n_principal : int, default 256
        For order="invariance": how many principal directions of the views to look in, at most. Fewer
        regularise more; they should be far fewer than the samples.
    center : bool, default False
        Centre the kernel over the training views, as kernel PCA does.
    whiten : bool, default True
        False returns scores of unit-norm modes, as KernelPCA does, in place of embeddings with C = I.
    fit_inverse_transform : bool, default False
        Learn `inverse_transform`, by kernel ridge regression of rows on their embeddings.
    alpha : float, default 1.0
        Its ridge.
    y_is : {"view", "target"}, optional
        What the y of `fit` is: "view", second views, row i of y with row i of X; "target", ignored, as in a
        pipeline. None ignores it too, but refuses a y of X's shape, which may be either.
    augment : callable, optional
        `augment(X, generator) -> views` of X's shape, called `n_views` times on all rows; `generator` is a
        `numpy.random.Generator`.
    n_views : int, default 2
        Views of a row that `augment` makes.
    solver : {"auto", "dense", "krylov", "nystrom"}, default "auto"
        "dense": pivoted Cholesky and one eigenproblem, exact. "krylov": exact to `tol`, one kernel product a
        step. "nystrom": modes spanned by landmarks, one pass over the views, for any number of them; its slow
        modes are biased downwards. "auto" is dense up to 1,000 views, krylov up to 50,000, and nystrom beyond
        with a warning.
    n_landmarks : int, default 1000
        For "nystrom": rows chosen by randomly pivoted Cholesky.
    polish : int, default 0
        For "nystrom": exact kernel products that refine its modes.
    tol : float, optional
        For "krylov": each mode's residual over its eigenvalue at most; 1e-6 for float64 and 5e-4 for float32
        rows. The error of an eigenvalue is of the order of the residual's square.
    max_iter : int, default 100
        For "krylov": kernel products at most.
    memory_budget : float, optional
        Bytes for the kernel matrix and the solver's arrays on this process. Of krylov's kernel what does not
        fit is computed anew at each product, nystrom reads fewer rows at a time; what takes more than that is
        refused with the bytes it takes. Default: for krylov 70 % of what is free, for the others no limit.
    device : str or torch.device, optional
        Where to compute: "cpu", "cuda", "mps". Default: where a tensor is, the CPU for arrays.
    distributed : bool, default False
        Share the work among the processes that `torchrun` started; each calls `fit` with the same data.
    random_state : int, RandomState or None
        Of landmarks, the Krylov start and `augment`.
    verbose : int, default 0
        1 shows progress on standard error.

    Attributes
    ----------
    eigenvalues_
        (k,) gamma_j, positive, descending but for order="invariance".
    next_eigenvalue_ : float
        gamma_{k+1}, or 0 where there is none.
    rho_ : NDArray[np.float64]
        (k,) the correlation of the mode's values on two views of a sample: `invariance_ratio_`; descending
        with order="invariance".
    next_rho_ : float
        With order="invariance" rho_{k+1}, or 0 where none is positive; otherwise NaN.
    n_components_, n_positive_ : int
        k: as many as were asked for and have positive eigenvalues.
    dual_coef_
        (N, k) a_j over the training views, first all of X and then all of y; for "nystrom" over the
        landmarks, and with `center` one row more.
    residuals_
        (k,) ||A K~ a_j - gamma_j a_j||_K~ / gamma_j, measured; for "nystrom" estimated on a sample.
    invariance_ratio_
        (k,) gamma_j over the mean of (a_j^T k~)^2 over the views, at most 1: the correlation of the mode's
        values on two views of a sample, 1 for a mode that augmentation leaves alone.
    growth_rates_ : NDArray[np.float64]
        (k,) exponents at which small modes grow.
    solver_ : str
        Which solver ran, how, and why.
    n_views_, n_iter_ : int
        N; products with the kernel of all views.
    n_features_in_ : int
    gamma_ : float
        The gamma of a kernel that has one.

    Notes
    -----
    With order="invariance" the modes solve Gamma v = rho Sigma v in the leading `n_principal` principal
    directions of the views. Sigma is the second moment over the views, each of which counts as much as its
    pairs do, diag(A 1) in the place of A (of negative weights their sizes): then rho is between -1 and 1, and
    a constant has rho = 1 where no weight is negative. `eigenvalues_` are a^T K~ A K~ a as ever, in no order,
    and modes of equal rho come in the order of these. Only modes of a positive rho are kept. They are what
    the spectral contrastive loss ends at, and for a linear kernel and pairs, centred, the canonical
    correlations of one view with the other, taken both ways.

    Examples
    --------
    >>> import numpy as np
    >>> from eigenstep import ContrastiveKernelPCA
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 5))
    >>> y = x + 0.1 * rng.normal(size=x.shape)
    >>> model = ContrastiveKernelPCA(n_components=3, kernel="rbf", y_is="view").fit(x, y)
    >>> model.transform(x).shape
    (200, 3)
    >>> model.solver_
    'dense: 400 views are at most 1,000'
    >>> bool(np.all(np.diff(model.learning_times(init_scale=1e-4)) > 0))
    True
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
        objective: str = "barlow_twins",
        objective_params: Mapping[str, float] | None = None,
        order: str = "gamma",
        n_principal: int = 256,
        center: bool = False,
        whiten: bool = True,
        fit_inverse_transform: bool = False,
        alpha: float = 1.0,
        y_is: str | None = None,
        augment: Callable[..., Any] | None = None,
        n_views: int = 2,
        solver: str = "auto",
        n_landmarks: int = 1000,
        polish: int = 0,
        tol: float | None = None,
        max_iter: int = 100,
        memory_budget: float | None = None,
        device: str | torch.device | None = None,
        distributed: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.depth = depth
        self.kernel_params = kernel_params
        self.objective = objective
        self.objective_params = objective_params
        self.order = order
        self.n_principal = n_principal
        self.center = center
        self.whiten = whiten
        self.fit_inverse_transform = fit_inverse_transform
        self.alpha = alpha
        self.y_is = y_is
        self.augment = augment
        self.n_views = n_views
        self.solver = solver
        self.n_landmarks = n_landmarks
        self.polish = polish
        self.tol = tol
        self.max_iter = max_iter
        self.memory_budget = memory_budget
        self.device = device
        self.distributed = distributed
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, *, groups: Any = None, pair_graph: Any = None) -> Self:
        """Solve for the modes of positive pairs.

        Parameters
        ----------
        X : Any
            (n, p) array, memory map, CSR matrix or tensor, float32 or float64 (other types are converted);
            for kernel="precomputed" the kernel matrix (N, N) over all views; for a callable kernel (n, ...).
        y : Any
            For y_is="view" second views, row by row, of X's shape; columns of data frames are matched by
            name. Otherwise a target, as a pipeline passes it along: ignored.
        groups : Any
            (n,) ids; rows that share one are views of one sample, in any number.
        pair_graph : Any
            (n, n) symmetric weights of pairs of rows, sparse or dense; divided by their sum.

        Raises
        ------
        ValueError
            Parameters out of range; NaN or infinity; shapes that do not match; a kernel that is not symmetric
            or has negative eigenvalues; no mode with a positive eigenvalue.

        Notes
        -----
        Without any of these (and without `augment`) each row is its own view: uncentred kernel PCA.
        """
        problem, settings, generator = self._prepare(X, y, groups, pair_graph, reset=True)
        solution = solve(problem, settings, generator)
        self._learn(solution, problem, problem.n_views, isinstance(X, Tensor))
        self._pass = solution.summed
        problem.progress.close(
            f"{self.n_components_} modes of {problem.n_views:,} views, {self.solver_.split(':')[0]}"
        )
        return self

    @available_if(_takes_batches)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any = None, *, groups: Any = None, pair_graph: Any = None) -> Self:
        """Add a batch of samples to a model on landmarks, and solve for its modes so far.

        The first batch gives the landmarks, and the views that residuals are estimated from; after `fit` by
        "nystrom" further batches go on from there. Batches hold whole samples: the modes are those of all of
        them in one batch. Parameters and errors are those of `fit`. A precomputed kernel has no such method.

        Examples
        --------
        >>> import numpy as np
        >>> from eigenstep import ContrastiveKernelPCA
        >>> rng = np.random.default_rng(0)
        >>> model = ContrastiveKernelPCA(2, kernel="linear", y_is="view", random_state=0)
        >>> for batch in range(4):
        ...     x = rng.normal(size=(100, 3))
        ...     model = model.partial_fit(x, x + 0.1 * rng.normal(size=x.shape))
        >>> model.n_views_
        800
        """
        so_far = getattr(self, "_pass", None)
        problem, settings, generator = self._prepare(X, y, groups, pair_graph, reset=so_far is None)
        if settings.n_modes is None and settings.n_principal is None:
            raise ValueError("expected n_components as a number for partial_fit, got None")
        summed = start_pass(problem, settings, generator) if so_far is None else so_far
        with problem.processes.together():
            summed.add(problem.rows, problem.graph, problem.processes)
        solution = nystrom_solution(summed, settings, "partial_fit", problem.processes)
        self._learn(solution, problem, summed.n_views, isinstance(X, Tensor))
        self._pass = summed
        return self

    def transform(self, X: Any, *, time: float | None = None, init_scale: ArrayLike = 1e-4) -> Any:
        """Embed rows, at the end of training or at any moment of it.

        f_j(x) = s_j(t) a_j^T k~(x), which ends at s_j = gamma_j^{-1/2} for Barlow Twins: then the
        embedding's cross-correlation over the training pairs is the identity. With
        whiten=False s_j = 1 at the end, so that the mean square of component j over identical views is
        gamma_j, as of KernelPCA's scores.

        Parameters
        ----------
        X : Any
            (n, p) rows of the training views' kind; for kernel="precomputed" their kernel values (n, N) with
            the training views.
        time : float | None
            Learning rate x step; None is the end of training.
        init_scale : ArrayLike
            s_j(0), one number or (k,); used with `time` only.

        Returns
        -------
        Any
            (n, k) array, or a tensor on X's device for a tensor X, of X's dtype

        Raises
        ------
        ValueError
            Rows of another width or kind, NaN or infinity; a time with whiten=False, VICReg or LeJEPA.
        """
        check_is_fitted(self)
        rows = checked_rows(self, X, reset=False)
        if scipy.sparse.issparse(rows) != scipy.sparse.issparse(self._support):
            raise ValueError(
                "expected sparse rows if the training views were sparse and dense rows if they were dense;"
                " convert X"
            )
        scales = self._output_scales(time, init_scale)
        dual = torch.as_tensor(self.dual_coef_)
        weights = (dual.cpu().double() * torch.from_numpy(scales)).to(dual)
        offsets = torch.from_numpy(self._means * scales).to(dual)
        # Modes that were found in float64 may be lost in float32.
        exact = self._support.dtype if isinstance(self._support, Tensor) else self._dtype
        read = ViewRows([rows], dual.device, exact)
        height = max(1, _TRANSFORM_ENTRIES // len(dual))
        embedded = []
        for start in range(0, read.n_views, height):
            block = self._kernel_values(read.take(np.arange(start, min(start + height, read.n_views))))
            embedded.append(block.to(weights) @ weights - offsets)
        embedding = torch.cat(embedded)
        if isinstance(X, Tensor):
            return embedding.to(X.device, X.dtype if X.is_floating_point() else self._dtype)
        single = getattr(X, "dtype", None) == np.float32
        return embedding.cpu().numpy().astype(np.float32 if single else np.float64, copy=False)

    def inverse_transform(self, X: Any) -> Any:
        """Return rows whose embeddings are near given ones; only with `fit_inverse_transform`.

        A kernel ridge regression, with this kernel between embeddings, of all training views (for "nystrom"
        of 2,000 at most, after `partial_fit` of the first batch's alone) on their embeddings: what KernelPCA
        does. It solves a system of as many equations.

        Parameters
        ----------
        X : Any
            (n, k) embeddings, at the end of training.

        Returns
        -------
        Any
            (n, p) array, or a tensor on X's device for a tensor X, of X's dtype

        Raises
        ------
        ValueError
            Without `fit_inverse_transform` (a NotFittedError); embeddings of another width, NaN or infinity.

        Examples
        --------
        >>> import numpy as np
        >>> from eigenstep import ContrastiveKernelPCA
        >>> x = np.random.default_rng(0).normal(size=(100, 2)) @ [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]
        >>> model = ContrastiveKernelPCA(2, kernel="linear", fit_inverse_transform=True, alpha=1e-6).fit(x)
        >>> bool(np.allclose(model.inverse_transform(model.transform(x)), x, atol=1e-5))
        True
        """
        check_is_fitted(self)
        if self._pre_images is None:
            raise NotFittedError(
                "The fit_inverse_transform parameter was not set to True when instantiating and hence the"
                " inverse transform is not available."
            )
        if isinstance(X, Tensor):
            given = real_tensor(X, "X")
            if not bool(torch.isfinite(given).all()):
                raise ValueError("Input X contains NaN or infinity; expected finite embeddings")
        else:
            given = torch.tensor(check_array(X, dtype=(np.float64, np.float32), input_name="X"))
        if given.ndim != 2 or given.shape[1] != self.n_components_:
            raise ValueError(
                f"expected embeddings (n, {self.n_components_}), one column for each component, got shape"
                f" {tuple(given.shape)}"
            )
        rows = self._pre_images(given.cpu().double()).to(given.device)
        rows = rows.to(given.dtype if given.is_floating_point() else self._dtype)
        return rows if isinstance(X, Tensor) else rows.numpy()

    def to_run(
        self,
        folder: str | Path,
        X: Any = None,
        *,
        init_scale: ArrayLike = 1e-4,
        thumbnails: NDArray[np.uint8] | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write the closed form as a run folder, marked as a prediction, for `eigenstep report` and `view`.

        Parameters
        ----------
        folder : str | Path
            Where; it is there when it is whole.
        X : Any
            (n, p) rows whose embeddings are shown moving, as of `transform`; none by default.
        init_scale : ArrayLike
            s_j(0), one number or (k,).
        thumbnails : NDArray[np.uint8] | None
            uint8 (n, height, width, 3), a picture of each row of X.
        overwrite : bool
            Replace the prediction of an estimator that is at `folder`, and nothing else.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        ValueError
            An objective without closed form, whiten=False with X, thumbnails that do not fit X.
        FileExistsError
            Something is at `folder` that may not be replaced.

        Examples
        --------
        >>> import tempfile
        >>> from eigenstep import ContrastiveKernelPCA
        >>> from eigenstep.record import read_record
        >>> x = [[2.0, 0.0], [0.0, 1.0]]
        >>> model = ContrastiveKernelPCA(2, kernel="linear", y_is="view").fit(x, x)
        >>> folder = model.to_run(tempfile.mkdtemp() + "/closed-form", x)
        >>> [round(time, 2) for time in read_record(folder).prediction["half_times"]]
        [1.11, 4.78]
        """
        return write_run(self, folder, X, init_scale=init_scale, thumbnails=thumbnails, overwrite=overwrite)

    @property
    def growth_rates_(self) -> NDArray[np.float64]:
        """(k,) exponents of the small modes, s_j ~ e^{rate t}."""
        check_is_fitted(self)
        if self._by_rho:
            raise AttributeError("modes by invariance have no growth rates: learning goes by gamma")
        return self.objective_.growth_rates(self.eigenvalues_, dim=self.n_components_)

    @property
    def gamma_(self) -> float:
        """The kernel's gamma; AttributeError for a kernel without one."""
        check_is_fitted(self)
        known = vars(self._kernel) | getattr(self._kernel, "parameters", {}) if self._kernel else {}
        if "gamma" not in known:
            raise AttributeError(f"kernel {self.kernel!r} has no gamma")
        return float(known["gamma"])

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def _kernel_values(self, rows: Any) -> Tensor:
        """Return the kernel values (n, m) of rows with the support."""
        if self._kernel is None:
            return rows
        return self._kernel.block(self._kernel.prepare(rows), self._support)

    def _output_scales(self, time: float | None, init_scale: ArrayLike) -> NDArray[np.float64]:
        if not self.whiten:
            if time is not None:
                raise ValueError(
                    "expected whiten=True with a time: scores (whiten=False) are not a moment of training"
                )
            return np.ones(self.n_components_)
        if time is None:
            return np.sqrt(self._plateaus / self.eigenvalues_)
        unit, plateau = self._closed_form()
        if np.ndim(time) or not time >= 0:
            raise ValueError(f"expected time as one number >= 0, learning rate x step, got {time!r}")
        starts = self._scales(init_scale) / np.sqrt(plateau)
        return np.sqrt(plateau) * theory.mode_scales(self.eigenvalues_, starts, time / unit)[0]

    def _learn(self, solution: Solution, problem: Problem, n_views: int, as_tensor: bool) -> None:
        """Take over a solution as the learned attributes."""
        found = len(solution.eigenvalues)
        if found == 0:
            raise ValueError(
                f"no mode is learned from these views (n_samples = {n_views}, n_features ="
                f" {self.n_features_in_}): expected a positive eigenvalue, got none; features constant to"
                " rounding do this, or views that share nothing"
            )
        wanted = found if self.n_components is None else self.n_components
        if found < wanted:
            warnings.warn(
                f"n_components={wanted} modes were asked for, {found} have a positive eigenvalue beyond"
                " rounding",
                UserWarning,
                stacklevel=3,
            )
        kept = min(wanted, found)
        # A model that cannot be finished must not be half of this one.
        new = copy.copy(self)
        coefficients = solution.coefficients[:, :kept]
        new.objective_, new._kernel = problem.objective, problem.kernel
        new.eigenvalues_ = solution.eigenvalues[:kept]
        new.next_eigenvalue_ = float(solution.eigenvalues[kept]) if found > kept else 0.0
        new.n_components_ = new.n_positive_ = kept
        new.residuals_ = solution.residuals[:kept] / new.eigenvalues_
        new.invariance_ratio_ = new.eigenvalues_ / solution.mean_squares[:kept]
        new._by_rho = solution.rho is not None
        new.rho_, new.next_rho_ = new.invariance_ratio_, np.nan
        if solution.rho is not None:
            new.rho_ = solution.rho[:kept]
            new.next_rho_ = float(solution.rho[kept]) if found > kept else 0.0
        new.dual_coef_ = coefficients if as_tensor else coefficients.cpu().numpy()
        new.n_views_ = n_views
        new.n_iter_ = solution.passes
        new.solver_ = solution.solver
        new._plateaus = _plateaus(new.objective_, new.eigenvalues_, solution, self.center)
        new._means = solution.means[:kept] if new.center else np.zeros(kept)
        new._support, new._dtype = solution.support, problem.rows.dtype
        new._pre_images = None
        if self.fit_inverse_transform:
            rows = problem.rows.all() if solution.examples is None else solution.examples
            new._pre_images = new._learn_pre_images(rows)
        self.__dict__.update(new.__dict__)

    def _learn_pre_images(self, rows: Any) -> PreImages:
        embeddings = self.transform(rows).cpu().double()
        # As in KernelPCA the default gamma is that of the rows, not of their embeddings.
        gamma = getattr(self, "gamma_", None)
        gets = "torch" if isinstance(self.dual_coef_, Tensor) else "numpy"
        kernel = self._make_kernel(embeddings, gamma, gets)
        return PreImages(kernel, embeddings, rows.cpu().double(), self.alpha)

    def _prepare(
        self, X: Any, y: Any, groups: Any, pair_graph: Any, *, reset: bool
    ) -> tuple[Problem, SolverSettings, np.random.Generator]:
        """Check parameters and data, and put them in the solvers' terms."""
        device = self._device(X)
        processes = join_processes(self.distributed, device)
        progress = SolverProgress(bool(self.verbose) and processes.rank == 0)
        seed = torch.tensor(check_random_state(self.random_state).randint(2**31 - 1))
        generator = np.random.default_rng(int(processes.same(seed)))
        with processes.together():
            check_parameters(self)
            views = training_views(self, X, y, groups, pair_graph, device, generator, reset=reset)
            mine = np.empty(0)
            if processes.size > 1:
                mine = np.append(views.fingerprint(), parameters_code(self))
            if self.fit_inverse_transform and (views.rows.is_sparse or views.rows.parts[0].ndim != 2):
                raise ValueError(
                    "expected dense rows (n, p) for fit_inverse_transform; convert X, or unset it"
                )
        check_same_data(processes, mine)
        if reset:
            objective = make_objective(self.objective, **(self.objective_params or {}))
            kernel = None if self.kernel == "precomputed" else self._kernel_of_views(views)
        else:
            objective, kernel = self.objective_, self._kernel
        problem = Problem(views.rows, views.graph, objective, self.center, kernel, processes, progress)
        return problem, solver_settings(self, views.dtype), generator

    def _make_kernel(self, rows: Any, gamma: float | None, callable_gets: str) -> Any:
        return make_kernel(
            self.kernel,
            rows,
            gamma=gamma,
            degree=self.degree,
            coef0=self.coef0,
            depth=self.depth,
            kernel_params=self.kernel_params,
            callable_gets=callable_gets,
        )

    def _kernel_of_views(self, views: TrainingViews) -> Any:
        # A kernel takes its shift from some of the rows: a file need not be read for it.
        sample = views.rows.take(
            np.linspace(0, views.rows.n_views - 1, min(views.rows.n_views, 4096)).astype(int)
        )
        as_tensors = isinstance(views.rows.parts[0], Tensor)
        kernel = self._make_kernel(sample, self.gamma, "torch" if as_tensors else "numpy")
        if self.center and type(kernel) is LinearKernel:
            kernel.shift = central_row(sample)
        return kernel

    def _device(self, X: Any) -> torch.device:
        if self.device is not None:
            return torch.device(self.device)
        return X.device if isinstance(X, Tensor) else torch.device("cpu")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.kernel in SparseKernel.NAMES
        tags.input_tags.pairwise = self.kernel == "precomputed"
        kind = KERNELS.get(self.kernel) if isinstance(self.kernel, str) else None
        tags.input_tags.positive_only = kind is not None and not kind.takes_negative_rows
        tags.target_tags.required = self.y_is == "view"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _plateaus(
    objective: SmallStartObjective, gamma: NDArray[np.float64], solution: Solution, center: bool
) -> NDArray[np.float64]:
    """Return where each mode's gamma s^2 ends, (k,)."""
    if not isinstance(objective, SimCLR):
        return np.ones(len(gamma))
    # A mode alone ends where alignment and uniformity, which see its variance, balance to fourth order.
    squares, means = solution.mean_squares[: len(gamma)], solution.means[: len(gamma)]
    variances = squares if center else squares - means**2
    return objective.temperature * gamma**2 / (squares * variances)
