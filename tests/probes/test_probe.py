import pytest
import torch

from eigenstep.probes import knn_probe, logistic_probe, probe, ridge_probe

GENERATOR = torch.Generator().manual_seed(0)
LABELS = torch.randint(0, 3, (300,), generator=GENERATOR)
FEATURES = torch.eye(3)[LABELS] + torch.randn(300, 3, generator=GENERATOR)
SPLIT = (FEATURES[:200], LABELS[:200], FEATURES[200:], LABELS[200:])


def test_each_accuracy_is_that_of_the_probe_by_its_name():
    assert probe(*SPLIT, kinds=("logistic", "knn", "ridge")) == {
        "logistic": logistic_probe(*SPLIT).accuracy,
        "knn": knn_probe(*SPLIT).accuracy,
        "ridge": ridge_probe(*SPLIT).accuracy,
    }
    assert list(probe(*SPLIT)) == ["knn", "ridge"]


@pytest.mark.parametrize("kinds", ["knn", ("knn", "svm")])
def test_unknown_kinds_are_refused(kinds):
    with pytest.raises(ValueError, match="kinds out of knn, ridge, logistic"):
        probe(*SPLIT, kinds=kinds)
