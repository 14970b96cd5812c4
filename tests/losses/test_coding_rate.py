import pytest
import torch

from eigenstep.losses import CodingRateLoss


@pytest.mark.parametrize(("n", "d"), [(40, 6), (6, 40), (8, 8)])
def test_the_expansion_is_the_log_determinant_of_either_gram_matrix(n, d):
    z_a, z_b = torch.randn(2, n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rates = []
    for z in (z_a, z_b):
        unit = z / z.norm(dim=1, keepdim=True)
        matrices = torch.eye(d) + d / (n * 0.3) * unit.T @ unit, torch.eye(n) + d / (n * 0.3) * unit @ unit.T
        both = [torch.linalg.slogdet(each).logabsdet / 2 for each in matrices]
        torch.testing.assert_close(*both)
        rates.append(both[0])
    expected = -(n + d) / (n * d) * sum(rates) / 2
    torch.testing.assert_close(CodingRateLoss(eps=0.3).terms(z_a, z_b)["expansion"], expected)


def test_even_directions_expand_most():
    even = torch.eye(4, dtype=torch.float64).repeat(5, 1)
    uneven = even.clone()
    uneven[:8] = even[0]
    terms = [CodingRateLoss().terms(z, z)["expansion"] for z in (even, uneven)]
    assert terms[0] < terms[1] < 0


def test_an_eps_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"^eps expects a positive number, got 0\.0$"):
        CodingRateLoss(eps=0.0)
