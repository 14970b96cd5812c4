"""Sums over views and positive pairs of explicit features: all that an objective's operator needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from eigenstep.kernel.pairs import SmallStartObjective, VICReg


@dataclass(frozen=True, eq=False)
class PairSums:
    """Sums of features phi (m,) over n samples with pair graph A; those of separate samples add up.

    All are float64. Weights are in units of samples, n A, so that a mean over all samples ever seen is the
    sum over n, whatever batches they came in.

    pairs : (m, m) sum_xy n A_xy phi_x phi_y^T
    pair_means : (m,) sum_x n (A 1)_x phi_x
    pair_weight : () sum_xy n A_xy
    branch_sums : (branches, m) sum of phi over each branch of the views
    branch_counts : (branches,) views in each branch
    n_samples : () n
    moments : (m, m) sum_x phi_x phi_x^T over all views, or None if not asked for
    pair_moments : (m, m) sum_x n (A 1)_x phi_x phi_x^T, or None
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
        ValueError : an objective that needs second moments that were not summed, or two samples
        """
        cross = self.pairs / self.n_samples
        if objective.name == "barlow_twins":
            return cross
        if self.moments is None or self.pair_moments is None:
            raise ValueError(f"{objective.name} needs second moments; sum them from the first batch on")
        if min(self.n_samples, self.branch_counts.min()) < 2:
            raise ValueError(f"{objective.name} compares different samples, got fewer than 2; add samples")
        if objective.name == "simclr":
            n_views = self.branch_counts.sum()
            total = self.branch_sums.sum(dim=0)
            return cross + (self.moments - torch.outer(total, total)) / (n_views * (n_views - 1))
        if isinstance(objective, VICReg):
            # Branches are of one size: the views of pairs, or all views.
            means = self.branch_sums.T @ (self.branch_sums / self.branch_counts[:, None])
            covariance = (self.moments - means) / (self.branch_counts - 1).sum()
            return covariance - 2 * objective.kappa * (self.pair_moments / self.n_samples - cross)
        raise ValueError(f"no operator on features is known for the objective {objective.name!r}")
