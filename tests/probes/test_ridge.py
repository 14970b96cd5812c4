import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import one_hot

from eigenstep.probes import RIDGE_STRENGTHS, fit_ridge, ridge_probe, standardise


def mixture(rows, width, classes, seed, noise=2.0):
    """Features of variances over four decades, off the origin, and labels."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(9))
    labels = torch.randint(0, classes, (rows,), generator=generator)
    x = centres[labels] + noise * torch.randn(rows, width, generator=generator)
    return x * torch.logspace(0, -2, width) + 3, labels


def sklearn_fit(train, labels, strengths=RIDGE_STRENGTHS):
    scaler = StandardScaler().fit(train.double().numpy())
    model = RidgeClassifierCV(strengths, store_cv_results=True)
    return scaler, model.fit(scaler.transform(train.double().numpy()), labels.numpy())


SHAPES = [(300, 20), (60, 59), (60, 60), (40, 150)]


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize(("rows", "width"), SHAPES)
def test_strength_and_predictions_are_scikit_learns(rows, width, classes):
    train, labels = mixture(rows, width, classes, seed=0)
    test, test_labels = mixture(200, width, classes, seed=1)
    scaler, model = sklearn_fit(train, labels)
    result = ridge_probe(train, labels, test, test_labels)
    assert result.strength == model.alpha_
    assert result.predictions.tolist() == model.predict(scaler.transform(test.double().numpy())).tolist()


@pytest.mark.parametrize(("rows", "width"), SHAPES)
def test_weights_and_leave_one_out_errors_are_scikit_learns(rows, width):
    train, labels = mixture(rows, width, 4, seed=0)
    _, model = sklearn_fit(train, labels)
    fit = fit_ridge(standardise(train, train)[0], one_hot(labels).double(), list(RIDGE_STRENGTHS))
    # scikit-learn's targets are -1 and 1
    np.testing.assert_allclose(2 * fit.weights.T, model.coef_, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(2 * fit.bias - 1, model.intercept_, rtol=1e-12)
    np.testing.assert_allclose(4 * fit.errors.mean(1), model.cv_results_.mean((0, 1)), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "width"), [(30, 8), (12, 10), (12, 11), (12, 30)])
def test_leave_one_out_errors_are_those_of_leaving_each_row_out(rows, width):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    y = torch.randn(rows, 3, generator=generator, dtype=torch.float64)
    for alpha in (1e-8, 1.0, 1e4):
        errors = []
        for i in range(rows):
            others = np.arange(rows) != i
            model = Ridge(alpha, solver="svd").fit(x[others].numpy(), y[others].numpy())
            errors.append(y[i].numpy() - model.predict(x[[i]].numpy())[0])
        found = fit_ridge(x - x.mean(0), y, [alpha]).errors[0]
        np.testing.assert_allclose(found, np.square(errors).mean(0), rtol=1e-7)


def test_several_rows_alike_among_fewer_rows_than_features():
    train, labels = mixture(30, 80, 3, seed=0)
    train, labels = train.repeat(2, 1), labels.repeat(2)
    scaler, model = sklearn_fit(train, labels)
    result = ridge_probe(train, labels, train, labels)
    assert result.strength == model.alpha_
    assert result.predictions.tolist() == model.predict(scaler.transform(train.double().numpy())).tolist()


@pytest.mark.parametrize("width", [6, 60])
def test_a_feature_that_is_constant_in_training_has_no_say(width):
    train, labels = mixture(40, width, 3, seed=0)
    test, test_labels = mixture(50, width, 3, seed=1)
    expected = ridge_probe(train, labels, test, test_labels)
    column = torch.full((40, 1), 0.1)
    result = ridge_probe(
        torch.cat([train, column], 1), labels, torch.cat([test, 1e6 * test[:, :1]], 1), test_labels
    )
    assert torch.equal(result.predictions, expected.predictions)
    assert result.strength == expected.strength


@pytest.mark.parametrize("width", [3, 300])
def test_features_that_have_all_collapsed_to_one_point_predict_the_most_frequent_class(width):
    labels = torch.tensor([7, 7, 7, 2, 2, 5] * 5)
    result = ridge_probe(torch.full((30, width), 0.1), labels, torch.full((6, width), 0.1), labels[:6])
    assert result.predictions.tolist() == [7] * 6


def test_units_and_offsets_of_features_do_not_count():
    train, labels = mixture(100, 10, 4, seed=0)
    test, test_labels = mixture(100, 10, 4, seed=1)
    train, test = train.double(), test.double()
    units, offsets = torch.logspace(-12, 6, 10, dtype=torch.float64), torch.linspace(-2, 2, 10)
    moved = ridge_probe(train * units + units * offsets, labels, test * units + units * offsets, test_labels)
    assert torch.equal(moved.predictions, ridge_probe(train, labels, test, test_labels).predictions)


def test_a_single_strength_is_taken_as_it_is():
    train, labels = mixture(100, 10, 4, seed=0)
    test, test_labels = mixture(100, 10, 4, seed=1)
    scaler = StandardScaler().fit(train.double().numpy())
    targets = 2.0 * one_hot(labels).numpy() - 1
    model = make_pipeline(scaler, Ridge(1e4)).fit(train.double().numpy(), targets)
    result = ridge_probe(train, labels, test, test_labels, 1e4)
    assert result.strength == 1e4
    assert result.predictions.tolist() == model.predict(test.double().numpy()).argmax(1).tolist()


def test_strengths_that_are_not_positive_are_refused():
    train, labels = mixture(20, 3, 2, seed=0)
    for strengths in (0.0, -1.0, [], [1.0, float("nan")], [float("inf")]):
        with pytest.raises(ValueError, match="one or more positive strengths, got"):
            ridge_probe(train, labels, train, labels, strengths)
