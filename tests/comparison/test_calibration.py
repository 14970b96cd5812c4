import warnings

import numpy as np
import pytest
from scipy.stats import permutation_test

from eigenstep.comparison import (
    AGREEMENTS,
    AgreementMap,
    agreement_map,
    calibrated_agreement,
    came_first,
    cka_by_chance,
    linear_cka,
    mutual_knn,
    procrustes_angle,
)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(60, 4))
    return shared, shared @ rng.normal(size=(4, 5)) + 2 * rng.normal(size=(60, 5))


def test_every_measure_of_related_embeddings_is_beyond_chance(pair):
    found = calibrated_agreement(*pair)
    assert list(found) == list(AGREEMENTS)
    for name, each in found.items():
        assert (each.value > each.chance) == (name != "procrustes_angle"), name
        assert each.z > 1.7, name
        assert each.p <= 0.05, name


def test_chance_is_the_mean_over_all_orders(pair):
    found = calibrated_agreement(*pair, measures=["cka_linear_biased", "mutual_knn_cosine"], permutations=999)
    assert found["cka_linear_biased"].chance == pytest.approx(cka_by_chance(*pair), rel=0.02)
    assert found["mutual_knn_cosine"].chance == pytest.approx(10 / 59, rel=0.02)
    assert calibrated_agreement(*pair, measures=["cka_linear_debiased"], permutations=999)[
        "cka_linear_debiased"
    ].chance == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize(
    ("name", "measure"), [("cka_linear_biased", linear_cka), ("procrustes_angle", procrustes_angle)]
)
def test_p_is_scipys(name, measure):
    rng = np.random.default_rng(3)
    first = rng.normal(size=(20, 3))
    second = first[:, :2] + 3 * rng.normal(size=(20, 2))
    found = calibrated_agreement(first, second, measures=[name], neighbours=5, permutations=999)[name]
    side = "greater" if AGREEMENTS[name].larger_is_closer else "less"
    theirs = permutation_test(
        (np.arange(20),),
        lambda order: measure(first[order], second),
        permutation_type="pairings",
        n_resamples=999,
        alternative=side,
        rng=np.random.default_rng(0),
    )
    assert found.p == pytest.approx(theirs.pvalue, abs=0.05)
    deviation = (found.value - np.mean(theirs.null_distribution)) / np.std(theirs.null_distribution)
    assert found.z == pytest.approx(deviation if side == "greater" else -deviation, abs=0.2)


@pytest.mark.slow
def test_of_unrelated_embeddings_p_is_uniform():
    rng = np.random.default_rng(0)
    names = ["cka_linear_debiased", "mutual_knn_cosine"]
    drawn = [
        calibrated_agreement(*rng.normal(size=(2, 30, 6)), measures=names, permutations=39, seed=seed)
        for seed in range(300)
    ]
    for name in names:
        p = np.array([each[name].p for each in drawn])
        assert 0.02 <= np.mean(p <= 0.05) <= 0.085, name  # ties make p of neighbours larger
        assert 0.4 < p.mean() < 0.6, name


def test_the_least_p_is_one_of_all_orders_and_none_is_zero(pair):
    found = calibrated_agreement(pair[0], pair[0], measures=["cka_linear_debiased"], permutations=19)
    assert found["cka_linear_debiased"].p == 1 / 20


@pytest.mark.slow
def test_a_search_over_unrelated_layers_finds_nothing_where_single_ps_do():
    rng = np.random.default_rng(0)
    single, corrected = [], []
    for seed in range(100):
        widths = (2, 5, 20)
        firsts, seconds = ([rng.normal(size=(30, d)) for d in widths] for _ in range(2))
        found = agreement_map(firsts, seconds, "cka_linear_biased", permutations=39, seed=seed)
        single.append(found.p.min() <= 0.05)
        corrected.append(found.searched_p.min() <= 0.05)
        assert (found.searched_p >= found.p).all()
    assert np.mean(single) > 0.2
    assert np.mean(corrected) <= 0.11


