"""Kernels that are a function of the inner product of two rows: linear, polynomial, sigmoid, cosine."""

import torch
from torch import Tensor

from eigenstep.kernel.functions._kernel import Fill, TiledKernel, in_double, named, squared_norms


@named("linear")
class LinearKernel(TiledKernel):
    """k(x, y) = (x - shift) . (y - shift); without a shift the prepared rows are the rows themselves.

    A shift changes nothing for a kernel that is centred afterwards, but that a large offset costs no digits.

    Examples
    --------
    >>> rows = torch.tensor([[1.0, 0.0], [1.0, 2.0]])
    >>> LinearKernel().block(rows, rows)
    tensor([[1., 1.],
            [1., 5.]])
    """

    name = "linear"
    shift: Tensor | None = None

    def prepare(self, rows: Tensor) -> Tensor:
        if self.shift is None:
            return rows
        prepared = torch.empty_like(rows, memory_format=torch.contiguous_format)
        for part, values in in_double(rows):
            prepared[part] = values - self.shift.to(values)
        return prepared

    def diagonal(self, a: Tensor) -> Tensor:
        values = squared_norms(a)[:, None]
        self._of_products_(values)
        return values[:, 0].to(a.dtype)

    def _plan(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Fill]:
        return a, b, self._fill

    def _fill(self, tile: Tensor, left: Tensor, right: Tensor) -> None:
        torch.mm(left, right.T, out=tile)
        self._of_products_(tile)

    def _of_products_(self, products: Tensor) -> None:
        """Turn inner products of prepared rows into kernel values, in place."""


@named("poly", "polynomial")
class PolynomialKernel(LinearKernel):
    """k(x, y) = (gamma x . y + coef0)^degree; prepared rows are sqrt(gamma) x."""

    name = "poly"
    takes_zero_gamma = True

    def __init__(self, gamma: float, degree: float, coef0: float) -> None:
        self.gamma, self.degree, self.coef0 = gamma, degree, coef0

    def prepare(self, rows: Tensor) -> Tensor:
        return rows * self.gamma**0.5

    def _of_products_(self, products: Tensor) -> None:
        products.add_(self.coef0)
        if self.degree == int(self.degree):
            _integer_power_(products, int(self.degree))
        elif products.pow_(self.degree).isnan().any():
            raise ValueError(
                f"expected gamma x.y + coef0 >= 0 for the fractional degree {self.degree} of kernel "
                f"{self.name!r}, got a negative value; take an integer degree or a larger coef0"
            )


@named("sigmoid")
class SigmoidKernel(LinearKernel):
    """k(x, y) = tanh(gamma x . y + coef0), not positive definite; prepared rows are sqrt(gamma) x."""

    name = "sigmoid"
    takes_zero_gamma = True

    def __init__(self, gamma: float, coef0: float) -> None:
        self.gamma, self.coef0 = gamma, coef0

    def prepare(self, rows: Tensor) -> Tensor:
        return rows * self.gamma**0.5

    def _of_products_(self, products: Tensor) -> None:
        products.add_(self.coef0).tanh_()


@named("cosine")
class CosineKernel(LinearKernel):
    """k(x, y) = x . y / (|x| |y|), zero if either row is zero; prepared rows are x / |x|."""

    name = "cosine"

    def prepare(self, rows: Tensor) -> Tensor:
        prepared = torch.empty_like(rows, memory_format=torch.contiguous_format)
        for part, values in in_double(rows):
            prepared[part] = unit_rows(values)[0]
        return prepared

    def diagonal(self, a: Tensor) -> Tensor:
        return a.any(dim=1).to(a.dtype)


def unit_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows (n, p) divided by their norms, and the norms (n, 1); a zero row stays zero."""
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / norms.where(norms > 0, 1.0), norms


def _integer_power_(values: Tensor, degree: int) -> None:
    if degree <= 3:
        values.pow_(degree)
        return
    # torch.pow has no fast path above 3: by squaring it is ten times faster.
    base = values.clone()
    for digit in bin(degree)[3:]:
        values.square_()
        if digit == "1":
            values.mul_(base)
