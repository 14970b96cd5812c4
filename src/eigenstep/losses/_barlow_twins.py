from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from eigenstep.analysis import CHANCE, CONSTANT, COPIES, FLOOR, NOTHING_LEARNED, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._landmarks import PERFECT
from eigenstep.losses._two_view_loss import LOWERED_ACCURACY, TwoViewLoss, check_choice, check_positive


class BarlowTwinsLoss(TwoViewLoss):
    r"""Barlow Twins: the cross-correlation of two views' embeddings is pulled to the identity.

        C = 1/n sum_i a_i b_i^T                                   (dim, dim)
        L = scale * [ sum_j (C_jj - 1)^2 + lambda_param * sum_{j != k} C_jk^2 ]

    a_i and b_i are the embeddings z_a[i] and z_b[i], normalised as said below. The terms are
    "invariance" (weight `scale`) and "redundancy" (weight `scale * lambda_param`).
    Zbontar et al. 2021, arXiv:2103.03230.

    Parameters
    ----------
    lambda_param : float
        Weight of the off-diagonal elements.
    gather_distributed : bool
        Compute C, means and variances over the batches of all ranks.
    normalize : Literal['batch', 'none']
        "batch" standardises each coordinate of each view on its own (biased variance), so that C is a
        correlation matrix, as in the paper. "none" takes the embeddings as they are.
    center : bool
        Subtract the mean embedding first. With "batch" each view loses its own mean, always. With "none" both
        views lose the mean over the two of them (and C is divided by n, not n - 1).
    symmetrize : bool
        Replace C by (C + C^T) / 2, the C of both orders of the views.
    scale : float
        Factor of the whole loss.
    eps : float
        Added to the variance when normalize="batch"; positive.

    Raises
    ------
    ValueError
        For an unknown `normalize`, for center=False with normalize="batch", and for an `eps` that is not
        positive.

    Notes
    -----
    With normalize="none", center=False, symmetrize=True and lambda_param=1 the loss is ||C - I||_F^2,
    whose linear model is solved in closed form: embeddings W x have C = W Gamma W^T and gradient
    4 (C - I) W Gamma, so that small embeddings follow -4 W Gamma and grow along the top eigenvectors
    of Gamma = 1/(2n) sum_i (x_i x'_i^T + x'_i x_i^T). Simon et al. 2023, arXiv:2303.15438.

    Note: over several ranks lightly standardises each rank's batch on its own and then averages C;
    here means and variances too are those of the joint batch, so that the result does not depend on
    how the batch is split.

    Examples
    --------
    >>> z_a, z_b = torch.eye(4), torch.eye(4)
    >>> loss = BarlowTwinsLoss(1.0, normalize="none", center=False, symmetrize=True)
    >>> loss(z_a, z_b)                      # C = I / 4
    tensor(2.2500)
    >>> loss.terms(z_a, z_b)
    {'invariance': tensor(2.2500), 'redundancy': tensor(0.)}
    """

    def __init__(
        self,
        lambda_param: float = 5e-3,
        gather_distributed: bool = False,
        *,
        normalize: Literal["batch", "none"] = "batch",
        center: bool = True,
        symmetrize: bool = False,
        scale: float = 1.0,
        eps: float = 1e-5,
    ) -> None:
        super().__init__(gather_distributed)
        check_choice("normalize", normalize, ("batch", "none"))
        if normalize == "batch" and not center:
            raise ValueError('normalize="batch" always centers; for center=False use normalize="none"')
        check_positive("eps", eps)
        self.lambda_param = lambda_param
        self.normalize = normalize
        self.center = center
        self.symmetrize = symmetrize
        self.scale = scale
        self.eps = eps
        self.min_pairs = 2 if normalize == "batch" else 1

    @property
    def weights(self) -> dict[str, float]:
        return {"invariance": self.scale, "redundancy": self.scale * self.lambda_param}

    @property
    def refuses_preconditioning(self) -> str | None:
        if self.normalize == "batch":
            return f'normalize="batch" standardises over the batch; {LOWERED_ACCURACY}'
        return None

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        nothing = self.scale * dim  # C = 0
        floor = Landmark(FLOOR, 0.0, PERFECT)
        if self.normalize == "none":
            found = [Landmark(NOTHING_LEARNED, nothing, "embeddings have hardly any length")]
            if self.center:
                found.append(Landmark(CONSTANT, nothing, "all embeddings are one"))
            return [*found, floor]
        # Of unrelated columns the squared correlation is 1 / (n - 1) on average.
        pairs_of_columns, noise = dim * (dim - 1), 1 / (pairs - 1)
        off_diagonal = self.lambda_param * pairs_of_columns * noise / (2 if self.symmetrize else 1)
        return [
            Landmark(CHANCE, self.scale * (dim * (1 + noise) + off_diagonal), "views are unrelated"),
            Landmark(CONSTANT, nothing, "all embeddings are one"),
            Landmark(COPIES, self.scale * self.lambda_param * pairs_of_columns, "all columns are one"),
            floor,
        ]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        a, b = self._normalized(batch.z_a, batch.z_b)
        correlation = a.T @ b / len(a)
        if self.symmetrize:
            correlation = (correlation + correlation.T) / 2
        diagonal = correlation.diagonal()
        off_diagonal = correlation - torch.diag(diagonal)
        return {"invariance": (diagonal - 1).square().sum(), "redundancy": off_diagonal.square().sum()}

    def _normalized(self, z_a: Tensor, z_b: Tensor) -> tuple[Tensor, Tensor]:
        if self.normalize == "batch":
            return (
                functional.batch_norm(z_a, None, None, training=True, eps=self.eps),
                functional.batch_norm(z_b, None, None, training=True, eps=self.eps),
            )
        if self.center:
            mean = (z_a.mean(0) + z_b.mean(0)) / 2
            return z_a - mean, z_b - mean
        return z_a, z_b

    def extra_repr(self) -> str:
        return (
            f"lambda_param={self.lambda_param}, gather_distributed={self.gather_distributed}, "
            f"normalize={self.normalize!r}, center={self.center}, symmetrize={self.symmetrize}, "
            f"scale={self.scale}, eps={self.eps}"
        )


def barlow_twins_loss(
    z_a: Tensor,
    z_b: Tensor,
    lambda_param: float = 5e-3,
    gather_distributed: bool = False,
    *,
    normalize: Literal["batch", "none"] = "batch",
    center: bool = True,
    symmetrize: bool = False,
    scale: float = 1.0,
    eps: float = 1e-5,
) -> Tensor:
    """The Barlow Twins loss of embeddings z_a and z_b, both (batch, dim): see `BarlowTwinsLoss`.

    Examples
    --------
    >>> z = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    >>> barlow_twins_loss(z, -z)    # C = -I, up to eps
    tensor(7.9999)
    """
    loss = BarlowTwinsLoss(
        lambda_param,
        gather_distributed,
        normalize=normalize,
        center=center,
        symmetrize=symmetrize,
        scale=scale,
        eps=eps,
    )
    return loss(z_a, z_b)
