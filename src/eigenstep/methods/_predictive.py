"""SimSiam and BYOL: one view's embedding predicts the other's, through which no gradient flows."""

from torch import Tensor, nn

from eigenstep.losses import NegativeCosineSimilarity
from eigenstep.methods._objective import Embeddings, Objective


class SimSiam(Objective):
    """The predicted view is the encoder's own embedding, taken as a constant.

        L = -1/2 mean_i [ cos(p(a_i), stop(b_i)) + cos(p(b_i), stop(a_i)) ]          p: the predictor

    Chen and He 2021, arXiv:2011.10566.

    >>> import torch
    >>> objective = SimSiam(dim=3, predictor_hidden=8)
    >>> objective(Embeddings(torch.randn(4, 3), torch.randn(4, 3))).shape
    torch.Size([])
    """

    def __init__(self, dim: int, predictor_hidden: int = 512, fixed_predictor_rate: bool = True) -> None:
        super().__init__()
        self.fixed_rate = fixed_predictor_rate
        self.predictor = build_predictor(dim, predictor_hidden)
        self.loss = NegativeCosineSimilarity()

    def forward(self, batch: Embeddings) -> Tensor:
        p_a, p_b = self.predictor(batch.z_a), self.predictor(batch.z_b)
        return (self.loss(p_a, batch.z_b.detach()) + self.loss(p_b, batch.z_a.detach())) / 2


class BYOL(Objective):
    """The predicted view is the target network's embedding.

        L = 2 - mean_i [ cos(p(a_i), b'_i) + cos(p(b_i), a'_i) ]          p: the predictor, ': the target's

    which is the published squared distance of unit vectors, its mean over the two orders of the views.
    Grill et al. 2020, arXiv:2006.07733.
    """

    needs_target = True

    def __init__(self, dim: int, predictor_hidden: int = 4096) -> None:
        super().__init__()
        self.predictor = build_predictor(dim, predictor_hidden)
        self.loss = NegativeCosineSimilarity()

    def forward(self, batch: Embeddings) -> Tensor:
        assert batch.target_a is not None
        assert batch.target_b is not None
        p_a, p_b = self.predictor(batch.z_a), self.predictor(batch.z_b)
        return 2 + self.loss(p_a, batch.target_b) + self.loss(p_b, batch.target_a)


def build_predictor(dim: int, hidden: int) -> nn.Sequential:
    """Linear, batch norm, ReLU, linear: from embeddings to embeddings."""
    return nn.Sequential(
        nn.Linear(dim, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, dim),
    )
