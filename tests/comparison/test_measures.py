import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr
from sklearn.metrics.pairwise import rbf_kernel

from eigenstep.comparison import (
    AGREEMENTS,
    cknna,
    debiased_cka,
    jaccard_knn,
    linear_cka,
    mutual_knn,
    procrustes_angle,
    rbf_cka,
    rsa,
)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(50, 3))
    return shared @ rng.normal(size=(3, 4)) + 1, shared @ rng.normal(size=(3, 6)) + rng.normal(size=(50, 6))


def unbiased_hsic(k, m):
    """Song et al. 2012, equation 5, term by term, over distinct images."""
    n, k, m = len(k), k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    third = 2 * one @ k @ m @ one / (n - 2)
    return (np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / (n - 1) / (n - 2) - third) / n / (n - 3)


def naive_debiased(k, m):
    return unbiased_hsic(k, m) / np.sqrt(unbiased_hsic(k, k) * unbiased_hsic(m, m))


def test_debiased_cka_is_the_ratio_of_unbiased_hsics(pair):
    assert debiased_cka(*pair) == pytest.approx(naive_debiased(*(z @ z.T for z in pair)), rel=1e-10)
    kernels = [rbf_kernel(z, gamma=1 / (2 * np.median(pdist(z)) ** 2)) for z in pair]
    assert rbf_cka(*pair) == pytest.approx(naive_debiased(*kernels), rel=1e-10)


def test_of_few_unrelated_images_cka_is_far_from_zero_and_debiased_cka_is_not():
    rng = np.random.default_rng(0)
    drawn = [rng.normal(size=(2, 32, 8)) for _ in range(200)]
    assert np.mean([linear_cka(*z) for z in drawn]) == pytest.approx(0.2, abs=0.01)
    assert abs(np.mean([debiased_cka(*z) for z in drawn])) < 0.01
    assert abs(np.mean([rbf_cka(*z) for z in drawn])) < 0.01


@pytest.mark.slow
def test_the_unbiased_hsic_is_that_of_all_images_on_average_and_the_biased_one_is_larger():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 2))
    whole = debiased_cka(z, z**2 + z)
    few = [rng.choice(2000, 20, replace=False) for _ in range(400)]
    assert np.mean([debiased_cka(z[rows], z[rows] ** 2 + z[rows]) for rows in few]) == pytest.approx(
        whole, abs=0.03
    )
    assert np.mean([linear_cka(z[rows], z[rows] ** 2 + z[rows]) for rows in few]) > whole + 0.05


@pytest.mark.parametrize("name", AGREEMENTS)
def test_an_embedding_agrees_wholly_with_itself_and_shuffling_both_changes_nothing(pair, name):
    measure = AGREEMENTS[name]
    a, b = (measure.prepare(z, 7) for z in pair)
    top = 1.0 if measure.larger_is_closer else 0.0
    assert measure.compare(a, a) == pytest.approx(top, abs=1e-7)
    order = np.random.default_rng(1).permutation(50)
    assert measure.compare(measure.shuffled(a, order), measure.shuffled(b, order)) == pytest.approx(
        measure.compare(a, b), abs=1e-12
    )


@pytest.mark.parametrize("name", AGREEMENTS)
def test_what_is_shuffled_is_what_shuffled_images_give(pair, name):
    measure = AGREEMENTS[name]
    order = np.random.default_rng(1).permutation(50)
    a, b = (measure.prepare(z, 7) for z in pair)
    afresh = measure.prepare(pair[1][order], 7)
    assert measure.compare(a, measure.shuffled(b, order)) == pytest.approx(
        measure.compare(a, afresh), abs=1e-12
    )


ROTATED = [name for name in AGREEMENTS if name != "rsa_correlation_spearman"]


@pytest.mark.parametrize("name", ROTATED)
def test_a_rotation_and_a_scale_change_nothing(pair, name):
    measure = AGREEMENTS[name]
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    values = [
        measure.compare(measure.prepare(pair[0], 7), measure.prepare(z, 7))
        for z in (pair[1], 3 * pair[1] @ rotation)
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-12)


def test_by_which_neighbours_are_near_is_in_the_name(pair):
    z = pair[0]
    longer = z * np.linspace(1, 20, 50)[:, None]
    assert mutual_knn(z, longer, 7) == 1
    assert mutual_knn(z, longer, 7, similarity="inner_product") < 0.8
    assert mutual_knn(z, longer, 7, similarity="euclidean") < 0.8
    assert mutual_knn(z, z + 9, 7, similarity="euclidean") == 1
    assert mutual_knn(z, z + 9, 7) < 1


def test_jaccard_counts_every_neighbour_once(pair):
    def sets(z):
        unit = z / np.linalg.norm(z, axis=1, keepdims=True)
        order = np.argsort(-(unit @ unit.T) + 9 * np.eye(50), axis=1)
        return [set(row[:7]) for row in order]

    expected = np.mean([len(a & b) / len(a | b) for a, b in zip(*map(sets, pair), strict=True)])
    assert jaccard_knn(*pair, 7) == pytest.approx(expected)


def test_rsa_is_the_correlation_of_distances(pair):
    assert rsa(*pair, correlation="pearson") == pytest.approx(pearsonr(*map(pdist, pair)).statistic)
    cosines = pearsonr(*(pdist(z, "cosine") for z in pair)).statistic
    assert rsa(*pair, "cosine", "pearson") == pytest.approx(cosines)


def test_the_angle_is_a_metric(pair):
    rng = np.random.default_rng(2)
    for _ in range(50):
        a, b, c = rng.normal(size=(3, 20, 3))
        assert procrustes_angle(a, c) <= procrustes_angle(a, b) + procrustes_angle(b, c)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z: debiased_cka(z[:3], z[:3]), "expected at least 4 images, got 3"),
        (lambda z: rbf_cka(z, z, -1.0), "expected a positive bandwidth, got -1.0"),
        (lambda z: cknna(z, z, 1), "expected at least 2 neighbours for CKNNA, got 1"),
        (lambda z: cknna(z, z, similarity="euclidean"), "expected the similarity cosine or inner_product"),
        (lambda z: mutual_knn(z * (np.arange(50) > 0)[:, None], z), "norm 0 in row 0, which has no cosine"),
        (lambda z: rsa(z[:, :2], z, "correlation"), "at least three columns to correlate rows over, got 2"),
        (
            lambda z: rsa(z - z.round() + z.round()[:1] * 0 + [[1, 1, 1, 1]] * 50, z[:49]),
            "got 50 and 49 rows",
        ),
        (lambda z: rsa(np.eye(50), z), "all pairs of images are equally far apart"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(pair, call, message):
    with pytest.raises(ValueError, match=message) as error:
        call(pair[0])
    assert "\n" not in str(error.value)