def test_a_map_holds_what_single_pairs_give(pair):
    first, second = pair
    layers = [first[:, :2], first, first**2]
    for name in ("cka_linear_debiased", "procrustes_angle", "cknna_cosine"):
        found = agreement_map(layers, [second, first], name, permutations=29)
        for row, layer in enumerate(layers):
            for column, other in enumerate([second, first]):
                alone = calibrated_agreement(layer, other, measures=[name], permutations=29)[name]
                cell = [each[row, column] for each in (found.values, found.chances, found.z, found.p)]
                np.testing.assert_allclose(
                    cell, [alone.value, alone.chance, alone.z, alone.p], rtol=1e-6, atol=1e-9
                )
        assert found.best == (1, 1)


def test_measures_that_are_not_defined_are_left_out_and_named(pair):
    with pytest.warns(UserWarning, match="RSA, correlation, Spearman is left out: expected at least three"):
        found = calibrated_agreement(pair[0][:, :2], pair[1], permutations=3)
    assert set(AGREEMENTS) - set(found) == {"rsa_correlation_spearman"}
    with pytest.raises(ValueError, match="three columns"):
        agreement_map([pair[0][:, :2]], [pair[1]], "rsa_correlation_spearman")


def test_fewer_images_than_dimensions_are_told_where_a_measure_cannot_tell():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 40, 40))
    with pytest.warns(UserWarning, match="40 images are not more than 40 dimensions.*CKA, biased, Proc"):
        found = calibrated_agreement(first, second, permutations=19)
    for name, measure in AGREEMENTS.items():  # unrelated, and the crowded ones alone are high
        if measure.larger_is_closer:
            assert (found[name].value > 0.45) == measure.crowded, name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calibrated_agreement(first, second[:, :39], measures=["cka_linear_debiased"], permutations=3)
        calibrated_agreement(first[:, :39], second[:, :39], permutations=3)


def test_what_is_not_known_is_refused_in_one_line(pair):
    with pytest.raises(ValueError, match=r"unknown measure of agreement 'cka_debiased'.* Did you mean cka_"):
        calibrated_agreement(*pair, measures=["cka_debiased"])
    with pytest.raises(ValueError, match="expected at least 1 permutation, got 0"):
        calibrated_agreement(*pair, permutations=0)
    with pytest.raises(ValueError, match="expected embeddings on both sides, got 0 and 1"):
        agreement_map([], [pair[0]])
    with pytest.raises(ValueError, match="got 60 and 59 rows"):
        agreement_map([pair[0]], [pair[1], pair[1][:59]])


def course(values, p=0.01):
    values = np.array(values, dtype=float)
    return AgreementMap("cka_linear_debiased", values, 0 * values, values, values, np.full_like(values, p))


def test_who_reaches_the_others_end_at_an_earlier_step_came_first():
    early = course([[0.1, 0.1, 0.1], [0.1, 0.4, 0.5], [0.1, 0.9, 1.0]])
    assert (
        came_first(early, [0, 10, 20], [0, 10, 20], ("A", "B"))
        == "B came first: it agreed with A's end from step 10 on, A with B's from step 20"
    )
    assert came_first(early, [0, 1, 2], [0, 10, 20], ("A", "B")).startswith("A came first")
    late = course([[0.1, 0.1, 0.1], [0.1, 0.4, 0.5], [0.1, 0.89, 1.0]])
    assert "from the same step on, 20" in came_first(late, [0, 10, 20], [0, 10, 20], ("A", "B"))
    nothing = course(early.values, p=0.06)
    assert "neither came first" in came_first(nothing, [0, 10, 20], [0, 10, 20], ("A", "B"))
    assert "neither" not in came_first(course(early.values, p=0.05), [0, 10, 20], [0, 10, 20], ("A", "B"))


def test_two_runs_on_one_course_of_which_one_is_faster():
    rng = np.random.default_rng(0)
    modes = rng.normal(size=(60, 6))

    def at(time):
        return modes * np.clip(time - np.arange(6), 0, 1)  # one mode after the other

    slow, fast = [at(t) for t in (0.5, 1, 2, 5, 6)], [at(t) for t in (1, 5, 6, 6, 6)]
    found = agreement_map(slow, fast, permutations=39)
    steps = [0, 1, 2, 5, 6]
    assert came_first(found, steps, steps, ("slow", "fast")).startswith(
        "fast came first: it agreed with slow's"
    )


def test_neighbours_of_the_registry_are_the_functions(pair):
    found = calibrated_agreement(*pair, measures=["mutual_knn_cosine"], neighbours=4, permutations=1)
    assert found["mutual_knn_cosine"].value == pytest.approx(mutual_knn(*pair, 4))
