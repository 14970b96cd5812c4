"""Bad input is refused in one line, and batches are taken in all accepted forms."""

import pytest
import torch
from torch import nn

from eigenstep import check

A, B = torch.randn(2, 32, 8)
MODEL = nn.Linear(8, 4)


@pytest.mark.parametrize(
    "batch",
    [(A, B), [A, B], ([A, B], "labels", "names"), {"views": [A, B]}, {"views": [{"image": A}, {"image": B}]}],
)
def test_batches_are_taken_as_loaders_give_them(batch):
    assert check(MODEL, [batch])["runs"].state == "passed"


@pytest.mark.parametrize(
    ("batch", "came"),
    [((A, torch.zeros(32)), r"tensor \(32,\)"), (A, r"tensor \(32, 8\)"), ({"x": A}, "mapping of x")],
)
def test_other_batches_are_refused_by_what_came(batch, came):
    with pytest.raises(ValueError, match=rf"expected batches .*{came}"):
        check(MODEL, [batch])


def test_other_arguments_are_refused():
    with pytest.raises(ValueError, match="empty"):
        check(MODEL, [])
    with pytest.raises(TypeError, match="optimizer"):
        check(MODEL, [(A, B)], None, "sgd")
    with pytest.raises(TypeError, match="views: expected an iterable of batches of two views, got NoneType"):
        check(MODEL, None)
    with pytest.raises(TypeError, match=r"loss: expected a callable .*got str"):
        check(MODEL, [(A, B)], "ntxent")
    with pytest.raises(TypeError, match="model"):
        check("model", [(A, B)])
    with pytest.raises(ValueError, match="layer"):
        check(MODEL, [(A, B)], layer="head")


def test_a_generator_loses_three_batches():
    given = iter([(A, B)] * 5)
    check(MODEL, given)
    assert len(list(given)) == 2


def test_outputs_that_are_no_embeddings_are_told():
    found = check(nn.Unflatten(1, (2, 4)), [(A, B)])
    assert "layer=" in found["runs"].sentence
