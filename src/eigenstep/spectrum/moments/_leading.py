"""Leading eigenpairs, and moments in their directions alone, where the whole spectrum is too large."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import NamedTuple

import torch
from torch import Tensor

from eigenstep.spectrum.moments._moments import CollapseSums, Moments, finite_rows, full_precision
from eigenstep.spectrum.moments._pair_moments import (
    PairMoments,
    collapse_means,
    pair_moments,
    pair_moments_of_rows,
)

# A symmetric matrix of more rows is not decomposed as a whole: time grows with their third power.
LARGEST_DENSE = 2048
# Rows of a large matrix whose squares are summed at once.
ROWS_SQUARED_AT_ONCE = 1024
# Directions iterated beyond those asked for: the next ones decide how fast the last of them settle.
SPARE_DIRECTIONS = 16
# Blocks of a Krylov space that are kept before the best of it is made: products reach further than powers.
KRYLOV_BLOCKS = 3


class LeadingDirections:
    """Moments of moments or rows, whole while that is feasible, else in `count` leading directions.

    The directions found are the guess for the next time, so that they settle in a few iterations.

    Parameters
    ----------
    count : int
        Leading eigenpairs of covariance and cross-correlation that are found.
    center : bool
        Whether the cross-correlation meant is about the mean of both views or about zero.
    largest_dense : int
        Up to how many rows and columns the whole is feasible.

    Examples
    --------
    >>> strong = torch.tensor([3.0, 2.0] + [0.1] * 62)
    >>> z = torch.randn(2, 500, 64, generator=torch.Generator().manual_seed(0)) * strong
    >>> moments = LeadingDirections(2, largest_dense=32).of_rows(z)
    >>> moments.dim, moments.covariance.shape, moments.is_complete
    (64, torch.Size([5, 5]), False)
    """

    def __init__(self, count: int, *, center: bool = True, largest_dense: int = LARGEST_DENSE) -> None:
        self.count = count
        self.center = center
        self.largest_dense = largest_dense
        self.guesses: dict[str, Tensor] = {}

    def copy(self) -> LeadingDirections:
        """The same guesses, to be improved apart from these."""
        copied = copy(self)
        copied.guesses = dict(self.guesses)
        return copied

    def state_dict(self) -> dict[str, Tensor]:
        """The guesses, on the CPU."""
        return {name: guess.cpu() for name, guess in self.guesses.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` gave."""
        self.guesses = dict(state)

    def of_moments(self, moments: Moments) -> PairMoments:
        """Of streaming moments."""
        if moments.dim <= self.largest_dense or not float(moments.weight):
            return pair_moments(moments)
        common, difference = moments.scatters()
        scale = moments.views * moments.weight
        both = moments.views == 2
        covariance = (common + difference if both else common) / scale
        cross = (common - difference) / scale if both else None
        with full_precision(common):
            return self._reduced(
                moments.mean,
                covariance.__matmul__,
                None if cross is None else cross.__matmul__,
                dim=moments.dim,
                views=moments.views,
                count=moments.count,
                collapse=moments.collapse.divided(scale),
                nonfinite=int(moments.nonfinite),
                trace=float(covariance.trace()),
                square=sum(float(part.square().sum()) for part in covariance.split(ROWS_SQUARED_AT_ONCE)),
            )

    def of_rows(self, rows: Tensor) -> PairMoments:
        """Of embeddings (views, n, d)."""
        views, count, dim = rows.shape
        if min(views * count, dim) <= self.largest_dense:
            return pair_moments_of_rows(rows)
        finite, nonfinite = finite_rows(rows.detach().cpu())
        if not finite.shape[1]:
            return pair_moments_of_rows(rows)
        z = finite.double()
        total = z.shape[0] * z.shape[1]
        mean = z.mean((0, 1))
        z = z - mean
        a, b, flat = z[0], z[-1], z.flatten(0, 1)

        def covariance(block: Tensor) -> Tensor:
            return flat.T @ (flat @ block) / total

        def cross(block: Tensor) -> Tensor:
            return (a.T @ (b @ block) + b.T @ (a @ block)) / (2 * len(a))

        return self._reduced(
            mean,
            covariance,
            cross if views == 2 else None,
            dim=dim,
            views=views,
            count=z.shape[1],
            collapse=collapse_means(finite),
            nonfinite=nonfinite,
            trace=float(flat.square().sum() / total),
            square=sum(
                float((flat @ part.T).square().sum()) for part in torch.split(flat, ROWS_SQUARED_AT_ONCE)
            )
            / total**2,
        )

    def _reduced(
        self,
        mean: Tensor,
        covariance: Callable[[Tensor], Tensor],
        cross: Callable[[Tensor], Tensor] | None,
        *,
        dim: int,
        views: int,
        count: int,
        collapse: CollapseSums,
        nonfinite: int,
        trace: float,
        square: float,
    ) -> PairMoments:
        def correlation(block: Tensor) -> Tensor:
            about_mean = (cross or covariance)(block)
            return about_mean if self.center else about_mean + torch.outer(mean, mean @ block)

        found = self._pairs("covariance", covariance, mean)
        directions, residuals = [found.vectors, mean[:, None]], found.residuals
        if cross is not None or not self.center:
            found = self._pairs("cross_correlation", correlation, mean)
            directions, residuals = [found.vectors, *directions], found.residuals
        basis = torch.linalg.qr(torch.cat(directions, dim=1)).Q
        inside = basis.T @ covariance(basis)
        across = inside if cross is None else basis.T @ cross(basis)
        on_cpu = basis.cpu().double()
        return PairMoments(
            dim=dim,
            views=views,
            count=count,
            covariance=_symmetric(inside),
            cross_correlation=_symmetric(across),
            mean=(basis.T @ mean).cpu().double(),
            collapse=collapse,
            nonfinite=nonfinite,
            trace=trace,
            square=square,
            lift=on_cpu.__matmul__,
            residuals=residuals.cpu().double().numpy(),
        )

    def _pairs(self, name: str, apply: Callable[[Tensor], Tensor], like: Tensor) -> LeadingPairs:
        guess = self.guesses.get(name)
        if guess is None:
            generator = torch.Generator().manual_seed(0)
            width = min(self.count + SPARE_DIRECTIONS, len(like))
            guess = torch.randn(len(like), width, generator=generator, dtype=torch.float64)
        pairs = leading_pairs(apply, min(self.count, guess.shape[1]), guess.to(like))
        self.guesses[name] = pairs.basis
        return pairs


