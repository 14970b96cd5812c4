"""Leading eigenpairs of a symmetric operator, from a good guess of their subspace."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

# Directions iterated beyond those asked for: the next ones decide how fast the last of them settle.
SPARE = 16


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
    """The `count` largest eigenvalues of a symmetric d×d operator, by subspace iteration.

    Each iteration applies the operator to the basis and makes the best of it by Rayleigh-Ritz. An error of
    an eigenvalue is of the order of its residual squared (over its distance from the next); residuals are
    returned, so that a spectrum that has not settled shows.

    Parameters
    ----------
    apply : the operator's product with a block (d, m)
    guess : (d, m), m <= d, more columns than `count`; any of full rank, the better the sooner it ends
    tolerance : residual, relative to the largest |eigenvalue|, at which all of them are settled
    iterations : the most there are

    >>> matrix = torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.25], dtype=torch.float64))
    >>> guess = torch.eye(5, 3, dtype=torch.float64) + 0.1
    >>> leading_pairs(lambda block: matrix @ block, 2, guess, tolerance=1e-6).values.round(decimals=6)
    tensor([3., 2.], dtype=torch.float64)
    """
    basis = torch.linalg.qr(guess).Q
    for _ in range(iterations):
        image = apply(basis)
        values, rotation = torch.linalg.eigh(basis.T @ image)
        order = values.argsort(descending=True)
        values, rotation = values[order], rotation[:, order]
        ritz, image = basis @ rotation, image @ rotation
        scale = values.abs().max().clamp(min=torch.finfo(values.dtype).tiny)
        residuals = torch.linalg.vector_norm(image - ritz * values, dim=0)[:count] / scale
        if float(residuals.max()) <= tolerance:
            break
        basis = torch.linalg.qr(image).Q
    return LeadingPairs(values[:count], ritz[:, :count], residuals, ritz)
