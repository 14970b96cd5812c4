"""Rotation: each view is turned by a multiple of 90 degrees, and the embedding says by which."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from eigenstep.analysis import Landmark
from eigenstep.losses import choice_landmarks
from eigenstep.methods._objective import Embeddings, LossAndTerms, Objective

_TURNS = 4


class Rotation(Objective):
    """A linear classifier reads from the embeddings by how much each view was turned.

        L = -1/2 mean_i [ log softmax(V a_i + v)_r(i) + log softmax(V b_i + v)_r'(i) ]

    r(i), r'(i): the quarter turns, drawn for each view for itself. Gidaris, Singh and Komodakis 2018,
    arXiv:1803.07728, who show all four turns of an image in one batch. The encoder sees turned views alone.

    Examples
    --------
    >>> objective = Rotation(dim=3)
    >>> objective.alter(torch.tensor([[[[1, 2], [3, 4]]]]), torch.tensor([[0.3]]))     # one quarter
    tensor([[[[2, 4],
              [1, 3]]]])
    >>> drawn = torch.rand(2, 5, 1)
    >>> embeddings = Embeddings(*torch.rand(2, 5, 3), drawn_a=drawn[0], drawn_b=drawn[1])
    >>> loss, terms = objective(embeddings)
    >>> loss.shape, terms
    (torch.Size([]), {})
    """

    needs_views = True
    draws = 1

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, _TURNS)

    def begin(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 3 or shape[1] != shape[2]:
            raise ValueError(
                f"rotation turns square images: expected views of shape (C, H, H), got {shape};"
                " choose another --loss"
            )

    def alter(self, view: Tensor, drawn: Tensor) -> Tensor:
        turns = _turns(drawn)
        turned = torch.stack([view.rot90(turn, (2, 3)) for turn in range(_TURNS)])
        return turned[turns, torch.arange(len(view), device=view.device)]

    def forward(self, batch: Embeddings) -> LossAndTerms:
        assert batch.drawn_a is not None
        assert batch.drawn_b is not None
        with torch.autocast(batch.z_a.device.type, enabled=False):
            both: Tensor = self.classifier(torch.cat([batch.z_a, batch.z_b]))
            return cross_entropy(both, _turns(torch.cat([batch.drawn_a, batch.drawn_b]))), {}

    def landmarks(self, pairs: int, dim: int, processes: int = 1) -> list[Landmark]:
        return choice_landmarks(_TURNS, "every turn is as likely, whatever the view")


def _turns(drawn: Tensor) -> Tensor:
    """Quarter turns, (b,) of 0 to 3, by numbers in [0, 1), (b, 1)."""
    return (_TURNS * drawn[:, 0]).long()
