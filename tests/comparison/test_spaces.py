import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from eigenstep.comparison import (
    overlap_by_chance,
    overlap_of_modes,
    permutation_chance,
    principal_angles,
    space_overlap,
)
from eigenstep.theory import subspace_overlap


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_of_centred_columns_it_is_the_theorys_overlap(rng):
    first, second = rng.normal(size=(2, 40, 4))
    first, second = first - first.mean(0), second - second.mean(0)
    expected = subspace_overlap(first, second)
    np.testing.assert_allclose(space_overlap(first, second), expected, rtol=1e-12)
    np.testing.assert_allclose(space_overlap(first, second, center=False), expected, rtol=1e-12)


def test_it_sees_the_space_alone_not_scale_rotation_or_mean(rng):
    first, second = rng.normal(size=(2, 40, 4))
    changed = first @ rng.normal(size=(4, 4)) * 1e-7 + 3
    np.testing.assert_allclose(space_overlap(changed, second), space_overlap(first, second), rtol=1e-6)
    np.testing.assert_allclose(space_overlap(first, changed), 1, rtol=1e-9)


def test_of_some_modes_only_the_largest_directions_count(rng):
    functions = np.linalg.qr(rng.normal(size=(40, 6)))[0]
    functions -= functions.mean(0)
    functions = np.linalg.qr(functions)[0]
    first = functions[:, :4] * [4.0, 3.0, 0.2, 0.1]
    second = functions[:, [0, 1, 4, 5]] * [3.0, 4.0, 0.2, 0.1]
    np.testing.assert_allclose(space_overlap(first, second, 2), 1, rtol=1e-12)
    np.testing.assert_allclose(space_overlap(first, second), 0.5, rtol=1e-12)


def test_a_space_within_another_overlaps_wholly(rng):
    wide = rng.normal(size=(40, 5))
    np.testing.assert_allclose(space_overlap(wide, wide[:, :2]), 1, rtol=1e-12)


def test_two_numbers_of_modes_take_so_many_of_each(rng):
    functions = rng.normal(size=(40, 6))
    functions = np.linalg.qr(functions - functions.mean(0))[0]
    first, second = functions[:, [0, 1]] * [2.0, 1.0], functions[:, [1, 0, 2]] * [3.0, 2.0, 1.0]
    # The first's leading function is the second's second one.
    for modes, expected in (((1, 1), 0.0), ((1, 2), 1.0), ((2, 1), 1.0), ((2, 3), 1.0)):
        np.testing.assert_allclose(space_overlap(first, second, modes), expected, atol=1e-12)
        right_angles = np.count_nonzero(principal_angles(first, second, modes) > 1)
        assert right_angles == (expected == 0)
    assert overlap_of_modes(first, second, (1, 2), resamples=2).chance == 2 / 39


DTYPES = ["float16", "bfloat16", "float32", "float64"]


def numpy_dtype(name):
    return pytest.importorskip("ml_dtypes").bfloat16 if name == "bfloat16" else np.dtype(name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("images", "dimensions"), [(40, 6), (2000, 8), (700, 64)])
