from dataclasses import dataclass

import pytest
import torch
from torch import Tensor


@dataclass
class LinearModel:
    """Embeddings W x of n pairs (x, x') with the moments of the data, computed pair by pair."""

    x_a: Tensor
    x_b: Tensor
    weight: Tensor

    @property
    def gamma(self) -> Tensor:
        outer = sum(torch.outer(x, y) + torch.outer(y, x) for x, y in zip(self.x_a, self.x_b, strict=True))
        return outer / (2 * len(self.x_a))

    @property
    def views(self) -> Tensor:
        return torch.cat([self.x_a, self.x_b])

    @property
    def mean(self) -> Tensor:
        return self.views.mean(0)

    def gradient(self, loss, weight_scale: float, offset: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
        """W at the scale, and dL/dW there; `offset` is added to every embedding."""
        weight = (weight_scale * self.weight).requires_grad_()
        value = loss(offset + self.x_a @ weight.T, offset + self.x_b @ weight.T)
        return weight.detach(), torch.autograd.grad(value, weight)[0]


@pytest.fixture
def linear_model() -> LinearModel:
    """40 pairs in 12 dimensions with unequal variances and a mean; embeddings in 5."""
    generator = torch.Generator().manual_seed(0)
    common, noise_a, noise_b = torch.randn(3, 40, 12, generator=generator, dtype=torch.float64)
    spread = torch.linspace(2, 0.3, 12, dtype=torch.float64)
    weight = torch.randn(5, 12, generator=generator, dtype=torch.float64)
    return LinearModel(
        spread * (common + 0.5 * noise_a) + 0.4, spread * (common + 0.5 * noise_b) + 0.4, weight
    )


@pytest.fixture
def relative_error():
    def error(actual: Tensor, expected: Tensor) -> float:
        return float((actual - expected).norm() / expected.norm())

    return error
