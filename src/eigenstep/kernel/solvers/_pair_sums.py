"""Sums over views and positive pairs of explicit features: all that an objective's operator needs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel.pairs import GroupedViews, LeJEPA, PairGraph, SmallStartObjective, VICReg, runs
from eigenstep.kernel.solvers._landmarks import to_float64

Features = Callable[[NDArray[np.int64]], Tensor]
Count = Callable[[NDArray[np.int64], Tensor], None]


def pair_sums(
    features: Features,
    graph: PairGraph,
    *,
    moments: bool = False,
    block_rows: int = 8192,
    progress: Callable[[int, int], None] | None = None,
) -> PairSums:
    """Sum features over all views and pairs of a graph, a few blocks of features in memory at a time.

    Parameters
    ----------
    features : Features
        Indices (r,) of views -> their features (r, m).
    graph : PairGraph
        Which views belong together.
    moments : bool
        Sum second moments too, which all but Barlow Twins need.
    block_rows : int
        r at most.
    progress : Callable[[int, int], None] | None
        Called with the number of views seen so far, and of all views.

    Examples
    --------
    >>> from eigenstep.kernel.pairs import paired
    >>> rows = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [0.0, 2.0]])
    >>> sums = pair_sums(lambda indices: rows[indices], paired(2))
    >>> sums.pairs / sums.n_samples
    tensor([[0.5000, 0.2500],
            [0.2500, 2.0000]], dtype=torch.float64)
    """
    walk = _Walk(graph, moments, progress)
    if isinstance(graph, GroupedViews):
        parts = _sums_of_groups(features, graph, block_rows, walk.count)
    else:
        parts = _edges(features, graph, block_rows, walk.count)
    half = torch.zeros(())
    for part in parts:
        half = to_float64(part).add_(half)
    # Views without a partner have a part in means and moments.
    alone = np.flatnonzero(~walk.seen)
    for run in runs(len(alone), block_rows):
        walk.count(alone[run], features(alone[run]))
    return walk.sums((half + half.T) * graph.n_samples)


@dataclass(frozen=True, eq=False)
class PairSums:
    """Sums of features phi (m,) over n samples with pair graph A; those of separate samples add up.

    All are float64. Weights are in units of samples, n A, so that a mean over all samples ever seen is the
    sum over n, whatever batches they came in.

    Attributes
    ----------
    pairs : Tensor
        (m, m) sum_xy n A_xy phi_x phi_y^T.
    pair_means : Tensor
        (m,) sum_x n (A 1)_x phi_x.
    pair_weight : Tensor
        () sum_xy n A_xy.
    branch_sums : Tensor
        (branches, m) sum of phi over each branch of the views.
    branch_counts : Tensor
        (branches,) views in each branch.
    n_samples : Tensor
        () n.
    moments : Tensor | None
        (m, m) sum_x phi_x phi_x^T over all views, or None if not asked for.
    pair_moments : Tensor | None
        (m, m) sum_x n (A 1)_x phi_x phi_x^T, or None.
    """

    pairs: Tensor
    pair_means: Tensor
    pair_weight: Tensor
    branch_sums: Tensor
    branch_counts: Tensor
    n_samples: Tensor
    moments: Tensor | None = None
    pair_moments: Tensor | None = None

    @property
    def mean(self) -> Tensor:
        """The mean of the features over all views, (m,)."""
        return self.branch_sums.sum(dim=0) / self.branch_counts.sum()

    def each(self, change: Callable[[Tensor], Tensor]) -> PairSums:
        """Return the sums with each tensor changed, as by a sum over processes or a move to a device."""
        present = {field.name: getattr(self, field.name) for field in fields(self)}
        return PairSums(**{name: change(sums) for name, sums in present.items() if sums is not None})

    def __add__(self, other: PairSums) -> PairSums:
        if self.branch_sums.shape != other.branch_sums.shape:
            raise ValueError(
                "expected sums of equally many branches and features, got (branches, features) "
                f"{tuple(self.branch_sums.shape)} and {tuple(other.branch_sums.shape)}; "
                "pairs and other graphs do not mix"
            )
        if (self.moments is None) != (other.moments is None):
            raise ValueError("expected sums with second moments on both sides or on neither")
        names = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        return PairSums(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def moved(self, by: Tensor) -> PairSums:
        """Return the sums of phi + by, for a vector (m,)."""

        def outer(sums: Tensor, weight: Tensor) -> Tensor:
            cross = torch.outer(sums, by)
            return cross + cross.T + weight * torch.outer(by, by)

        around_pairs = outer(self.pair_means, self.pair_weight)
        around_views = outer(self.branch_sums.sum(dim=0), self.branch_counts.sum())
        return replace(
            self,
            pairs=self.pairs + around_pairs,
            pair_means=self.pair_means + self.pair_weight * by,
            branch_sums=self.branch_sums + torch.outer(self.branch_counts, by),
            moments=None if self.moments is None else self.moments + around_views,
            pair_moments=None if self.pair_moments is None else self.pair_moments + around_pairs,
        )

    def operator(self, objective: SmallStartObjective) -> Tensor:
        """Return the objective's operator on features: Phi^T A Phi (m, m), A its effective one on all views.

        Raises
        ------
        ValueError
            An objective that needs second moments that were not summed, or two samples.
        """
        cross = self.pairs / self.n_samples
        if objective.name == "barlow_twins":
            return cross
        if self.moments is None or self.pair_moments is None:
            raise ValueError(f"{objective.name} needs second moments; sum them from the first batch on")
        if min(self.n_samples, self.branch_counts.min()) < 2:
            raise ValueError(
                f"{objective.name} compares different samples: expected at least 2, got n_samples = 1; add"
                " samples"
            )
        if objective.name == "simclr":
            n_views = self.branch_counts.sum()
            total = self.branch_sums.sum(dim=0)
            return cross + (self.moments - torch.outer(total, total)) / (n_views * (n_views - 1))
        if isinstance(objective, VICReg):
            # Branches are of one size: the views of pairs, or all views.
            means = self.branch_sums.T @ (self.branch_sums / self.branch_counts[:, None])
            covariance = (self.moments - means) / (self.branch_counts - 1).sum()
            return covariance - 2 * objective.kappa * (self.pair_moments / self.n_samples - cross)
        if isinstance(objective, LeJEPA):
            return self._lejepa(objective, cross)
        raise ValueError(f"no operator on features is known for the objective {objective.name!r}")

    def _lejepa(self, objective: LeJEPA, cross: Tensor) -> Tensor:
        assert self.moments is not None
        assert self.pair_moments is not None
        sums, counts = self.branch_sums, self.branch_counts
        if objective.pooled:
            sums, counts = sums.sum(dim=0, keepdim=True), counts.sum(dim=0, keepdim=True)
        of_moment, of_mean = objective.curvatures
        # Branches are of one size.
        second = (self.moments - of_mean / of_moment * sums.T @ (sums / counts[:, None])) / counts.sum()
        return second - 2 * objective.kappa * (self.pair_moments / self.n_samples - cross)


class _Walk:
    """The sums that take each view once, while blocks of views go by in which some may come again."""

    def __init__(self, graph: PairGraph, moments: bool, progress: Callable[[int, int], None] | None) -> None:
        self.seen = np.zeros(graph.n_views, dtype=bool)
        self._n_samples = graph.n_samples
        self._degrees = graph.n_samples * graph.row_sums()
        self._branches = graph.branches
        self._wants_moments = moments
        self._progress = progress
        self._sums: list[Tensor] = []

    def count(self, indices: NDArray[np.int64], features: Tensor) -> None:
        """Add those of a block's views that were not seen before; their features are (r, m)."""
        fresh = ~self.seen[indices]
        if not fresh.all():
            indices, features = indices[fresh], features[torch.from_numpy(fresh).to(features.device)]
        self.seen[indices] = True
        degrees = self._degrees[indices]
        inside = [(branch.start <= indices) & (indices < branch.stop) for branch in self._branches]
        new = [torch.from_numpy(np.stack((degrees, *inside))).to(features) @ features]
        if self._wants_moments:
            gram = features.T @ features
            even = len(degrees) == 0 or bool((degrees == degrees[0]).all())
            scaled = features * torch.from_numpy(degrees).to(features)[:, None] if not even else None
            new.append(gram)
            new.append(gram * float(degrees[:1].sum()) if scaled is None else features.T @ scaled)
        if self._sums:
            for total, part in zip(self._sums, new, strict=True):
                total.add_(to_float64(part))
        else:
            self._sums = [to_float64(part) for part in new]
        if self._progress is not None:
            self._progress(int(self.seen.sum()), len(self.seen))

    def sums(self, pairs: Tensor) -> PairSums:
        """Return all that was counted, with the sum over pairs."""
        counts = [branch.stop - branch.start for branch in self._branches]
        vectors, moments = self._sums[0], self._sums[1:]
        return PairSums(
            pairs,
            vectors[0],
            pairs.new_tensor(self._degrees.sum()),
            vectors[1:],
            pairs.new_tensor(counts),
            pairs.new_tensor(self._n_samples),
            *moments,
        )


