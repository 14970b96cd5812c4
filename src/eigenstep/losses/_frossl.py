import math

from torch import Tensor
from torch.nn.functional import normalize as normalize_columns

from eigenstep.analysis import CHANCE, CONSTANT, FLOOR, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._two_view_loss import LOWERED_ACCURACY, TwoViewLoss


class FroSSLLoss(TwoViewLoss):
    r"""FroSSL: close views whose second moment is spread evenly over the directions.

        regularization = r(a) + r(b)              r(z) = log || zbar^T zbar / tr(zbar^T zbar) ||_F^2
        invariance     = 1/n sum_i |abar_i - bbar_i|^2
        L = regularization + invariance_weight * invariance

    zbar: every coordinate of the view divided by its norm over the batch; no mean is subtracted. r is minus
    the second Renyi entropy of the eigenvalues, at least -log min(n, d). The terms have these names. Skean,
    Dhakal, Jacobs and Sanchez Giraldo 2024, arXiv:2310.02903.

    Parameters
    ----------
    invariance_weight : float
        Weight of the invariance term.
    gather_distributed : bool
        Compute both terms over the batches of all ranks.

    Notes
    -----
    Definition and default are lightly's (1.6), called there as `loss([z_a, z_b])`. The authors' code for two
    views subtracts the mean by batch normalisation first; a later version scales each embedding to unit
    length instead of each coordinate. Those are other functions.

    Any scale of a coordinate is undone: the loss has no small start. A coordinate that is zero on the whole
    batch stays so.

    Examples
    --------
    >>> import torch
    >>> z = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    >>> FroSSLLoss().terms(z, 3 * z)
    {'regularization': tensor(-1.3863), 'invariance': tensor(0.)}
    """

    min_pairs = 2

    def __init__(self, invariance_weight: float = 1.0, *, gather_distributed: bool = False) -> None:
        super().__init__(gather_distributed)
        self.invariance_weight = invariance_weight

    @property
    def weights(self) -> dict[str, float]:
        return {"regularization": 1.0, "invariance": self.invariance_weight}

    @property
    def refuses_preconditioning(self) -> str | None:
        return f"FroSSL divides each coordinate by its norm over the batch; {LOWERED_ACCURACY}"

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        # Of unrelated columns of unit norm the squared product is 1 / n on average.
        unrelated = 2 * math.log((1 + (dim - 1) / pairs) / dim) + self.invariance_weight * 2 * dim / pairs
        return [
            Landmark(CONSTANT, 0.0, "all embeddings lie along one direction"),
            Landmark(CHANCE, unrelated, "views are unrelated, and columns of no mean"),
            Landmark(FLOOR, -2 * math.log(min(pairs, dim)), "views are one, and fill all directions alike"),
        ]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        a, b = (normalize_columns(z, dim=0) for z in (batch.z_a, batch.z_b))
        return {
            "regularization": _concentration(a) + _concentration(b),
            "invariance": (a - b).square().sum() / len(a),
        }

    def extra_repr(self) -> str:
        return f"invariance_weight={self.invariance_weight}, gather_distributed={self.gather_distributed}"


def frossl_loss(
    z_a: Tensor, z_b: Tensor, invariance_weight: float = 1.0, *, gather_distributed: bool = False
) -> Tensor:
    """The FroSSL loss of embeddings z_a and z_b, both (batch, dim): see `FroSSLLoss`.

    Examples
    --------
    >>> import torch
    >>> collapsed = torch.ones(4, 3)
    >>> frossl_loss(collapsed, collapsed)       # one direction
    tensor(0.)
    """
    return FroSSLLoss(invariance_weight, gather_distributed=gather_distributed)(z_a, z_b)


def _concentration(z: Tensor) -> Tensor:
    """log ||z^T z / tr||_F^2, from the smaller of z^T z and z z^T, which have it in common."""
    products = z.T @ z if len(z) > z.shape[1] else z @ z.T
    return products.square().sum().log() - 2 * products.trace().log()
