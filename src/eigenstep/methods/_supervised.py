"""References that learn from labels: supervised contrastive learning and cross-entropy."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from eigenstep.losses import SupConLoss
from eigenstep.methods._objective import Embeddings, Objective


class SupervisedContrastive(Objective):
    """Images of one class are each other's views."""

    needs_labels = True

    def __init__(self, loss: SupConLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, batch: Embeddings) -> Tensor:
        assert batch.labels is not None
        return self.loss(batch.z_a, batch.z_b, batch.labels)

    def terms(self, batch: Embeddings) -> dict[str, Tensor]:
        assert batch.labels is not None
        return self.loss.terms(batch.z_a, batch.z_b, batch.labels)


class CrossEntropy(Objective):
    """A linear classifier reads the embeddings, so that their spectrum compares with the other losses'.

        L = -1/2 mean_i [ log softmax(V a_i + v)_y(i) + log softmax(V b_i + v)_y(i) ]

    >>> objective = CrossEntropy(dim=3, classes=10)
    >>> objective(Embeddings(torch.randn(4, 3), torch.randn(4, 3), labels=torch.arange(4))).shape
    torch.Size([])
    """

    needs_labels = True

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, classes)

    def forward(self, batch: Embeddings) -> Tensor:
        assert batch.labels is not None
        with torch.autocast(batch.z_a.device.type, enabled=False):
            both = self.classifier(torch.cat([batch.z_a, batch.z_b]))
            return cross_entropy(both, batch.labels.repeat(2))
