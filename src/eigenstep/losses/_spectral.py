import torch
from torch import Tensor

from eigenstep.analysis import CONSTANT, FLOOR, NOTHING_LEARNED, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._landmarks import PERFECT
from eigenstep.losses._two_view_loss import TwoViewLoss, check_positive


class SpectralLoss(TwoViewLoss):
    r"""Barlow Twins whose gradient is divided by a power of C itself, so that late modes come sooner.

        C = 1/(2n) sum_i (a_i b_i^T + b_i a_i^T)                  (dim, dim)
        L = tr f(C),   f(1) = 0,   f'(x) = 2 (x - 1) (x + damping)^-power

    a_i and b_i are the embeddings z_a[i] and z_b[i]. The one term is "distance", with weight 1: what
    C has left to the identity. With u = x + damping, and up to the constant that makes f(1) = 0,

        f = 2 u^(2 - power) / (2 - power) - 2 (1 + damping) u^(1 - power) / (1 - power)
        power 1/2:  4/3 u^(3/2) - 4 (1 + damping) u^(1/2);   power 1:  2 u - 2 (1 + damping) log u

    Simon et al. 2023, arXiv:2303.15438, have the linear model and ask for such a loss.

    Parameters
    ----------
    power : float
        From 0, where the loss is ||C - I||_F^2.
    damping : float
        Positive, in units of C's eigenvalues.
    gather_distributed : bool
        Compute C over the batches of all ranks.
    center : bool
        Subtract the mean embedding of both views together first.

    Raises
    ------
    ValueError
        For a negative power and a damping that is not positive.

    Notes
    -----
    The gradient at the embeddings is that of `BarlowTwinsLoss(1.0, normalize="none", symmetrize=True)` times
    (C + damping)^-power, at any state. `eigenstep.optim.EmbeddingPreconditioner` has the covariance of
    both views in C's place: the same where views agree, close to it where a batch is large.

    Few pairs leave eigenvalues of C below zero in directions of noise, where f' has a pole or no value. There
    f goes on as the parabola that fits it at 0 in value and slope: f' = 2 (x - 1) damping^-power, as if
    those directions had no variance. That keeps the loss finite, but such directions are still pushed by
    damping^-power times noise: it is a loss for full batches and experiments of the theory. With small ones
    use the preconditioner, whose mean over batches is never negative.

    Examples
    --------
    >>> z = 2**0.5 * torch.eye(2)
    >>> SpectralLoss(center=False)(z, z)              # C = I
    tensor(0.)
    >>> SpectralLoss(power=1, damping=1, center=False)(0 * z, 0 * z)  # 4 (2 log 2 - 1)
    tensor(1.5452)
    """

    def __init__(
        self,
        power: float = 0.5,
        damping: float = 1e-3,
        gather_distributed: bool = False,
        *,
        center: bool = True,
    ) -> None:
        super().__init__(gather_distributed)
        if not 0 <= power < torch.inf:
            raise ValueError(f"power expects a number from 0, got {power}")
        check_positive("damping", damping)
        self.power = power
        self.damping = damping
        self.center = center
        self.min_pairs = 2 if center else 1

    @property
    def weights(self) -> dict[str, float]:
        return {"distance": 1.0}

    @property
    def refuses_preconditioning(self) -> str | None:
        return "it preconditions by itself"

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        nothing = dim * float(self._distance(torch.zeros(1, dtype=torch.float64)))
        found = [Landmark(NOTHING_LEARNED, nothing, "embeddings have hardly any length")]
        if self.center:
            found.append(Landmark(CONSTANT, nothing, "all embeddings are one"))
        return [*found, Landmark(FLOOR, 0.0, PERFECT)]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        a, b = batch.z_a, batch.z_b
        if self.center:
            mean = (a.mean(0) + b.mean(0)) / 2
            a, b = a - mean, b - mean
        product = a.T @ b / len(a)
        # Of eigenvalues alone the gradient is exact where some are equal, too.
        eigenvalues = torch.linalg.eigvalsh((product + product.T) / 2)
        return {"distance": self._distance(eigenvalues).sum()}

    def _distance(self, eigenvalues: Tensor) -> Tensor:
        """f of each eigenvalue."""
        positive = eigenvalues.clamp(min=0)
        negative = eigenvalues - positive
        below = self.damping**-self.power * (negative**2 - 2 * negative)
        u, one = positive + self.damping, 1 + self.damping
        ratio = u / one  # powers of it are 1 where f is 0
        scale = 2 * one ** (2 - self.power)
        return scale * (_integral(ratio, 1 - self.power) - _integral(ratio, -self.power)) + below

    def extra_repr(self) -> str:
        return (
            f"power={self.power}, damping={self.damping}, gather_distributed={self.gather_distributed}, "
            f"center={self.center}"
        )


def _integral(ratio: Tensor, exponent: float) -> Tensor:
    """The integral of x^exponent from 1 to ratio."""
    if exponent == -1:
        return ratio.log()
    return torch.expm1((exponent + 1) * ratio.log()) / (exponent + 1)


def spectral_loss(
    z_a: Tensor,
    z_b: Tensor,
    power: float = 0.5,
    damping: float = 1e-3,
    gather_distributed: bool = False,
    *,
    center: bool = True,
) -> Tensor:
    """The spectral loss of embeddings z_a and z_b, both (batch, dim): see `SpectralLoss`.

    Examples
    --------
    >>> z = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    >>> spectral_loss(z, z)
    tensor(0.)
    """
    return SpectralLoss(power, damping, gather_distributed, center=center)(z_a, z_b)
