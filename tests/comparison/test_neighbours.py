import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from eigenstep.comparison import neighbour_agreement


def naive(first, second, count):
    found = []
    for rows in (first, second):
        search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(rows)
        found.append(search.kneighbors(return_distance=False))
    return [len(set(left) & set(right)) / count for left, right in zip(*found, strict=True)]


def test_it_is_the_share_of_scikit_learns_neighbours_in_common(monkeypatch):
    rng = np.random.default_rng(0)
    first = rng.normal(size=(60, 3))
    second = first + 0.5 * rng.normal(size=(60, 3))
    np.testing.assert_allclose(neighbour_agreement(first, second, 7), naive(first, second, 7))
    monkeypatch.setattr("eigenstep.comparison.measures._neighbours._ENTRIES", 60 * 7)  # a block at a time
    np.testing.assert_allclose(neighbour_agreement(first, second, 7), naive(first, second, 7))


def test_by_chance_it_is_neighbours_over_the_others():
    rng = np.random.default_rng(0)
    agreements = [neighbour_agreement(*rng.normal(size=(2, 50, 3)), 5).mean() for _ in range(100)]
    np.testing.assert_allclose(np.mean(agreements), 5 / 49, rtol=0.05)


def test_equal_embeddings_agree_also_where_images_are_doubled():
    rows = np.repeat(np.random.default_rng(0).normal(size=(10, 2)), 3, axis=0)
    assert (neighbour_agreement(rows, rows, 4) == 1).all()


@pytest.mark.parametrize("count", [0, 9, 10])
def test_too_many_neighbours_are_refused(count):
    rows = np.random.default_rng(0).normal(size=(10, 2))
    with pytest.raises(ValueError, match="expected from 1 to 8 neighbours of 10 images"):
        neighbour_agreement(rows, rows, count)
