"""BYOL: one view's embedding predicts what a slowly following copy of the encoder makes of the other."""

from eigenstep.analysis import Landmark
from eigenstep.losses import NegativeCosineSimilarity, named_landmarks
from eigenstep.methods._objective import Embeddings, LossAndTerms, Objective
from eigenstep.methods.objectives._predictor import build_predictor, predictions


class BYOL(Objective):
    """The predicted view is the target network's embedding.

        L = 2 - mean_i [ cos(p(a_i), b'_i) + cos(p(b_i), a'_i) ]          p: the predictor, ': the target's

    which is the published squared distance of unit vectors, its mean over the two orders of the views. Of
    more views it is the mean over every view's prediction of each global one but itself; the target network
    sees these alone. Grill et al. 2020, arXiv:2006.07733.
    """

    takes_crops = True

    def __init__(self, dim: int, predictor_hidden: int = 4096, momentum: float = 0.996) -> None:
        super().__init__()
        self.target_momentum = momentum
        self.predictor = build_predictor(dim, predictor_hidden)
        self.loss = NegativeCosineSimilarity()

    def forward(self, batch: Embeddings) -> LossAndTerms:
        assert batch.target_a is not None
        assert batch.target_b is not None
        predicted = [self.predictor(z) for z in batch.z]
        pairs = predictions(predicted, [batch.target_a, batch.target_b, *batch.crop_targets])
        loss = predicted[0].new_full((), 2.0)
        for prediction, target in pairs:
            loss = loss + 2 / len(pairs) * self.loss(prediction, target)
        return loss, {}

    def landmarks(self, pairs: int, dim: int, processes: int = 1) -> list[Landmark]:
        return named_landmarks("byol")(pairs, dim)
