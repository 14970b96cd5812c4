"""Values of platonic-rep (minyoungg/platonic-rep) and ReSi (mklabunde/resi), stored, on seeded embeddings.

They were computed once by those libraries' own functions in float64; where platonic-rep adds 1e-6 to a
denominator, its HSIC was taken without.
"""

import numpy as np
import pytest

from eigenstep.comparison import (
    AGREEMENTS,
    cknna,
    debiased_cka,
    jaccard_knn,
    linear_cka,
    mutual_knn,
    procrustes_angle,
    procrustes_distance,
    rbf_cka,
    rsa,
)


def seeded():
    rng = np.random.default_rng(18)
    shared = rng.normal(size=(120, 6))
    first = shared @ rng.normal(size=(6, 20)) + 0.5 * rng.normal(size=(120, 20))
    second = np.tanh(shared @ rng.normal(size=(6, 32))) + 0.5 * rng.normal(size=(120, 32)) + 0.2
    return first, second


PLATONIC = {
    "cka, inner products": (linear_cka, 0.6970730842884544),
    "unbiased_cka, inner products": (debiased_cka, 0.6857499371769392),
    "cka, rbf_sigma=6": (lambda a, b: rbf_cka(a, b, 6.0, debiased=False), 0.6614406605879353),
    "unbiased_cka, rbf_sigma=6": (lambda a, b: rbf_cka(a, b, 6.0), 0.5743026029326719),
    "mutual_knn of normalised rows": (mutual_knn, 0.49249999999999994),
    "mutual_knn": (lambda a, b: mutual_knn(a, b, similarity="inner_product"), 0.4141666666666667),
    "cknna of normalised rows": (cknna, 0.5163277713207892),
    "cknna of normalised rows, swapped": (lambda a, b: cknna(b, a), 0.516534673479321),
    "cknna": (lambda a, b: cknna(a, b, similarity="inner_product"), 0.38945418997133335),
}
RESI = {
    "CKA": (linear_cka, 0.697073084288454),
    "JaccardSimilarity": (jaccard_knn, 0.33958066357447164),
    "OrthogonalProcrustesCenteredAndNormalized": (procrustes_distance, 0.708282022463585),
    "OrthogonalAngularShapeMetricCentered": (procrustes_angle, 0.7239907828592329),
    "RSA, correlation, Spearman": (lambda a, b: rsa(a, b, "correlation"), 0.7150599132538383),
    "RSA, Euclidean, Spearman": (rsa, 0.5989029018543396),
}


@pytest.mark.parametrize("name", PLATONIC)
def test_values_are_those_of_platonic_rep(name):
    measure, expected = PLATONIC[name]
    assert measure(*seeded()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", RESI)
def test_values_are_those_of_resi(name):
    measure, expected = RESI[name]
    assert measure(*seeded()) == pytest.approx(expected, rel=1e-12)


def test_what_tables_name_is_what_these_functions_give():
    first, second = seeded()
    functions = {
        "cka_linear_debiased": debiased_cka,
        "cka_rbf_debiased": rbf_cka,
        "cka_linear_biased": linear_cka,
        "mutual_knn_cosine": mutual_knn,
        "mutual_knn_inner_product": lambda a, b: mutual_knn(a, b, similarity="inner_product"),
        "mutual_knn_euclidean": lambda a, b: mutual_knn(a, b, similarity="euclidean"),
        "jaccard_knn_cosine": jaccard_knn,
        "cknna_cosine": cknna,
        "procrustes": lambda a, b: 1 - procrustes_distance(a, b) ** 2 / 2,
        "procrustes_angle": procrustes_angle,
        "rsa_euclidean_spearman": rsa,
        "rsa_euclidean_pearson": lambda a, b: rsa(a, b, correlation="pearson"),
        "rsa_correlation_spearman": lambda a, b: rsa(a, b, "correlation"),
    }
    assert list(functions) == list(AGREEMENTS)
    for name, measure in AGREEMENTS.items():
        found = measure.compare(measure.prepare(first, 10), measure.prepare(second, 10))
        assert found == pytest.approx(functions[name](first, second), rel=1e-12), name
