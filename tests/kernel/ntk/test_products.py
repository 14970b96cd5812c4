import pytest
import torch

from eigenstep.kernel.ntk import Pairs, fastest_product, matrix_products, outer_sums

CPU = torch.device("cpu")
CANDIDATES = matrix_products()


@pytest.mark.parametrize("product", CANDIDATES)
@pytest.mark.parametrize("shape", [(3, 5, 7), (130, 40, 1000), (1, 1, 1), (64, 300, 16)])
def test_products_are_inner_products_of_rows(product, shape):
    m, n, k = shape
    left, right = torch.randn(m, k), torch.randn(n, k)
    expected = left.double() @ right.double().T
    torch.testing.assert_close(product(left, right).double(), expected, rtol=1e-4, atol=1e-4)
    strided = product(left.repeat(1, 2)[:, :k], right.T.contiguous().T)
    torch.testing.assert_close(strided.double(), expected, rtol=1e-4, atol=1e-4)


def test_double_precision_stays_with_torch():
    assert fastest_product(CPU, torch.float64) is CANDIDATES[0]
    assert fastest_product(CPU, torch.float32) in CANDIDATES


@pytest.mark.parametrize("pairs", [Pairs(300), Pairs(1), Pairs(5, 300), Pairs(300, 5)])
def test_sums_cover_every_pair_once(pairs):
    vectors = torch.randn(pairs.n_samples, 50).double()
    total = pairs.total(CPU)
    pairs.add_products(total, vectors[:, :20].contiguous())
    pairs.add_products(total, vectors[:, 20:].contiguous())
    right = vectors[pairs.left :] if pairs.right else vectors
    torch.testing.assert_close(pairs.mirrored(total), vectors[: pairs.left] @ right.T)
    assert total.dtype == torch.float64


def test_pairs_are_counted_once():
    assert Pairs(4).count == 10
    assert Pairs(4, 3).count == 12


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 600, 500, 9)])
def test_outer_sums_are_batched_products(shape):
    count, m, n, positions = shape
    left, right = torch.randn(count, m, positions), torch.randn(count, n, positions)
    out = torch.empty(count, m, n)
    outer_sums(left, right, out)
    torch.testing.assert_close(out, torch.einsum("bmt,bnt->bmn", left, right), rtol=1e-4, atol=1e-4)
