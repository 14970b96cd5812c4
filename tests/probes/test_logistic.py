import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import one_hot

from eigenstep.probes import (
    LOGISTIC_STRENGTHS,
    every_fifth,
    fit_logistic,
    logistic_probe,
    principal_axes,
    standardise,
)


def mixture(rows, width, classes, seed, noise=2.0):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(9))
    labels = torch.randint(0, classes, (rows,), generator=generator)
    x = centres[labels] + noise * torch.randn(rows, width, generator=generator)
    return x * torch.logspace(0, -2, width) + 3, labels


def sklearn_model(train, labels, strength):
    if len(labels.unique()) == 2:
        strength = strength / 2
    model = LogisticRegression(C=1 / strength, tol=1e-12, max_iter=1000, solver="newton-cholesky")
    return model.fit(train.numpy(), labels.numpy())


@pytest.mark.slow
@pytest.mark.parametrize("strength", [1e-1, 1.0, 100.0])
@pytest.mark.parametrize(("rows", "width"), [(300, 12), (40, 70)])
def test_coefficients_are_scikit_learns(rows, width, strength):
    train, labels = mixture(rows, width, 4, seed=0)
    x = standardise(train, train)[0]
    model = sklearn_model(x, labels, strength)
    directions = principal_axes(x)
    fit = fit_logistic(directions.scores, one_hot(labels).double(), strength)
    assert fit.converged
    np.testing.assert_allclose((directions.axes @ fit.weights).T, model.coef_, atol=1e-4)
    np.testing.assert_allclose(fit.bias, model.intercept_, atol=1e-4)


def test_two_classes_are_scikit_learns_at_half_the_strength():
    train, labels = mixture(200, 8, 2, seed=0)
    x = standardise(train, train)[0]
    model = sklearn_model(x, labels, 3.0)
    directions = principal_axes(x)
    fit = fit_logistic(directions.scores, one_hot(labels).double(), 3.0)
    weights = directions.axes @ fit.weights
    np.testing.assert_allclose(weights[:, 1] - weights[:, 0], model.coef_[0], atol=1e-5)
    np.testing.assert_allclose(fit.bias[1] - fit.bias[0], model.intercept_[0], atol=1e-5)


@pytest.mark.parametrize(("rows", "width"), [(300, 12), (60, 100)])
def test_predictions_at_a_given_strength_are_scikit_learns(rows, width):
    train, labels = mixture(rows, width, 4, seed=0)
    test, test_labels = mixture(300, width, 4, seed=1)
    scaler = StandardScaler().fit(train.double().numpy())
    x = torch.from_numpy(scaler.transform(train.double().numpy()))
    expected = sklearn_model(x, labels, 10.0).predict(scaler.transform(test.double().numpy()))
    result = logistic_probe(train, labels, test, test_labels, 10.0)
    assert result.predictions.tolist() == expected.tolist()
    assert result.strength == 10.0


def test_the_strength_is_the_one_with_the_least_cross_entropy_on_every_fifth_row_of_each_class():
    train, labels = mixture(200, 12, 3, seed=0, noise=4)
    x = standardise(train, train)[0]
    held_out = torch.zeros(200, dtype=torch.bool)
    for label in range(3):
        held_out[(labels == label).nonzero()[1::5, 0]] = True
    errors = {}
    for strength in LOGISTIC_STRENGTHS:
        model = sklearn_model(x[~held_out], labels[~held_out], strength)
        shares = model.predict_proba(x[held_out].numpy())
        errors[strength] = -np.log(shares[np.arange(len(shares)), labels[held_out]]).mean()
    best = min(errors, key=errors.get)
    assert LOGISTIC_STRENGTHS[0] < best < LOGISTIC_STRENGTHS[-1]
    chosen = logistic_probe(train, labels, train, labels)
    assert chosen.strength == best
    given = logistic_probe(train, labels, train, labels, best)
    assert torch.equal(chosen.predictions, given.predictions)


def test_labels_sorted_by_class_choose_the_same_strength():
    train, labels = mixture(200, 12, 3, seed=0, noise=4)
    order = labels.argsort(stable=True)
    shuffled = logistic_probe(train, labels, train, labels)
    assert logistic_probe(train[order], labels[order], train, labels).strength == shuffled.strength


def test_the_test_set_has_no_say_in_the_strength():
    train, labels = mixture(100, 12, 3, seed=0, noise=4)
    one = logistic_probe(train, labels, train[:1], labels[:1])
    assert logistic_probe(train, labels, 100 * train, (labels + 1) % 3).strength == one.strength


def test_the_same_input_gives_the_same_answer_whatever_the_generators_state():
    train, labels = mixture(100, 12, 3, seed=0, noise=4)
    test, test_labels = mixture(100, 12, 3, seed=1, noise=4)
    state = torch.get_rng_state()
    first = logistic_probe(train, labels, test, test_labels)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    again = logistic_probe(train, labels, test, test_labels)
    assert torch.equal(first.predictions, again.predictions)
    assert first.strength == again.strength


@pytest.mark.slow
def test_gradients_off_and_inference_tensors_change_nothing():
    train, labels = mixture(100, 12, 3, seed=0)
    train = train.double()
    expected = logistic_probe(train, labels, train, labels)
    with torch.inference_mode():
        inside = logistic_probe(train, labels, train, labels)
        made_inside = train.clone()
    outside = logistic_probe(made_inside, labels, made_inside, labels)
    needing_gradients = logistic_probe(train.clone().requires_grad_(), labels, train, labels)
    for result in (inside, outside, needing_gradients):
        assert torch.equal(result.predictions, expected.predictions)


def test_features_that_have_all_collapsed_to_one_point_predict_the_most_frequent_class():
    labels = torch.tensor([7, 7, 7, 2, 2, 5] * 5)
    result = logistic_probe(torch.full((30, 3), 0.1), labels, torch.full((6, 3), 0.1), labels[:6])
    assert result.predictions.tolist() == [7] * 6
    assert result.strength == max(LOGISTIC_STRENGTHS)  # all are equally good: the largest is taken


def test_every_class_keeps_rows_to_learn_from():
    targets = torch.tensor([3, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2])
    assert every_fifth(targets).nonzero()[:, 0].tolist() == [3, 5, 10]


@pytest.mark.filterwarnings("ignore:logistic_probe has not converged:RuntimeWarning")
def test_almost_no_regularisation_of_separable_classes_stays_finite():
    train, labels = torch.eye(3).repeat(10, 1), torch.arange(3).repeat(10)
    assert logistic_probe(train, labels, train, labels, [1e-6, 1e-30, 1e-60]).accuracy == 1


def test_strengths_cannot_be_compared_when_every_class_has_one_row():
    with pytest.raises(ValueError, match="a class with two training rows"):
        logistic_probe(torch.eye(3), torch.arange(3), torch.eye(3), torch.arange(3))
    assert logistic_probe(torch.eye(3), torch.arange(3), torch.eye(3), torch.arange(3), 1.0).accuracy == 1


def test_an_unfinished_fit_warns(monkeypatch):
    monkeypatch.setattr("eigenstep.probes._logistic._MOST_ITERATIONS", 3)
    train, labels = mixture(100, 12, 3, seed=0)
    with pytest.warns(RuntimeWarning, match="not converged at strength 0.01") as caught:
        logistic_probe(train, labels, train, labels, 1e-2)
    assert caught[0].filename == __file__
