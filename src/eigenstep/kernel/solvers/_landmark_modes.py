"""Modes from explicit features: Nystrom's method on landmarks, in one pass over the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel._processes import Processes
from eigenstep.kernel.functions import Kernel
from eigenstep.kernel.pairs import PairGraph, SmallStartObjective, make_objective, runs
from eigenstep.kernel.solvers._invariance import InvariantModes, invariant_modes
from eigenstep.kernel.solvers._landmarks import to_float64
from eigenstep.kernel.solvers._pair_sums import PairSums, pair_sums

# A kernel of low rank has a few landmarks, and its whole spectrum among them.
_WHITENED_AT_LEAST = 128


class Views(Protocol):
    """Rows by index: `take` returns finite rows as a tensor on the device, or as CSR."""

    @property
    def n_views(self) -> int: ...

    def take(self, indices: NDArray[np.integer]) -> Any: ...


@dataclass(frozen=True, eq=False)
class NystromModes:
    """Mode functions f_j(x) = c_j^T k_m(x) - offset_j, k_m(x) the kernel between the landmarks and x.

    Attributes
    ----------
    eigenvalues : NDArray[np.float64]
        (k,) gamma, descending; what is zero but for rounding is zero.
    coefficients : Tensor
        (m, k) float64 c, of unit norm in the kernel's function space: c_j^T K_mm c_j = 1.
    offsets : NDArray[np.float64]
        (k,) the mean over all views of centred modes, zero of others.
    n_positive : int
        How many eigenvalues are positive, of all m.
    """

    eigenvalues: NDArray[np.float64]
    coefficients: Tensor
    offsets: NDArray[np.float64]
    n_positive: int


class NystromAccumulator:
    """The operator on the functions that the landmarks span, summed up batch by batch.

        phi(x) = L^{-1} k_m(x),   L L^T = K_mm;   Gamma = Phi^T A Phi,   Gamma u = gamma u,   c = L^{-T} u

    Samples may come in any number of batches, and from several processes: the modes are those of all at once.

    Eigenvalues are those of A and of the kernel as the landmarks approximate it. Positive ones are too small,
    much so where the spectrum decays slowly: on 2,000 pairs of crops of CIFAR-10 with an rbf kernel of median
    width the gamma of modes 1, 10, 20 and 50 are off by .02, 6, 14 and 22 % with landmarks for a quarter of
    the views, and by .2, 20, 36 and 62 % for a sixteenth. Learning times from them are too long by as much.
    `estimated_residuals` tells how far off they are: by about the square of the relative residual.

    Parameters
    ----------
    kernel : Kernel
        Kernel function.
    landmarks : Any
        m prepared rows.
    factor : Tensor
        (m, m) lower triangular float64 L, of `choose_landmarks`.
    moments : bool
        Sum second moments too, which objectives other than Barlow Twins need.
    exact : bool
        Sum in float64, whatever the features' precision: what `solve_by_invariance` divides by is small.

    Examples
    --------
    >>> from eigenstep.kernel.functions import make_kernel
    >>> from eigenstep.kernel.pairs import paired
    >>> from eigenstep.kernel.solvers import ViewRows
    >>> first, second = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 2.0]])
    >>> landmarks = torch.eye(2, dtype=torch.float64)
    >>> accumulator = NystromAccumulator(make_kernel("linear", landmarks), landmarks, torch.eye(2).double())
    >>> views = ViewRows([first, second], torch.device("cpu"), torch.float64)
    >>> accumulator.add(views, paired(2)).solve(2).eigenvalues.round(3)
    array([2.041, 0.459])
    """

    def __init__(
        self, kernel: Kernel, landmarks: Any, factor: Tensor, *, moments: bool = False, exact: bool = False
    ) -> None:
        self.features = LandmarkFeatures(kernel, landmarks, factor)
        self.moments, self.exact = moments, exact
        self.sums: PairSums | None = None

    def add(
        self,
        views: Views,
        graph: PairGraph,
        *,
        block_rows: int = 8192,
        progress: Callable[[int, int], None] | None = None,
    ) -> NystromAccumulator:
        """Add the samples of a batch and return self.

        Parameters
        ----------
        views : Views
            Rows of the batch.
        graph : PairGraph
            Which of them belong together.
        block_rows : int
            Rows of features in memory at a time, in each of two blocks.
        progress : Callable[[int, int], None] | None
            Called with the number of views seen so far, and of all views of the batch.
        """

        def features(indices: NDArray[np.int64]) -> Tensor:
            rows = self.features.partial(self.features.kernel.prepare(views.take(indices)))
            return to_float64(rows) if self.exact else rows

        batch = pair_sums(features, graph, moments=self.moments, block_rows=block_rows, progress=progress)
        batch = batch.moved(self.features.offset)
        self.sums = batch if self.sums is None else self.sums + batch
        return self

    def all_reduce(self, processes: Processes) -> NystromAccumulator:
        """Add up what the processes saw, each its own samples, and return self.

        Every process must have seen at least one sample.
        """
        self.sums = self._seen().each(processes.sum)
        return self

    def solve(
        self, n_modes: int, *, objective: str | SmallStartObjective = "barlow_twins", center: bool = False
    ) -> NystromModes:
        """Return the modes of the largest eigenvalues, fewer than `n_modes` if there are fewer landmarks.

        Parameters
        ----------
        center : bool
            Of features less their mean over all views.

        Raises
        ------
        ValueError
            Nothing added yet, sums that are not finite, an objective that needs second moments which were not
            summed.
        """
        sums = self._finite()
        chosen = make_objective(objective)
        about_mean = self.features.whitened(sums.moved(-sums.mean).operator(chosen))
        # Blocks are rounded about their mean, so the mean's own part does not add to what rounding leaves.
        size = torch.linalg.norm(about_mean).item()
        whole = torch.linalg.norm(self.features.whitened(sums.pairs / sums.n_samples)).item()
        operator = about_mean if center else self.features.whitened(sums.operator(chosen))
        values, vectors = (part.flip(-1) for part in torch.linalg.eigh(operator.cpu()))
        values[values.abs() <= max(max(100 * self.features.rounding, 1e-12) * size, 1e-14 * whole)] = 0.0
        n_positive = int((values > 0).sum())
        peaks = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
        vectors = (vectors * peaks.sign())[:, :n_modes].to(sums.mean)
        offsets = vectors.T @ self.features.whitened(sums.mean) * center
        return NystromModes(
            values[:n_modes].numpy(), self.features.coefficients(vectors), offsets.cpu().numpy(), n_positive
        )

    def solve_by_invariance(
        self, n_principal: int, *, center: bool = False
    ) -> tuple[InvariantModes, NystromModes, NystromModes]:
        """Return what is found of Gamma v = rho Sigma v, its modes of any rho, and the principal directions.

        In the leading directions of Sigma, the second moment over views that count as much as their pairs do.
        Needs `moments`, and `exact` where rows are in float32. Parameters and errors are those of `solve`.
        """
        sums = self._finite()
        if sums.pair_moments is None:
            raise ValueError("modes by invariance need second moments; sum them from the first batch on")
        about_mean = sums.moved(-sums.mean)
        assert about_mean.pair_moments is not None
        used = about_mean if center else sums
        assert used.pair_moments is not None
        cross, second = (
            self.features.whitened(part / sums.n_samples).cpu() for part in (used.pairs, used.pair_moments)
        )
        size = torch.linalg.norm(self.features.whitened(about_mean.pair_moments / sums.n_samples)).item()
        whole = torch.linalg.norm(self.features.whitened(sums.pair_moments / sums.n_samples)).item()
        floor = max(max(self.features.rounding, 1e-12) * size, 1e-14 * whole)
        found = invariant_modes(cross.numpy(), second.numpy(), n_principal, floor=floor)
        mean = self.features.whitened(sums.mean) * center

        def as_modes(values: NDArray[np.float64], directions: NDArray[np.float64]) -> NystromModes:
            vectors = torch.from_numpy(directions.copy())
            peaks = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
            vectors = (vectors * peaks.sign()).to(mean)
            offsets = (vectors.T @ mean).cpu().numpy()
            return NystromModes(values, self.features.coefficients(vectors), offsets, int((values > 0).sum()))

        return found, as_modes(found.gamma, found.coordinates), as_modes(found.sigma, found.principal)

    def _finite(self) -> PairSums:
        sums = self._seen()
        if not all(bool(torch.isfinite(part).all()) for part in (sums.pairs, sums.branch_sums)):
            raise ValueError("expected finite kernel values, got NaN or infinity; scale the rows down")
        return sums

    def _seen(self) -> PairSums:
        if self.sums is None:
            raise ValueError("NystromAccumulator has seen no samples; call add(views, graph) first")
        return self.sums


def mode_values(
    kernel: Kernel, landmarks: Any, modes: NystromModes, views: Views, *, block_rows: int = 8192
) -> Tensor:
    """Return the values (N, k) of mode functions on all views, in the rows' precision and on their device.

    Parameters
    ----------
    landmarks : Any
        The prepared rows that the coefficients belong to.

    Examples
    --------
    >>> from eigenstep.kernel.functions import make_kernel
    >>> from eigenstep.kernel.solvers import ViewRows
    >>> rows = torch.tensor([[1.0], [2.0], [4.0]], dtype=torch.float64)
    >>> kernel = make_kernel("linear", rows)
    >>> modes = NystromModes(np.ones(1), torch.eye(3, 1, dtype=torch.float64), np.zeros(1), 1)
    >>> views = ViewRows([rows], rows.device, rows.dtype)
    >>> mode_values(kernel, kernel.prepare(rows), modes, views).ravel()
    tensor([1., 2., 4.], dtype=torch.float64)
    """
    # Coefficients of smooth kernels are large and cancel: in float32 the mean row's part would cost digits.
    mean_row = kernel.block(landmarks, landmarks).mean(dim=0)
    offsets = torch.from_numpy(modes.offsets).to(modes.coefficients)
    constants = to_float64(mean_row) @ modes.coefficients - offsets
    blocks = []
    for indices in runs(views.n_views, block_rows):
        block = kernel.block(kernel.prepare(views.take(indices)), landmarks).sub_(mean_row)
        blocks.append((block @ modes.coefficients.to(block)).add_(constants.to(block)))
    return torch.cat(blocks)


class LandmarkFeatures:
    """Features phi(x) = L^{-1} k_m(x) with phi(x) . phi(y) the landmarks' approximation of k(x, y).

    Sums of products of raw kernel rows, whitened at the end, are wrong in float32: their rounding is relative
    to the largest eigenvalue and is divided by the smallest. To whiten every row costs as much as to multiply
    it. Between the two, with the first sixth of the landmarks in L_11, or the first 128 if they are few:

        L = E D,   E = [[L_11, 0], [L_21, I]],   D = [[I, 0], [0, L_22]];   psi(x) = E^{-1} k_m(x) - offset

    Landmarks come in the order of what they explain, so little is left of k_m in psi and D can wait. `offset`
    is E^{-1} of the landmarks' mean kernel row, and serves the same end. The worst relative error in float32
    among the top 50 gamma of 8,000 pairs of crops of CIFAR-10, with 600 landmarks and an rbf kernel of median
    width (and of ten times smaller gamma): raw rows 1e-3 (50), whole whitening of each row 2e-6 (6e-5), psi
    1e-6 (5e-6).

    Parameters
    ----------
    kernel : Kernel
        Kernel function.
    landmarks : Any
        m prepared rows.
    factor : Tensor
        (m, m) lower triangular float64 L with L L^T their kernel matrix.

    Attributes
    ----------
    offset
        (m,) float64.
    rounding
        The rows' unit of rounding.
    """

    def __init__(self, kernel: Kernel, landmarks: Any, factor: Tensor) -> None:
        self.kernel, self.landmarks, self.factor = kernel, landmarks, to_float64(factor)
        self._first = first = min(len(factor), max(_WHITENED_AT_LEAST, -(-len(factor) // 6)))
        sample = kernel.block(landmarks[:1], landmarks[:1])
        self.rounding = torch.finfo(sample.dtype).eps
        self._mean_row = (self.factor @ self.factor.mean(dim=0)).to(sample)
        self._corner, self._below = (part.to(sample) for part in self.factor[:, :first].tensor_split([first]))
        # Not the factor's mean itself: what counts is the row that is taken off, as it was rounded.
        mean_row = to_float64(self._mean_row)
        head = _solve(self.factor[:first, :first], mean_row[:first, None])
        tail = mean_row[first:, None] - self.factor[first:, :first] @ head
        self.offset = torch.cat((head, tail))[:, 0]

    def partial(self, prepared: Any) -> Tensor:
        """Return psi of prepared rows, (r, m) in their precision."""
        rows = self.kernel.block(prepared, self.landmarks).sub_(self._mean_row)
        head, tail = rows.tensor_split([self._first], dim=1)
        head.copy_(_solve(self._corner, head.T).T)
        tail.addmm_(head, self._below.T, alpha=-1)
        return rows

    def whole(self, prepared: Any) -> Tensor:
        """Return phi of prepared rows, (r, m) in their precision."""
        columns = self.kernel.block(self.landmarks, prepared)
        return _solve(self.factor, to_float64(columns)).to(columns).T

    def whitened(self, sums: Tensor) -> Tensor:
        """Return D^{-1} v of a vector (m,), or D^{-1} M D^{-T} of an operator (m, m), both float64."""
        white, tail = sums.clone(), self.factor[self._first :, self._first :]
        if sums.ndim == 1:
            white[self._first :] = _solve(tail, sums[self._first :, None])[:, 0]
            return white
        white[self._first :] = _solve(tail, white[self._first :])
        white[:, self._first :] = _solve(tail, white[:, self._first :].T).T
        return white

    def coefficients(self, vectors: Tensor) -> Tensor:
        """Return c (m, k) with phi(x) . u = k_m(x) . c, for vectors u (m, k)."""
        return torch.linalg.solve_triangular(self.factor.T, vectors, upper=True)


def _solve(lower: Tensor, columns: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(lower, columns, upper=False)
