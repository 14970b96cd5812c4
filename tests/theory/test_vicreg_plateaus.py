"""The height of VICReg's plateaus against gradient descent on the loss itself."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from eigenstep.losses import vicreg_loss
from eigenstep.theory import vicreg_plateau


def descended(dim: int, modes: int, rho: float, weights: tuple[float, float, float]) -> Tensor:
    """Eigenvalues of the covariance of W x after descent, x with modes of exactly this correlation."""
    generator = torch.Generator().manual_seed(modes)
    count = 4 * modes + 8
    drawn = torch.randn(count, 2 * modes, generator=generator, dtype=torch.float64)
    shared, own = torch.linalg.qr(drawn - drawn.mean(0))[0].split(modes, dim=1)
    root = math.sqrt(count - 1)
    x_a, x_b = (
        root * (math.sqrt((1 + rho) / 2) * shared + sign * math.sqrt((1 - rho) / 2) * own) for sign in (1, -1)
    )
    weight = 0.1 * torch.randn(dim, modes, generator=generator, dtype=torch.float64)
    weight.requires_grad_()
    lambda_param, mu_param, nu_param = weights
    pull = lambda_param * count / (count - 1)  # the loss's invariance divides by n, its covariance by n - 1
    for _ in range(4000):
        loss = vicreg_loss(x_a @ weight.T, x_b @ weight.T, pull, mu_param, nu_param, eps=1e-8)
        (gradient,) = torch.autograd.grad(loss, weight)
        with torch.no_grad():
            weight -= 0.02 * gradient
    embedded = torch.cat([x_a, x_b]).detach() @ weight.detach().T
    covariance = embedded.T @ embedded / (2 * (count - 1))
    return torch.linalg.eigvalsh(covariance).flip(0)[:modes]


@pytest.mark.parametrize(
    ("dim", "modes", "rho", "weights"),
    [
        (16, 1, 1.0, (25.0, 25.0, 1.0)),
        (16, 1, 0.8, (25.0, 25.0, 1.0)),
        (16, 2, 0.8, (25.0, 25.0, 1.0)),
        (16, 3, 1.0, (25.0, 25.0, 1.0)),
        (8, 2, 0.5, (10.0, 25.0, 4.0)),
    ],
)
def test_the_modes_stand_as_high_as_descent_leaves_them(dim, modes, rho, weights):
    lambda_param, mu_param, nu_param = weights
    expected = vicreg_plateau(
        dim, modes, rho=rho, lambda_param=lambda_param, mu_param=mu_param, nu_param=nu_param
    )
    found = descended(dim, modes, rho, weights)
    torch.testing.assert_close(found, torch.full_like(found, expected), rtol=1e-4, atol=0)


def test_each_mode_that_joins_brings_the_others_down():
    heights = [vicreg_plateau(32, modes, rho=0.9) for modes in range(1, 33)]
    assert all(later < earlier for earlier, later in itertools.pairwise(heights))
    assert heights[-1] == 1.0


@pytest.mark.parametrize(("modes", "rho", "said"), [(0, 1.0, "from 1 to 8"), (9, 1.0, "9"), (1, 1.5, "rho")])
def test_what_is_no_plateau_is_refused(modes, rho, said):
    with pytest.raises(ValueError, match=said):
        vicreg_plateau(8, modes, rho=rho)
