"""Moments of embeddings in a basis of their span: all that their spectra and measures are computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from eigenstep.spectrum.moments._moments import CollapseSums, Moments, finite_rows

# Large temporary arrays cost more than the arithmetic on them.
ROWS_AT_ONCE, SAMPLES_IN_CACHE, COLUMNS_IN_CACHE, ROWS_IN_BLOCK = 4096, 16, 1024, 128


def _identity(coordinates: Tensor) -> Tensor:
    return coordinates


@dataclass(frozen=True)
class PairMoments:
    """Second moments of one view or two in an orthonormal basis of r directions, float64, on the CPU.

    Attributes
    ----------
    dim : int
        Dimension d of the embeddings.
    views, count : int
        How many views, and samples n of each.
    covariance : Tensor
        (r, r), about the mean of both views, divided by the n * views rows.
    cross_correlation : Tensor
        (r, r), 1/(2n) sum_i (a_i b_i^T + b_i a_i^T) about the same mean.
    mean : Tensor
        (r,), in the basis.
    lift : Callable[[Tensor], Tensor]
        From coordinates (r, k) to vectors (d, k).
    collapse : CollapseSums
        Means of ||z||, of z / ||z|| and of its squares.
    nonfinite : int
        Samples left out for a NaN or an infinity.
    trace, square : float
        Of the whole covariance, also where the basis spans but the leading directions: the sum of its
        eigenvalues and of their squares.
    variances : Tensor | None
        Eigenvalues of the covariance, where they are known already.
    residuals : np.ndarray | None
        Of the leading eigenpairs of the cross-correlation where the basis spans but these, or None.
    """

    dim: int
    views: int
    count: int
    covariance: Tensor
    cross_correlation: Tensor
    mean: Tensor
    collapse: CollapseSums
    nonfinite: int
    trace: float
    square: float
    lift: Callable[[Tensor], Tensor] = field(default=_identity, repr=False)
    variances: Tensor | None = None
    residuals: np.ndarray | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the basis spans the embeddings."""
        return self.residuals is None


def pair_moments(moments: Moments) -> PairMoments:
    """What streaming moments hold, in the embeddings' own coordinates.

    Examples
    --------
    >>> moments = Moments(1, views=2)
    >>> moments.update(torch.tensor([[1.0], [-1.0]]), torch.tensor([[0.5], [-0.5]]))
    >>> found = pair_moments(moments)
    >>> round(found.covariance.item(), 3), round(found.cross_correlation.item(), 3)
    (0.625, 0.5)
    """
    common, difference = (
        scatter.cpu().double() / (moments.views * moments.weight.cpu().double())
        for scatter in moments.scatters()
    )
    covariance = common + difference if moments.views == 2 else common
    cross = common - difference if moments.views == 2 else common
    return PairMoments(
        dim=moments.dim,
        views=moments.views,
        count=moments.count,
        covariance=covariance,
        cross_correlation=cross,
        mean=moments.mean.cpu().double(),
        collapse=moments.collapse.divided(moments.views * moments.weight),
        nonfinite=int(moments.nonfinite),
        trace=float(covariance.trace()),
        square=float(covariance.square().sum()),
    )


def pair_moments_of_rows(rows: Tensor) -> PairMoments:
    """The same of embeddings (views, n, d).

    Fewer rows than dimensions span fewer directions: then their Gram matrix is decomposed, whose size is the
    number of rows, and no d×d matrix is formed.

    Examples
    --------
    >>> moments = pair_moments_of_rows(torch.randn(2, 50, 3))
    >>> type(moments).__name__
    'PairMoments'
    """
    z, nonfinite = finite_rows(rows.detach().cpu())
    views, count, dim = z.shape
    if views * count >= dim or not count:
        moments = Moments(dim, views)
        for part in torch.split(z, ROWS_AT_ONCE, dim=1):
            moments.update(*part)
        return replace(pair_moments(moments), nonfinite=nonfinite)
    flat = z.flatten(0, 1)
    mean = flat.mean(0, dtype=torch.float64)
    gram, along_mean = _centred_gram(flat, mean)
    squares, vectors = torch.linalg.eigh(gram)
    kept = squares > len(squares) * torch.finfo(squares.dtype).eps * squares[-1]
    squares, vectors = squares[kept].flip(0), vectors[:, kept].flip(1)
    lengths, variances = squares.sqrt(), squares / len(flat)
    inside = vectors.T @ along_mean / lengths
    # The mean's part across the span of the deviations is one direction more.
    across = (mean.square().sum() - inside.square().sum()).clamp(min=0).sqrt()
    cross = variances.new_zeros(len(squares) + 1, len(squares) + 1)
    coordinates = vectors * lengths
    product = coordinates[:count].T @ coordinates[-count:]
    cross[:-1, :-1] = (product + product.T) / (2 * count)

    def lift(wanted: Tensor) -> Tensor:
        deviations = flat.double() - mean

        def along(block: Tensor) -> Tensor:
            directions: Tensor = vectors @ (block / lengths[:, None])
            return deviations.T @ directions

        rest = (mean - along(inside[:, None])[:, 0]) / across.clamp(min=torch.finfo(mean.dtype).tiny)
        return along(wanted[:-1]) + torch.outer(rest, wanted[-1])

    return PairMoments(
        dim=dim,
        views=views,
        count=count,
        covariance=torch.diag(torch.cat([variances, variances.new_zeros(1)])),
        cross_correlation=cross,
        mean=torch.cat([inside, across[None]]),
        collapse=collapse_means(z),
        nonfinite=nonfinite,
        trace=float(variances.sum()),
        square=float(variances.square().sum()),
        lift=lift,
        variances=variances,
    )


def collapse_means(z: Tensor) -> CollapseSums:
    """Of embeddings (views, n, d) in any floating type, in float64."""
    collapse = CollapseSums(torch.zeros(2 * z.shape[2] + 1, dtype=torch.float64))
    for part in torch.split(z, SAMPLES_IN_CACHE, dim=1):
        collapse.update(part.double())
    return collapse.divided(z.shape[0] * z.shape[1])


def _centred_gram(flat: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Products of all rows about their mean, lower triangle alone, and of each with the mean, in float64.

    By parts of the columns: a float64 copy of all rows would take longer to make than to multiply.
    """
    gram = mean.new_zeros(len(flat), len(flat))
    along_mean = mean.new_zeros(len(flat))
    for columns, mean_part in zip(
        torch.split(flat, COLUMNS_IN_CACHE, dim=1), torch.split(mean, COLUMNS_IN_CACHE), strict=True
    ):
        part = columns.double() - mean_part
        for first in range(0, len(part), ROWS_IN_BLOCK):
            block = slice(first, first + ROWS_IN_BLOCK)
            gram[block, : block.stop].addmm_(part[block], part[: block.stop].T)
        along_mean.addmv_(part, mean_part)
    return gram, along_mean
