import numpy as np
import pytest

from eigenstep.comparison import (
    compare_embeddings,
    linear_cka,
    neighbour_agreement,
    overlap_of_modes,
    permutation_chance,
    procrustes_similarity,
    space_overlap,
)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(80, 4)) * [3.0, 2.0, 1.0, 0.5]
    return shared, shared @ rng.normal(size=(4, 4)) + 0.5 * rng.normal(size=(80, 4))


def test_every_measure_is_its_own_function_within_its_interval_and_above_chance(pair):
    found = compare_embeddings(*pair, resamples=50)
    for name, measure in (
        ("overlap", space_overlap),
        ("cka", linear_cka),
        ("procrustes", procrustes_similarity),
    ):
        np.testing.assert_allclose(found[name].value, measure(*pair), rtol=1e-12)
    np.testing.assert_allclose(found["neighbours"].value, neighbour_agreement(*pair).mean())
    for name, agreement in found.items():
        assert agreement.low <= agreement.value <= agreement.high, name
        assert (agreement.chance < agreement.low) == (name != "angle")
    np.testing.assert_allclose(found["procrustes"].chance, permutation_chance(procrustes_similarity, *pair))


def test_an_input_compared_with_itself_agrees_wholly(pair):
    for name, agreement in compare_embeddings(pair[0], pair[0], resamples=10).items():
        assert agreement.value == pytest.approx(0 if name == "angle" else 1, abs=1e-5)
        assert agreement.high - agreement.low < 1e-5


@pytest.mark.slow
def test_unrelated_embeddings_agree_as_by_chance():
    rng = np.random.default_rng(0)
    found = [compare_embeddings(*rng.normal(size=(2, 50, 4)), resamples=2) for _ in range(120)]
    for name in found[0]:
        values, chances = ([getattr(one[name], what) for one in found] for what in ("value", "chance"))
        assert np.mean(values) == pytest.approx(np.mean(chances), rel=0.1), name


def test_of_the_first_modes_the_same_as_the_overlap(pair):
    found = overlap_of_modes(*pair, 2, resamples=20)
    assert found.value == space_overlap(*pair, 2)
    assert found.low <= found.value <= found.high
    assert found.chance == 2 / 79