def _edges(features: Features, graph: PairGraph, block_rows: int, count: Count) -> Iterator[Tensor]:
    """Yield parts of half of Phi^T A Phi; the transpose of their sum is the other half."""
    for rows, columns, weights in graph.edge_blocks(block_rows):
        left = features(rows)
        count(rows, left)
        right = left
        if columns is not rows:
            right = features(columns)
            count(columns, right)
        scale = _scale_of_identity(weights)
        yield left.T @ _product(weights, right) if scale is None else (left.T @ right).mul_(scale)


def _sums_of_groups(
    features: Features, graph: GroupedViews, block_rows: int, count: Count
) -> Iterator[Tensor]:
    """Yield parts of half of Phi^T A Phi from the groups' sums, so that large groups are cheap."""
    carried: Tensor | None = None
    for views, members, weights, continues in graph.sum_blocks(block_rows):
        block = features(views)
        count(views, block)
        sums = _product(members, block)
        if carried is not None:
            sums[0] += carried
        ended = len(sums) - continues
        carried = sums[-1].clone() if continues else None
        shares = torch.from_numpy(weights[:ended]).to(sums)[:, None]
        own = torch.from_numpy(members.T @ weights).to(block)[:, None]
        between = sums[:ended].T @ (shares * sums[:ended])
        yield between.sub_(block.T @ (own * block)).div_(2)


def _scale_of_identity(weights: scipy.sparse.csr_array) -> float | None:
    """Return c where the weights are c I, as those of pairs are."""
    height, width = weights.shape
    if height != width or weights.nnz != height or (weights.data != weights.data[0]).any():
        return None
    one_each = (np.diff(weights.indptr) == 1).all() and (weights.indices == np.arange(width)).all()
    return float(weights.data[0]) if one_each else None


def _product(weights: scipy.sparse.csr_array, features: Tensor) -> Tensor:
    if features.device.type not in ("cpu", "cuda"):
        # No other backend multiplies CSR tensors.
        return torch.from_numpy(weights.toarray()).to(features.dtype).to(features.device) @ features
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        sparse = torch.sparse_csr_tensor(
            torch.from_numpy(weights.indptr.astype(np.int64)),
            torch.from_numpy(weights.indices.astype(np.int64)),
            torch.from_numpy(weights.data).to(features.dtype),
            size=weights.shape,
            device=features.device,
            check_invariants=False,
        )
    return sparse @ features
