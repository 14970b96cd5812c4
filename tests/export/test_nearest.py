import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_distances

from eigenstep.export import nearest_rows


def in_blocks(rows, size):
    return lambda: iter(torch.from_numpy(rows).split(size))


@pytest.mark.parametrize("size", [1, 7, 40])
def test_the_nearest_are_those_of_all_pairs_ascending_and_without_the_row_itself(monkeypatch, size):
    monkeypatch.setattr("eigenstep.export._nearest.QUERIES", 16)
    monkeypatch.setattr("eigenstep.export._nearest.BLOCK_ENTRIES", 48)
    rows = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    ids, distances = nearest_rows(in_blocks(rows, size), 40, 5)
    expected = cosine_distances(rows.astype(np.float64))
    np.fill_diagonal(expected, np.inf)
    assert np.array_equal(ids, expected.argsort(axis=1)[:, :5])
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :5], atol=1e-6)


def test_a_copy_is_at_distance_zero_and_a_row_of_zeros_at_one():
    rows = np.array([[1, 0], [2, 0], [0, 0], [-1, 0]], np.float32)
    ids, distances = nearest_rows(in_blocks(rows, 4), 4, 3)
    assert ids[:2].tolist() == [[1, 2, 3], [0, 2, 3]]
    assert distances.tolist() == [[0, 1, 2], [0, 1, 2], [1, 1, 1], [1, 2, 2]]


def test_of_fewer_rows_all_others_are_named():
    rows = np.eye(3, dtype=np.float32)
    ids, _ = nearest_rows(in_blocks(rows, 3), 3, 10)
    assert np.sort(ids).tolist() == [[1, 2], [0, 2], [0, 1]]


def test_progress_ends_at_the_number_of_rows(monkeypatch):
    monkeypatch.setattr("eigenstep.export._nearest.QUERIES", 16)
    told = []
    nearest_rows(in_blocks(np.eye(40, dtype=np.float32), 8), 40, 2, progress=lambda *done: told.append(done))
    assert told == [(16, 40), (32, 40), (40, 40)]