class LeadingPairs(NamedTuple):
    """Eigenvalues (k,), descending; eigenvectors (d, k); residuals (k,), relative to the largest |value|.

    `basis` (d, k + spare) is the guess for the next call.
    """

    values: Tensor
    vectors: Tensor
    residuals: Tensor
    basis: Tensor


def leading_pairs(
    apply: Callable[[Tensor], Tensor],
    count: int,
    guess: Tensor,
    *,
    tolerance: float = 1e-5,
    iterations: int = 40,
) -> LeadingPairs:
    """The `count` largest eigenvalues of a symmetric d×d operator, by a restarted block Krylov method.

    Each iteration applies the operator to a block, to what of its image is new, and so on, and makes the
    best of the space that these span by Rayleigh-Ritz: products reach further than as powers (Musco and
    Musco, "Randomized block Krylov methods for stronger and faster approximate singular value
    decomposition", 2015). An error of an eigenvalue is of the order of its residual squared (over its
    distance from the next); residuals are returned, so that a spectrum that has not settled shows.

    Parameters
    ----------
    apply : Callable[[Tensor], Tensor]
        The operator's product with a block (d, m).
    guess : Tensor
        (d, m), m <= d, more columns than `count`; any of full rank, the better the sooner it ends.
    tolerance : float
        Residual, relative to the largest |eigenvalue|, at which all of them are settled.
    iterations : int
        The most there are.

    Examples
    --------
    >>> matrix = torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.25], dtype=torch.float64))
    >>> guess = torch.eye(5, 3, dtype=torch.float64) + 0.1
    >>> leading_pairs(lambda block: matrix @ block, 2, guess, tolerance=1e-6).values.round(decimals=6)
    tensor([3., 2.], dtype=torch.float64)
    """
    width, blocks = guess.shape[1], max(1, min(KRYLOV_BLOCKS, len(guess) // guess.shape[1]))
    start = guess
    for _ in range(iterations):
        basis = torch.linalg.qr(start).Q
        image = apply(basis)
        for _ in range(blocks - 1):
            basis, triangle = torch.linalg.qr(torch.cat([basis, image[:, -width:]], dim=1))
            image = (
                image * triangle.diagonal()[: image.shape[1]].sign()
            )  # as their directions may have turned
            image = torch.cat([image, apply(basis[:, -width:])], dim=1)
        values, rotation = torch.linalg.eigh(basis.T @ image)
        order = values.argsort(descending=True)[:width]
        values, rotation = values[order], rotation[:, order]
        ritz, start = basis @ rotation, image @ rotation
        scale = values.abs().max().clamp(min=torch.finfo(values.dtype).tiny)
        residuals = torch.linalg.vector_norm(start - ritz * values, dim=0)[:count] / scale
        if float(residuals.max()) <= tolerance:
            break
    return LeadingPairs(values[:count], ritz[:, :count], residuals, ritz)


def _symmetric(matrix: Tensor) -> Tensor:
    matrix = matrix.cpu().double()
    return (matrix + matrix.T) / 2
