import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from eigenstep.export import MAPS, principal_points, umap_points

ROWS = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32) * np.arange(8, 0, -1) + 100
HAS_UMAP = importlib.util.find_spec("umap") is not None


def in_blocks(rows, size=7):
    return lambda: iter(torch.from_numpy(rows.astype(np.float32)).split(size))


def test_principal_points_are_the_singular_vectors_times_the_singular_values():
    points = principal_points(in_blocks(ROWS))
    left, singular, right = np.linalg.svd(ROWS - ROWS.mean(axis=0), full_matrices=False)
    expected = left[:, :3] * singular[:3]
    signs = np.sign((points * expected).sum(axis=0))
    np.testing.assert_allclose(points, expected * signs, atol=1e-3)
    assert points.dtype == np.float32
    # The largest component of each axis is positive, as scikit-learn has it.
    np.testing.assert_allclose(points, PCA(3).fit_transform(ROWS), atol=1e-3)
    assert right.shape == (8, 8)


def test_blocks_of_any_size_give_the_same_points():
    np.testing.assert_allclose(
        principal_points(in_blocks(ROWS, 3)), principal_points(in_blocks(ROWS, 50)), atol=1e-4
    )


def test_what_a_row_of_two_dimensions_lacks_is_zero():
    points = principal_points(in_blocks(ROWS[:, :2]))
    assert points.shape == (50, 3)
    assert not points[:, 2].any()
    assert points[:, :2].any(axis=0).all()


def test_rows_that_are_all_equal_are_one_point():
    assert not principal_points(in_blocks(np.full((5, 4), 3.0))).any()


def test_every_map_has_its_name():
    assert sorted(MAPS) == ["principal", "umap"]


@pytest.mark.slow
@pytest.mark.skipif(not HAS_UMAP, reason="umap-learn is not installed")
def test_the_layout_keeps_neighbours_together_and_is_the_same_each_time():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(120, 8)) * 0.1 + np.repeat(np.eye(8)[:3], 40, axis=0)
    points = umap_points(in_blocks(rows))
    assert points.shape == (120, 2)
    assert trustworthiness(rows, points, metric="cosine") > 0.85
    assert np.array_equal(points, umap_points(in_blocks(rows)))


@pytest.mark.parametrize("count", [1, 3])
def test_too_few_rows_for_a_layout_are_refused_in_one_line(monkeypatch, count):
    stand_in = ModuleType("umap")
    stand_in.UMAP = None
    monkeypatch.setitem(sys.modules, "umap", stand_in)
    with pytest.raises(ValueError, match=f"at least 4 images, got {count}; use --map principal"):
        umap_points(in_blocks(ROWS[:count]))
