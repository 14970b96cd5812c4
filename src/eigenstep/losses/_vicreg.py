import torch
from torch import Tensor

from eigenstep.analysis import CONSTANT, COPIES, FLOOR, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._landmarks import PERFECT
from eigenstep.losses._two_view_loss import LOWERED_ACCURACY, TwoViewLoss


class VICRegLoss(TwoViewLoss):
    r"""VICReg: close views, coordinates of at least unit deviation, uncorrelated coordinates.

        invariance = 1/(n d) sum_i |a_i - b_i|^2
        variance   = v(a)/2 + v(b)/2      v(z) = 1/d sum_j max(0, 1 - sqrt(Cov(z)_jj + eps))
        covariance = c(a) + c(b)          c(z) = 1/d sum_{j != k} Cov(z)_jk^2
        L = lambda_param * invariance + mu_param * variance + nu_param * covariance

    a_i, b_i: the embeddings z_a[i], z_b[i] in d dimensions; Cov divides by n - 1. The terms have these
    names and weights. Bardes, Ponce, LeCun 2022, arXiv:2105.04906.

    Parameters
    ----------
    lambda_param : float
        Weight of the invariance term.
    mu_param : float
        Weight of the variance term.
    nu_param : float
        Weight of the covariance term.
    gather_distributed : bool
        Compute all terms over the batches of all ranks.
    eps : float
        Added to the variances, inside the root; at 0 a constant coordinate has no gradient (NaN).

    Raises
    ------
    ValueError
        For a negative `eps`.

    Notes
    -----
    Embeddings W x of W much smaller than sqrt(eps) have the gradient

        -(2/d) W [ mu_param / (2 sqrt(eps)) Sigma_c - lambda_param Delta ]

    Sigma_c: the mean of the two views' covariances; Delta = 1/n sum_i (x_i - x'_i)(x_i - x'_i)^T. Thus
    they grow along the top eigenvectors of Sigma_c - kappa Delta, kappa = 2 lambda_param sqrt(eps) /
    mu_param, .02 with the defaults.

    Note: this is the definition of the authors' code and of lightly. The paper's formulas do not divide
    the invariance by d and do not halve the variance term.

    Examples
    --------
    >>> z = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    >>> VICRegLoss()(z, z)
    tensor(0.)
    >>> VICRegLoss().terms(z, z + 3)
    {'invariance': tensor(9.), 'variance': tensor(0.), 'covariance': tensor(0.)}
    """

    min_pairs = 2

    def __init__(
        self,
        lambda_param: float = 25.0,
        mu_param: float = 25.0,
        nu_param: float = 1.0,
        gather_distributed: bool = False,
        eps: float = 1e-4,
    ) -> None:
        super().__init__(gather_distributed)
        if not eps >= 0:
            raise ValueError(f"eps expects a number that is not negative, got {eps}")
        self.lambda_param = lambda_param
        self.mu_param = mu_param
        self.nu_param = nu_param
        self.eps = eps

    @property
    def weights(self) -> dict[str, float]:
        return {"invariance": self.lambda_param, "variance": self.mu_param, "covariance": self.nu_param}

    @property
    def refuses_preconditioning(self) -> str | None:
        return f"VICReg's gradient is divided by the batch's deviations; {LOWERED_ACCURACY}"

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        missing = self.mu_param * max(0.0, 1 - self.eps**0.5)
        return [
            Landmark(CONSTANT, missing, "all embeddings are one: only their missing deviation counts"),
            Landmark(COPIES, 2 * self.nu_param * (dim - 1), "all columns are one, of unit deviation"),
            Landmark(FLOOR, 0.0, PERFECT),
        ]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        a, b = batch.z_a, batch.z_b
        return {
            "invariance": (a - b).square().mean(),
            "variance": (self._missing_deviation(a) + self._missing_deviation(b)) / 2,
            "covariance": _redundancy(a) + _redundancy(b),
        }

    def _missing_deviation(self, z: Tensor) -> Tensor:
        return torch.relu(1 - torch.sqrt(z.var(0) + self.eps)).mean()

    def extra_repr(self) -> str:
        return (
            f"lambda_param={self.lambda_param}, mu_param={self.mu_param}, nu_param={self.nu_param}, "
            f"gather_distributed={self.gather_distributed}, eps={self.eps}"
        )


def vicreg_loss(
    z_a: Tensor,
    z_b: Tensor,
    lambda_param: float = 25.0,
    mu_param: float = 25.0,
    nu_param: float = 1.0,
    gather_distributed: bool = False,
    eps: float = 1e-4,
) -> Tensor:
    """The VICReg loss of embeddings z_a and z_b, both (batch, dim): see `VICRegLoss`.

    Examples
    --------
    >>> collapsed = torch.zeros(4, 3)
    >>> vicreg_loss(collapsed, collapsed)       # 25 (1 - sqrt(eps))
    tensor(24.7500)
    """
    return VICRegLoss(lambda_param, mu_param, nu_param, gather_distributed, eps)(z_a, z_b)


def _redundancy(z: Tensor) -> Tensor:
    centred = z - z.mean(0)
    covariance = centred.T @ centred / (len(z) - 1)
    off_diagonal = covariance - torch.diag(covariance.diagonal())
    return off_diagonal.square().sum() / len(covariance)
