"""Cross-entropy: the reference that learns to tell the classes."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from eigenstep.analysis import Landmark
from eigenstep.losses import named_landmarks
from eigenstep.methods._objective import Embeddings, LossAndTerms, Objective


class CrossEntropy(Objective):
    """A linear classifier reads the embeddings, so that their spectrum compares with the other losses'.

        L = -1/2 mean_i [ log softmax(V a_i + v)_y(i) + log softmax(V b_i + v)_y(i) ]

    Examples
    --------
    >>> objective = CrossEntropy(dim=3, classes=10)
    >>> loss, terms = objective(Embeddings(torch.randn(4, 3), torch.randn(4, 3), labels=torch.arange(4)))
    >>> loss.shape, terms
    (torch.Size([]), {})
    """

    needs_labels = True

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, classes)

    def forward(self, batch: Embeddings) -> LossAndTerms:
        assert batch.labels is not None
        with torch.autocast(batch.z_a.device.type, enabled=False):
            both: Tensor = self.classifier(torch.cat([batch.z_a, batch.z_b]))
            return cross_entropy(both, batch.labels.repeat(2)), {}

    def landmarks(self, pairs: int, dim: int, processes: int = 1) -> list[Landmark]:
        return named_landmarks("cross_entropy", classes=self.classifier.out_features)(pairs, dim)
