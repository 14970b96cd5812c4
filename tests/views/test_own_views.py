"""Views of one's own."""

import pytest
import torch
from torch import nn

from eigenstep.views import OwnViews


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noisy(batch, generator):
    return batch, batch + torch.randn(batch.shape, generator=generator)


def test_a_callable_draws_from_the_generator_it_is_given():
    batch = torch.zeros(6, 4)
    views = OwnViews(noisy)
    (_, one), (_, same), (_, other) = (views(batch, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_parts_of_a_batch_draw_apart():
    batch = torch.zeros(6, 4)
    views = OwnViews(noisy)
    drawn = [views(batch, seeded(), part, 2)[1] for part in (0, 1)]
    assert not torch.equal(*drawn)


@pytest.mark.parametrize(
    "views",
    [
        lambda batch: (batch, batch + torch.randn(batch.shape)),
        type("Views", (), {"__call__": lambda self, batch: (batch, batch + torch.randn(batch.shape))})(),
        type("Module", (nn.Module,), {"forward": lambda self, x: (x, x + torch.randn(x.shape))})(),
    ],
)
def test_one_that_takes_the_batch_alone_draws_what_the_step_determines(views):
    batch, own = torch.zeros(6, 4), OwnViews(views)
    first = own(batch, seeded())[1]
    torch.rand(7)
    assert torch.equal(own(batch, seeded())[1], first)
    assert not torch.equal(own(batch, seeded(1))[1], first)


def test_pairs_that_come_stacked_are_taken_apart():
    pairs = torch.arange(12.0).reshape(3, 2, 2)
    a, b = OwnViews(lambda batch: batch.unbind(1))(pairs, seeded())
    assert torch.equal(a, pairs[:, 0])
    assert torch.equal(b, pairs[:, 1])


def test_the_plain_view_is_the_batch_itself_unless_a_method_says_otherwise():
    class Scaled:
        def __call__(self, batch, generator):
            return batch, batch

        def plain(self, batch):
            return batch * 3

    own = OwnViews(noisy)
    assert torch.equal(own.plain(torch.tensor([[0, 255]], dtype=torch.uint8)), torch.tensor([[0.0, 1.0]]))
    assert torch.equal(own.plain(torch.tensor([[65535, 0]]).to(torch.uint16)), torch.tensor([[1.0, 0.0]]))
    assert torch.equal(own.plain(torch.tensor([[2, 5]])), torch.tensor([[2.0, 5.0]]))
    assert torch.equal(OwnViews(Scaled()).plain(torch.ones(2, 3)), 3 * torch.ones(2, 3))
    Scaled.plain = lambda self, batch: batch[:1]
    with pytest.raises(
        ValueError, match=r"Scaled.plain must return a tensor of 2 rows .*, got float32 \(1, 3\)"
    ):
        OwnViews(Scaled()).plain(torch.ones(2, 3))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda batch: None, "must return two views .*, got nothing"),
        (lambda batch: [batch] * 3, "must return two views .*, got a list of 3"),
        (lambda batch: (batch, 1), r"must return tensors \(4, ...\) for a batch of 4, got int"),
        (lambda batch: (batch[0], batch[0]), r"must return tensors \(4, ...\) .*, got float32 \(5,\)"),
        (lambda batch: (batch, batch.double()), "of one shape and type"),
        (lambda batch: (batch, batch[:, :2]), "of one shape and type"),
    ],
)
def test_what_is_no_pair_of_views_is_refused_in_one_line(given, message):
    with pytest.raises(ValueError, match=message) as refused:
        OwnViews(given)(torch.zeros(4, 5), seeded())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("given", [3, "views", type("Class", (), {}), lambda a, b, c: None, lambda: None])
def test_what_cannot_be_called_with_a_batch_is_refused(given):
    with pytest.raises(TypeError, match="views: expected a callable"):
        OwnViews(given)
