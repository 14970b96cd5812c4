from itertools import permutations

import numpy as np
import pytest
from scipy.spatial import procrustes

from eigenstep.comparison import cka_by_chance, linear_cka, permutation_chance, procrustes_similarity


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(50, 3))
    return shared @ rng.normal(size=(3, 4)) + 1, shared @ rng.normal(size=(3, 6)) + rng.normal(size=(50, 6))


def naive_cka(first, second):
    """By the images' Gram matrices, centred on both sides: HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))."""
    centring = np.eye(len(first)) - 1 / len(first)
    k, m = (centring @ rows @ rows.T @ centring for rows in (first, second))
    return np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m))


def test_cka_is_that_of_the_images_gram_matrices(pair):
    np.testing.assert_allclose(linear_cka(*pair), naive_cka(*pair), rtol=1e-12)


def test_procrustes_is_scipys(pair):
    first, second = pair[0], pair[1][:, :4]
    disparity = procrustes(first, second)[2]
    np.testing.assert_allclose(1 - procrustes_similarity(first, second) ** 2, disparity, rtol=1e-10)


@pytest.mark.parametrize("measure", [linear_cka, procrustes_similarity])
def test_a_rotation_a_scale_and_a_shift_change_nothing_and_a_stretch_does(measure, pair):
    first, second = pair
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    np.testing.assert_allclose(measure(-7 * first @ rotation + 2, first), 1, rtol=1e-12)
    np.testing.assert_allclose(measure(first @ rotation, second), measure(first, second), rtol=1e-12)
    assert measure(first * [1, 1, 1, 9], first) < 0.99


@pytest.mark.parametrize("measure", [linear_cka, procrustes_similarity])
def test_whole_weights_are_repeated_images(measure, pair):
    times = np.random.default_rng(1).integers(1, 4, size=50)
    repeated = [np.repeat(rows, times, axis=0) for rows in pair]
    np.testing.assert_allclose(measure(*pair, times / times.sum()), measure(*repeated), rtol=1e-10)


@pytest.mark.slow
def test_the_chance_level_of_cka_is_the_mean_over_all_orders(pair):
    first, second = (rows[:6] for rows in pair)
    orders = [linear_cka(first, second[list(order)]) for order in permutations(range(6))]
    np.testing.assert_allclose(cka_by_chance(first, second), np.mean(orders), rtol=1e-12)
    shuffled = permutation_chance(linear_cka, first, second, permutations=2000)
    np.testing.assert_allclose(shuffled, np.mean(orders), rtol=0.03)


def test_images_that_are_all_the_same_have_no_alignment(pair):
    for measure in (linear_cka, procrustes_similarity, cka_by_chance):
        with pytest.raises(ValueError, match="second embeddings are the same for all images"):
            measure(pair[0], np.ones((50, 2)))
