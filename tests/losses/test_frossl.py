import math

import pytest
import torch

from eigenstep.losses import FroSSLLoss


def test_the_regularization_is_minus_the_entropy_of_order_two_of_the_eigenvalues():
    z_a, z_b = torch.randn(2, 30, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = 0.0
    for z in (z_a, z_b):
        scaled = z / z.norm(dim=0)
        shares = torch.linalg.svdvals(scaled).square() / 5
        assert shares.sum().item() == pytest.approx(1)
        expected += shares.square().sum().log()
    torch.testing.assert_close(FroSSLLoss().terms(z_a, z_b)["regularization"], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("n", "d"), [(64, 8), (8, 64)])
def test_the_least_regularization_is_the_logarithm_of_the_directions_there_can_be(n, d):
    size = min(n, d)
    even = torch.eye(size, dtype=torch.float64).repeat(n // size, d // size)
    least = FroSSLLoss().terms(even, even)["regularization"].item()
    assert least == pytest.approx(-2 * math.log(size), rel=1e-12)


def test_the_scale_of_a_coordinate_does_not_matter():
    z_a, z_b = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scales = torch.tensor([1e-4, 1.0, 50.0], dtype=torch.float64)
    torch.testing.assert_close(FroSSLLoss()(scales * z_a, scales * z_b), FroSSLLoss()(z_a, z_b))
