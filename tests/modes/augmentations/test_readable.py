"""Labels read off features by fits that have not seen them."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eigenstep.modes.augmentations import knn_readable, ridge_readable, says_nothing
from eigenstep.probes import RIDGE_STRENGTHS, ridge_probe

RNG = np.random.default_rng(0)


def test_each_fifth_of_a_class_is_told_by_the_ridge_on_the_others():
    """The reference: scikit-learn's ridge on the same parts, and images of a class dealt in turn."""
    x = RNG.normal(size=(90, 4))
    y = (x @ [1.0, -1, 0.5, 0] + RNG.normal(size=90) > 0).astype(int)
    fold, seen = np.zeros(90, int), {0: 0, 1: 0}
    for i, label in enumerate(y):
        fold[i] = seen[label] % 5
        seen[label] += 1
    told = np.zeros(90, int)
    for part in range(5):
        model = make_pipeline(StandardScaler(), RidgeClassifierCV(RIDGE_STRENGTHS))
        told[fold == part] = model.fit(x[fold != part], y[fold != part]).predict(x[fold == part])
    found = ridge_readable(torch.from_numpy(x), torch.from_numpy(y))
    np.testing.assert_array_equal(found.right, told == y)


def test_a_label_that_nothing_tells_is_read_no_better_than_by_chance():
    x, y = torch.from_numpy(RNG.normal(size=(600, 64))), torch.arange(600) % 3
    for found in (ridge_readable(x, y), knn_readable(x, y)):
        assert abs(found.accuracy - 1 / 3) < 5 * found.error
        assert says_nothing(found.accuracy, y)
    train = ridge_probe(x, y, x, y)  # which has seen the labels that it tells
    assert train.accuracy > ridge_readable(x, y).accuracy


def test_what_labels_one_class_is_refused():
    with pytest.raises(ValueError, match="at least two classes, got 1"):
        ridge_readable(torch.randn(5, 2), torch.zeros(5, dtype=torch.long))


@pytest.mark.parametrize("labels", [torch.arange(20), torch.tensor([0] * 17 + [1, 2, 3])])
def test_classes_of_one_image_each_are_refused(labels):
    with pytest.raises(ValueError, match=r"two classes of several images each, got [01] among"):
        ridge_readable(torch.randn(20, 2), labels)


def test_shares_by_class_average_to_the_accuracy():
    y = torch.tensor([0] * 30 + [1] * 70)
    found = ridge_readable(torch.randn(100, 2) + y[:, None], y)
    assert np.average(found.by_class(y), weights=[30, 70]) == pytest.approx(found.accuracy)
