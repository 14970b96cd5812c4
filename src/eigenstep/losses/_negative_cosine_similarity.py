from torch import Tensor
from torch.nn.functional import normalize as normalize_rows

from eigenstep.analysis import CHANCE, CONSTANT, FLOOR, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._two_view_loss import LOWERED_ACCURACY, TwoViewLoss, check_positive


class NegativeCosineSimilarity(TwoViewLoss):
    r"""Negative cosine similarity, the loss of SimSiam and BYOL: each prediction points at its target.

        L = -1/n sum_i  a_i . b_i / (|a_i| |b_i|)

    The one term is "alignment", with weight 1. Chen, He 2021, arXiv:2011.10566; for unit vectors 2 + 2 L
    is the mean squared distance of BYOL, Grill et al. 2020, arXiv:2006.07733.

    Parameters
    ----------
    dim : int
        lightly's: the axis of the coordinates, which is 1 or -1 of embeddings (batch, dim).
    eps : float
        Lower bound of each norm in the denominator; positive.
    gather_distributed : bool
        Take the mean over the batches of all ranks. Without it each rank has the mean of its own, which
        weighs ranks alike whatever their batch sizes.

    Raises
    ------
    ValueError
        For an `eps` that is not positive, and for another `dim`.

    Notes
    -----
    The gradient flows into both arguments: stopping it in the target is the caller's part. Without that,
    and without a predictor, the loss collapses: around a collapsed point of norm b the gradient of
    embeddings W x in the directions across it is W Delta / b^2, Delta = 1/n sum_i (x_i - x'_i)(x_i - x'_i)^T,
    so that only the differences of the views change, and decay. The length of embeddings does not matter:
    there is no small start.

    Note: of embeddings shorter than eps lightly takes torch.cosine_similarity's gradient, which is not the
    derivative there.

    Examples
    --------
    >>> import torch
    >>> prediction, target = torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0, 0.0]])
    >>> NegativeCosineSimilarity()(prediction, target.detach())
    tensor(-0.7071)
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8, *, gather_distributed: bool = False) -> None:
        super().__init__(gather_distributed)
        if dim not in (1, -1):
            raise ValueError(f"expected dim=1, the coordinates of embeddings (batch, dim), got {dim}")
        check_positive("eps", eps)
        self.eps = eps

    @property
    def weights(self) -> dict[str, float]:
        return {"alignment": 1.0}

    @property
    def refuses_preconditioning(self) -> str | None:
        return f"it compares by cosine; {LOWERED_ACCURACY}"

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        return [
            Landmark(CHANCE, 0.0, "views are unrelated"),
            Landmark(
                CONSTANT, -1.0, "all embeddings are one, or views of each sample are: the loss cannot tell"
            ),
            Landmark(FLOOR, -1.0, "views of each sample are one"),
        ]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        a, b = (normalize_rows(z, eps=self.eps) for z in (batch.z_a, batch.z_b))
        return {"alignment": -(a * b).sum(1).mean()}

    def extra_repr(self) -> str:
        return f"eps={self.eps}, gather_distributed={self.gather_distributed}"


def negative_cosine_similarity(
    z_a: Tensor, z_b: Tensor, dim: int = 1, eps: float = 1e-8, *, gather_distributed: bool = False
) -> Tensor:
    """The negative cosine similarity of z_a and z_b, both (batch, dim): see `NegativeCosineSimilarity`.

    Examples
    --------
    >>> import torch
    >>> negative_cosine_similarity(torch.eye(3), -torch.eye(3))
    tensor(1.)
    """
    return NegativeCosineSimilarity(dim, eps, gather_distributed=gather_distributed)(z_a, z_b)
