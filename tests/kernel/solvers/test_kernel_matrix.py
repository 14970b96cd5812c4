"""The kernel matrix in panels is the kernel matrix."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from eigenstep.kernel.functions import make_kernel
from eigenstep.kernel.solvers import (
    CenteredKernelMatrix,
    PanelKernelMatrix,
    Processes,
    panel_height,
    panel_storage,
)


class Member(Processes):
    """One of several processes, whose sums stay its own."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


def rows(n=700, p=6, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n, p))).to(dtype)


def panels(points, **options):
    kernel = make_kernel("rbf", points, gamma=0.1)
    return PanelKernelMatrix(kernel, kernel.prepare(points), **options)


@pytest.mark.parametrize("storage", [float("inf"), 0.0, 1e6])
def test_products_are_those_of_the_whole_matrix_stored_or_not(storage):
    points, block = rows(), torch.randn(700, 3, dtype=torch.float64)
    matrix = panels(points, storage=storage)
    expected = rbf_kernel(points.numpy(), gamma=0.1) @ block.numpy()
    for _ in range(2):
        np.testing.assert_allclose(matrix.product(block).numpy(), expected, rtol=1e-12, atol=1e-12)


def test_storage_is_kept_to_and_used():
    points = rows()
    block = torch.randn(700, 3, dtype=torch.float64)
    for storage in (0, 1e6, panel_storage(700, 1, 8)):
        matrix = panels(points, storage=storage)
        matrix.product(block)
        used = sum(panel.nbytes for panel in matrix._panels.values())
        assert used <= storage
        assert used > storage - 8 * 700 * panel_height(700, 1)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_processes_share_the_panels_evenly_and_their_products_add_up(size):
    points, block = rows(), torch.randn(700, 3, dtype=torch.float64)
    members = [panels(points, processes=Member(rank, size)) for rank in range(size)]
    total = sum(member.product(block) for member in members)
    np.testing.assert_allclose(total.numpy(), panels(points).product(block).numpy(), rtol=1e-12, atol=1e-12)
    held = [sum(panel.numel() for panel in member._panels.values()) for member in members]
    assert max(held) < 1.3 * min(held)
    assert max(held) * 8 <= 1.1 * panel_storage(700, size, 8)


def test_progress_ends_at_one_in_each_computing_product():
    seen = []
    matrix = panels(rows(), progress=seen.append)
    matrix.product(torch.ones(700, 1, dtype=torch.float64))
    assert seen == sorted(seen)
    assert seen[-1] == 1
    count = len(seen)
    matrix.product(torch.ones(700, 1, dtype=torch.float64))
    assert len(seen) == count


@pytest.mark.parametrize("storage", [float("inf"), 0.0])
def test_products_of_the_centred_matrix_and_the_means_that_it_takes_off(storage):
    points, block = rows(), torch.randn(700, 3, dtype=torch.float64)
    matrix = CenteredKernelMatrix(panels(points, storage=storage))
    raw, centring = rbf_kernel(points.numpy(), gamma=0.1), np.eye(700) - 1 / 700
    for _ in range(2):
        expected = centring @ raw @ centring @ block.numpy()
        np.testing.assert_allclose(matrix.product(block).numpy(), expected, atol=1e-11)
    np.testing.assert_allclose(matrix.means(block).numpy(), (raw @ block.numpy()).mean(axis=0), rtol=1e-10)
