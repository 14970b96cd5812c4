"""SimSiam: one view's embedding predicts the other's, through which no gradient flows."""

import torch

from eigenstep.analysis import Landmark
from eigenstep.losses import NegativeCosineSimilarity
from eigenstep.methods._objective import Embeddings, LossAndTerms, Objective
from eigenstep.methods.objectives._predictor import build_predictor, predictions


class SimSiam(Objective):
    """The predicted view is the encoder's own embedding, taken as a constant.

        L = -1/2 mean_i [ cos(p(a_i), stop(b_i)) + cos(p(b_i), stop(a_i)) ]          p: the predictor

    Of more views the mean is over every view's prediction of each global one but itself. Chen and He 2021,
    arXiv:2011.10566.

    Examples
    --------
    >>> loss, terms = SimSiam(dim=3, predictor_hidden=8)(Embeddings(torch.randn(4, 3), torch.randn(4, 3)))
    >>> loss.shape, terms
    (torch.Size([]), {})
    """

    takes_crops = True

    def __init__(self, dim: int, predictor_hidden: int = 512, fixed_predictor_rate: bool = True) -> None:
        super().__init__()
        self.fixed_rate = fixed_predictor_rate
        self.predictor = build_predictor(dim, predictor_hidden)
        self.loss = NegativeCosineSimilarity()

    def forward(self, batch: Embeddings) -> LossAndTerms:
        predicted = [self.predictor(z) for z in batch.z]
        targets = [z.detach() for z in batch.z[: batch.n_global]]
        losses = [self.loss(p, z) for p, z in predictions(predicted, targets)]
        return torch.stack(losses).sum() / len(losses), {}

    def landmarks(self, pairs: int, dim: int, processes: int = 1) -> list[Landmark]:
        return self.loss.landmarks(pairs, dim)
