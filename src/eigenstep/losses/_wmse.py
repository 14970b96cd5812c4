import torch
from torch import Tensor
from torch.nn.functional import normalize as normalize_rows

from eigenstep.analysis import CHANCE, CONSTANT, FLOOR, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._landmarks import PERFECT
from eigenstep.losses._two_view_loss import LOWERED_ACCURACY, TwoViewLoss


class WMSELoss(TwoViewLoss):
    r"""W-MSE: whitened views of a sample point in the same direction.

        S   = Cov(z), divided by n - 1;  S' = (1 - eps) S + eps I = L L^T      L: lower triangular
        w_i = L^{-1} (z_i - mean z)                                            each view on its own
        loss = 1/n sum_i | w(a)_i / |w(a)_i| - w(b)_i / |w(b)_i| |^2

    The one term is "alignment", with weight 1. Ermolov et al. 2021, arXiv:2007.06346.

    Parameters
    ----------
    eps : float
        Share of the identity in the covariance, from 0 up to, not including, 1.
    gather_distributed : bool
        Whiten over the batches of all ranks, and take the mean over them.

    Raises
    ------
    ValueError
        For an `eps` out of range. The call raises ValueError if the covariance can't be whitened: always with
        eps=0 and a batch that is not larger than the dimension, and when a coordinate is constant or depends
        on others. lightly asks for at least twice as many pairs as dimensions.

    Notes
    -----
    With eps=0 the whitening undoes any scale of the embeddings: the loss has no small start, thus no
    staircase from zero. Covariance and whitening are computed in float64, which the device must have: a
    covariance squares the embeddings' condition number. A call waits for the device, to see whether the
    covariance is singular.

    Note: the whole batch is whitened at once. The authors and lightly whiten random sub-batches of
    `w_size` samples, `w_iter` times, and keep running statistics; with w_size equal to the batch, w_iter=1
    and in training mode the value is the same as here.

    Examples
    --------
    >>> z_a = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> WMSELoss()(z_a, 5 * z_a + 3)
    tensor(0.)
    >>> WMSELoss()(z_a, -z_a)
    tensor(4.)
    """

    min_pairs = 2

    def __init__(self, *, eps: float = 0.0, gather_distributed: bool = False) -> None:
        super().__init__(gather_distributed)
        if not 0 <= eps < 1:
            raise ValueError(f"eps expects a number from 0 up to, not including, 1, got {eps}")
        self.eps = eps

    @property
    def weights(self) -> dict[str, float]:
        return {"alignment": 1.0}

    @property
    def refuses_preconditioning(self) -> str | None:
        return f"W-MSE whitens the batch; {LOWERED_ACCURACY}"

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        found = [Landmark(CHANCE, 2.0, "views are unrelated"), Landmark(FLOOR, 0.0, PERFECT)]
        if self.eps > 0:  # without it they cannot be whitened
            found.append(Landmark(CONSTANT, 0.0, "all embeddings are one, or views of each sample are"))
        return found

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        a, b = self._whitened(batch.z_a), self._whitened(batch.z_b)
        distance = (normalize_rows(a) - normalize_rows(b)).square().sum(1)
        return {"alignment": distance.mean().to(batch.z_a.dtype)}

    def _whitened(self, z: Tensor) -> Tensor:
        n, dim = z.shape
        if self.eps == 0 and n <= dim:
            raise ValueError(
                f"WMSELoss expects more pairs than dimensions to whiten, got {n} pairs in {dim} dimensions; "
                "use a larger batch, a smaller embedding, or eps > 0"
            )
        mean = z.double().mean(0)
        centred = z.double() - mean
        identity = torch.eye(dim, dtype=centred.dtype, device=z.device)
        covariance = (1 - self.eps) / (n - 1) * (centred.T @ centred) + self.eps * identity
        factor, failed = torch.linalg.cholesky_ex(covariance)
        # Of a coordinate that is constant or depends on those before it only rounding is left.
        rounding = 1e-13 * covariance.diagonal() + 1e-28 * mean.square()
        independent = factor.diagonal().square() > rounding
        if not (independent.all() & (failed == 0)):
            raise ValueError(
                f"WMSELoss can't whiten embeddings whose covariance is singular, got {n} pairs in {dim} "
                "dimensions; look for constant, dependent or not finite coordinates, or use eps > 0"
            )
        return torch.linalg.solve_triangular(factor, centred.T, upper=False).T


def wmse_loss(z_a: Tensor, z_b: Tensor, *, eps: float = 0.0, gather_distributed: bool = False) -> Tensor:
    """The W-MSE loss of embeddings z_a and z_b, both (batch, dim): see `WMSELoss`.

    Examples
    --------
    >>> z_a = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> wmse_loss(z_a, z_a.roll(1, dims=1))     # pairs at right angles
    tensor(2.)
    """
    return WMSELoss(eps=eps, gather_distributed=gather_distributed)(z_a, z_b)
