import pytest
import torch

from eigenstep.probes import knn_probe, logistic_probe, ridge_probe

X, Y = torch.tensor([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.1]]), torch.tensor([0, 0, 1, 1])
NAN, INF = X.clone(), X.clone()
NAN[[0, 2], 1], INF[1, 0] = torch.nan, -torch.inf

REFUSED = {
    "one width": (ValueError, (X, Y, X[:, :1], Y), "one width, got 2 and 1"),
    "matrix": (ValueError, (X[None], Y, X, Y), r"expected train_features \(n, p\).*got \(1, 4, 2\)"),
    "a label a row": (ValueError, (X, Y, X, Y[:3]), r"test_labels \(n,\), got \(4, 2\) and \(3,\)"),
    "one-hot": (ValueError, (X, torch.eye(4).long(), X, Y), r"got \(4, 2\) and \(4, 4\)"),
    "float labels": (TypeError, (X, Y.float(), X, Y), "integer train_labels, got torch.float32"),
    "bool labels": (TypeError, (X, Y, X, Y.bool()), "integer test_labels, got torch.bool"),
    "integer features": (TypeError, (X.long(), Y, X, Y), "floating-point train_features, got torch.int64"),
    "array": (TypeError, (X, Y, X.numpy(), Y), "test_features as a torch tensor, got ndarray"),
    "list": (TypeError, (X, [0, 0, 1, 1], X, Y), "train_labels as a torch tensor, got list"),
    "nan": (ValueError, (NAN, Y, X, Y), "finite train_features, got NaN or infinity in 2 of 4 rows"),
    "infinity": (ValueError, (X, Y, INF, Y), "finite test_features, got NaN or infinity in 1 of 4 rows"),
    "one class": (ValueError, (X, 7 * Y.clamp(min=1), X, Y), "two classes in train_labels, got only 7"),
    "no training rows": (ValueError, (X[:0], Y[:0], X, Y), r"train_features of shape \(0, 2\) are empty"),
    "no test rows": (ValueError, (X, Y, X[:0], Y[:0]), r"test_features of shape \(0, 2\) are empty"),
    "no features": (ValueError, (X[:, :0], Y, X[:, :0], Y), r"train_features of shape \(4, 0\) are empty"),
}

every_probe = pytest.mark.parametrize("probe", [knn_probe, ridge_probe, logistic_probe])


@every_probe
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learned_from_is_refused_in_one_line(probe, case):
    error, arguments, message = REFUSED[case]
    with pytest.raises(error, match=message) as caught:
        probe(*arguments)
    assert "\n" not in str(caught.value)


@every_probe
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int8])
def test_labels_may_be_any_integers(probe, dtype):
    names = torch.tensor([-100, 42])
    result = probe(X, names[Y].to(dtype), X, names[Y].to(dtype))
    assert result.predictions.tolist() == [-100, -100, 42, 42]
    assert result.classes.tolist() == [-100, 42]
    assert result.accuracy == 1


@every_probe
def test_a_class_that_training_lacks_is_counted_wrong(probe):
    result = probe(X, Y, X, torch.tensor([0, 0, 1, 9]))
    assert result.accuracy == 0.75
    assert result.classes.tolist() == [0, 1, 9]
    assert result.per_class.tolist() == [1, 1, 0]


@every_probe
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_features_of_any_precision_are_taken_and_left_as_they_were(probe, dtype):
    train, test = X.to(dtype), X.to(dtype)
    before = train.clone()
    assert probe(train, Y, test, Y).accuracy == 1
    assert torch.equal(train, before)
    assert torch.equal(test, before)
