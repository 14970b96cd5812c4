import numpy as np
import pytest
import torch

from eigenstep.methods import METHODS, Embeddings


def rotation(shape=(2, 5, 5)):
    built = METHODS["rotation"].build(METHODS["rotation"].options(), 4, 1)
    built.begin(shape)
    return built


def test_each_view_is_turned_by_the_quarter_that_its_number_lies_in():
    views = torch.randn(8, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    drawn = torch.tensor([0.0, 0.24, 0.25, 0.49, 0.5, 0.74, 0.75, 0.999])[:, None]
    turned = rotation().alter(views, drawn)
    for row, quarters in enumerate([0, 0, 1, 1, 2, 2, 3, 3]):
        np.testing.assert_array_equal(turned[row].numpy(), np.rot90(views[row].numpy(), quarters, (1, 2)))


def test_a_classifier_that_knows_the_turn_has_a_small_loss_and_one_that_knows_another_a_large_one():
    subject, drawn = rotation(), torch.tensor([[0.1], [0.3], [0.6], [0.9]])
    with torch.no_grad():
        subject.classifier.weight.copy_(20 * torch.eye(4))
        subject.classifier.bias.zero_()
    known = torch.eye(4)
    batch = Embeddings(known, known.roll(1, 0), drawn_a=drawn, drawn_b=drawn.roll(1, 0))
    assert subject(batch)[0] < 1e-6
    wrong = Embeddings(known, known.roll(1, 0), drawn_a=drawn, drawn_b=drawn)
    assert subject(wrong)[0].item() == pytest.approx(10, rel=1e-3)


@pytest.mark.parametrize("shape", [(3, 8, 9), (2, 24), (2, 4, 4, 4)])
def test_views_that_cannot_be_turned_are_refused(shape):
    with pytest.raises(ValueError, match=r"turns square images: expected views of shape \(C, H, H\), got"):
        rotation(shape)
