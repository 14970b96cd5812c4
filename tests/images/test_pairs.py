"""Pairs of two kinds of data, as rows of bytes and back."""

import numpy as np
import pytest
import torch

from eigenstep.images import ImagesConfig, Pairs, open_images


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.uint8, np.float64),
        (np.float32, np.int16),
        (np.bool_, np.float32),
        (np.int64, np.uint8),
    ],
)
def test_both_sides_come_back_as_they_were_whatever_their_types(count, first, second):
    """Also where the bytes of the first side end at no multiple of the second one's numbers."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 2, size=(count, 1, 3, 1)).astype(first)
    y = (100 * generator.normal(size=(count, 5))).astype(second)
    pairs = Pairs(x, torch.from_numpy(y))
    images = open_images(
        pairs.as_source(), ImagesConfig(), seed=0, batch_size=count, device=torch.device("cpu")
    )
    batch = next(images.batches(0)).images
    assert batch.dtype == torch.uint8
    a, b = pairs.unpack(batch)
    assert (a.numpy().dtype, b.numpy().dtype) == (x.dtype, y.dtype)
    order = [int(np.flatnonzero((y == row).all(axis=1))[0]) for row in b.numpy()]
    assert sorted(order) == list(range(count))
    assert np.array_equal(a.numpy(), x[order])
    assert np.array_equal(b.numpy(), y[order])


def test_sides_are_told_by_the_first_pair_that_can_be_had():
    class Torn:
        def __len__(self):
            return 3

        def __getitem__(self, row):
            if not row:
                raise OSError("torn")
            return np.zeros((1, 2, 2), np.uint8), np.zeros(4)

    assert [side.shape for side in Pairs(Torn()).sides] == [(1, 2, 2), (4,)]


def test_a_pair_that_is_not_finite_on_one_side_is_a_broken_item_and_named():
    x, y = np.ones((5, 3), np.float32), np.ones((5, 2))
    x[1, 0], y[3, 1] = np.nan, np.inf
    options = {"seed": 0, "batch_size": 3, "device": torch.device("cpu")}
    images = open_images(Pairs(x, y).as_source(), ImagesConfig(), **options)
    assert images.facts()["used"] == 3
    assert len(images.facts()["broken_names"]) == 2
    with pytest.raises(ValueError, match=r"item 0.*the second side holds NaN or infinity"):
        open_images(Pairs(x, y * np.nan).as_source(), ImagesConfig(), **options)
