import pytest
import torch
from sklearn.metrics import accuracy_score, recall_score

from eigenstep.probes import score


def test_accuracies_are_scikit_learns():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(-3, 4, (200,), generator=generator)
    predictions = torch.where(torch.rand(200, generator=generator) < 0.6, labels, 0)
    result = score(predictions, labels, torch.arange(-3, 4))
    assert result.accuracy == pytest.approx(accuracy_score(labels, predictions))
    assert result.per_class.tolist() == pytest.approx(
        recall_score(labels, predictions, average=None).tolist()
    )
    assert result.per_class.dtype == torch.float64


def test_a_class_without_test_rows_has_no_accuracy():
    result = score(torch.tensor([1, 5]), torch.tensor([1, 1]), torch.tensor([1, 5]))
    assert result.per_class[0] == 0.5
    assert result.per_class[1].isnan()
