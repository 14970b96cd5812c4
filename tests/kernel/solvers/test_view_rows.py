"""Stacked views: any rows by index, from memory or from disk."""

import numpy as np
import pytest
import scipy.sparse
import torch

from eigenstep.kernel.solvers import SelectedRows, ViewRows, forget_pages

CPU = torch.device("cpu")
FIRST = np.arange(12.0).reshape(4, 3)
SECOND = -np.arange(9.0).reshape(3, 3)
STACKED = np.concatenate((FIRST, SECOND))


@pytest.mark.parametrize("indices", [[0, 1, 2], [5, 6], [6, 0, 3, 4], [2, 2, 5, 1], list(range(7))])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, scipy.sparse.csr_matrix])
def test_any_rows_come_in_the_order_asked_for(indices, kind):
    views = ViewRows([kind(FIRST), kind(SECOND)], CPU, torch.float64)
    taken = views.take(np.array(indices))
    values = taken.toarray() if scipy.sparse.issparse(taken) else taken.numpy()
    np.testing.assert_array_equal(values, STACKED[indices])
    selected = SelectedRows(views, np.array([6, 3, 1])).take(np.array([2, 0]))
    values = selected.toarray() if scipy.sparse.issparse(selected) else selected.numpy()
    np.testing.assert_array_equal(values, STACKED[[1, 6]])


def test_a_taken_row_is_a_copy_in_the_asked_precision():
    rows = FIRST.copy()
    taken = ViewRows([rows], CPU, torch.float64).take(np.arange(4))
    taken += 1
    np.testing.assert_array_equal(rows, FIRST)
    assert ViewRows([rows.astype(np.uint8)], CPU, torch.float32).take(np.arange(2)).dtype == torch.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_named(bad):
    second = SECOND.copy()
    second[1, 2] = bad
    with pytest.raises(ValueError, match="view 5"):
        ViewRows([FIRST, second], CPU, torch.float64).take(np.array([6, 5, 0]))


def test_large_rows_whose_sum_overflows_are_not_taken_for_infinite():
    large = np.full((1, 3), 2e38, dtype=np.float32)
    assert len(ViewRows([large], CPU, torch.float32).take(np.array([0]))) == 1


def test_memory_maps_are_read_again_after_their_pages_are_let_go(tmp_path):
    np.save(tmp_path / "rows.npy", FIRST)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    views = ViewRows([mapped], CPU, torch.float64)
    for _ in range(2):
        np.testing.assert_array_equal(views.take(np.array([1, 3])).numpy(), FIRST[[1, 3]])
    changed = np.load(tmp_path / "rows.npy", mmap_mode="c")
    changed[0, 0] = 99.0
    forget_pages(changed[1:])
    assert ViewRows([changed], CPU, torch.float64).take(np.array([0]))[0, 0] == 99.0