@pytest.mark.parametrize("mean", [0.0, 5.0])
def test_directions_that_are_rounding_are_not_part_of_the_space(rng, dtype, images, dimensions, mean):
    exact = rng.normal(size=(images, 2)) @ rng.normal(size=(2, dimensions)) + mean
    angles = principal_angles(exact.astype(numpy_dtype(dtype)), rng.normal(size=(images, 3)))
    assert angles.shape == (2,)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_nor_are_those_of_products_that_were_summed_in_that_precision(dtype):
    generator = torch.Generator().manual_seed(0)
    inputs, left, right = (
        torch.randn(*shape, generator=generator) for shape in [(500, 2048), (2048, 2), (2, 6)]
    )
    outputs = inputs.to(getattr(torch, dtype)) @ (left @ right).to(getattr(torch, dtype))
    single = outputs.float().numpy().astype(numpy_dtype(dtype))
    assert principal_angles(single, torch.randn(500, 3, generator=generator)).shape == (2,)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "images", "sizes"),
    [
        ("float16", 512, np.geomspace(1, 0.02, 8)),
        ("float16", 2000, np.ones(8)),
        ("bfloat16", 2000, np.ones(8)),
        ("float32", 50_000, [1, 1, 1, 0.004]),
        ("float32", 50_000, [1, 1, 1, 1e-4]),
        ("float64", 50_000, [1, 1, 1, 1e-8]),
    ],
)
def test_directions_above_the_rounding_of_their_dtype_are_whatever_the_number_of_images(
    rng, dtype, images, sizes
):
    rows = (rng.normal(size=(images, len(sizes))) * sizes).astype(numpy_dtype(dtype))
    other = rng.normal(size=(images, len(sizes)))
    assert principal_angles(rows, other).shape == (len(sizes),)
    np.testing.assert_allclose(space_overlap(rows, rows @ other[: len(sizes)]), 1, rtol=1e-2)


def test_integers_are_exact(rng):
    counts = rng.integers(-3, 4, size=(40, 3))
    assert principal_angles(counts, rng.normal(size=(40, 5))).shape == (3,)
    wide = counts @ rng.integers(-3, 4, size=(3, 5))
    assert principal_angles(wide, rng.normal(size=(40, 5))).shape == (3,)


@pytest.mark.slow
@pytest.mark.parametrize("center", [True, False])
def test_its_chance_level_is_the_mean_over_unrelated_spaces(rng, center):
    overlaps = [
        space_overlap(rng.normal(size=(30, 3)), rng.normal(size=(30, 5)), center=center) for _ in range(400)
    ]
    np.testing.assert_allclose(np.mean(overlaps), overlap_by_chance(30, 3, 5, center=center), rtol=0.05)
    first, second = rng.normal(size=(30, 3)), rng.normal(size=(30, 5))
    shuffled = permutation_chance(space_overlap, first, second, permutations=300)
    np.testing.assert_allclose(shuffled, overlap_by_chance(30, 3, 5), rtol=0.05)


def test_angles_are_scipys_of_the_centred_columns_ascending(rng):
    first, second = rng.normal(size=(40, 3)), rng.normal(size=(40, 4))
    expected = subspace_angles(first - first.mean(0), second - second.mean(0))[::-1]
    np.testing.assert_allclose(principal_angles(first, second), expected, rtol=1e-10)
    np.testing.assert_allclose(np.mean(np.cos(expected) ** 2), space_overlap(first, second), rtol=1e-12)


def test_whole_weights_are_repeated_images(rng):
    first, second = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    times = rng.integers(1, 4, size=20)
    repeated = [np.repeat(rows, times, axis=0) for rows in (first, second)]
    np.testing.assert_allclose(
        space_overlap(first, second, weights=times / times.sum()), space_overlap(*repeated), rtol=1e-10
    )


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        (np.eye(9, 2), np.eye(8, 2), {}, "same images, row by row, got 9 and 8 rows"),
        (np.eye(5, 4), np.eye(5, 4), {}, "more images than modes, got 5 images for 4 modes"),
        (np.eye(9, 2), np.full((9, 2), np.nan), {}, "second embeddings hold NaN or infinity, first in row 0"),
        (np.eye(9, 2), np.ones((9, 2)), {}, "same for all images"),
        (np.eye(9, 2), np.eye(9, 3), {"modes": 3}, "modes from 1 to 2"),
        (np.float32(1e4) + np.eye(9, 2, dtype=np.float32) / 64, np.eye(9, 2), {}, "more than their rounding"),
        (np.ones(9), np.eye(9, 3), {}, r"first embeddings as \(n, d\)"),
    ],
)
def test_what_has_no_overlap_is_refused(first, second, options, message):
    with pytest.raises(ValueError, match=message):
        space_overlap(first, second, **options)
