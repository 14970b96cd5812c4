import torch
from torch import Tensor

from eigenstep.analysis import FLOOR, NOTHING_LEARNED, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._landmarks import PERFECT
from eigenstep.losses._sliced_loss import SlicedLoss, check_share, prediction_error
from eigenstep.losses._two_view_loss import check_positive


class VISRegLoss(SlicedLoss):
    r"""VISReg: views predict their mean; embeddings are centred, of unit deviation and Gaussian shape.

        prediction = 1/(V n d) sum_v sum_i |z_vi - c_i|^2              c_i: mean over the global views
        scale      = 1/(V d) sum_v sum_j (1 - sigma_vj)^2              sigma, mean: of the batch
        shape      = 1/(V S n) sum_v sum_s sum_i (sort_i(zbar_v u_s) - q_i)^2
        center     = 1/(V d) sum_v |mean_v|^2
        zbar = (z - mean) / (stop(sigma) + eps),    q_i = Phi^{-1}(i / (n + 1))

    u_s: S random unit vectors; q_i: quantiles of the standard normal, so shape is a sliced Wasserstein
    distance; stop: taken as a constant, through which no gradient flows. V = 2: z_a and z_b, both global;
    `of_views` takes more, of which the first ones are. The loss is

        (1 - weight) prediction + weight (lambda_scale scale + lambda_shape shape + lambda_center center)

    and the terms have these names. Wu, Balestriero and Levine 2026, arXiv:2606.02572, algorithm 1, with
    lightly's defaults.

    Parameters
    ----------
    weight : float
        The share of the three regularising terms, from 0 to 1; the paper advises 0.6 for small data sets.
    slices : int
        S, how many directions are drawn at each call.
    lambda_scale, lambda_shape, lambda_center : float
        Weights among the three, not negative.
    eps : float
        Added to the deviations that divide; positive.
    gather_distributed : bool
        Compute all terms over the batches of all ranks, along the same slices. In the paper, and by default
        in lightly, each rank takes its own batch and slices, which is another function.

    Raises
    ------
    ValueError
        For values out of range.

    Notes
    -----
    A call takes a `generator` on the CPU that the slices are drawn from, `loss(z_a, z_b, generator)`; without
    one they are drawn from torch's random state, and are the first rank's on all.

    With the same slices lightly's value (1.6) is this one up to its quantiles, which are of float32.

    Examples
    --------
    >>> z = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    >>> terms = VISRegLoss().terms(z, z + 2, torch.Generator().manual_seed(1))
    >>> {name: round(term.item(), 2) for name, term in terms.items()}
    {'prediction': 1.0, 'scale': 0.0, 'shape': 0.01, 'center': 2.09}
    """

    def __init__(
        self,
        weight: float = 0.9,
        slices: int = 4096,
        *,
        lambda_scale: float = 1.0,
        lambda_shape: float = 1.0,
        lambda_center: float = 1.0,
        eps: float = 1e-4,
        gather_distributed: bool = False,
    ) -> None:
        super().__init__(slices, gather_distributed)
        check_share("weight", weight)
        check_positive("eps", eps)
        factors = {"lambda_scale": lambda_scale, "lambda_shape": lambda_shape, "lambda_center": lambda_center}
        for name, factor in factors.items():
            if not factor >= 0:
                raise ValueError(f"{name} expects a number that is not negative, got {factor}")
        self.weight = weight
        self.lambda_scale = lambda_scale
        self.lambda_shape = lambda_shape
        self.lambda_center = lambda_center
        self.eps = eps

    @property
    def weights(self) -> dict[str, float]:
        return {
            "prediction": 1 - self.weight,
            "scale": self.weight * self.lambda_scale,
            "shape": self.weight * self.lambda_shape,
            "center": self.weight * self.lambda_center,
        }

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        missing = self.weights["scale"] + self.weights["shape"] * float(_quantiles(pairs).square().mean())
        return [
            Landmark(NOTHING_LEARNED, missing, "embeddings have hardly any length"),
            Landmark(FLOOR, 0.0, PERFECT),
        ]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        views = torch.stack(batch.views)
        mean = views.mean(1, keepdim=True)
        deviation = views.std(1, correction=0, keepdim=True)
        standard = (views - mean) / (deviation.detach() + self.eps)
        return {
            "prediction": prediction_error(views, batch.n_global),
            "scale": (1 - deviation).square().mean(),
            "shape": _wasserstein_from_normal(standard, batch),
            "center": mean.square().mean(),
        }

    def extra_repr(self) -> str:
        return (
            f"weight={self.weight}, slices={self.slices}, lambda_scale={self.lambda_scale}, "
            f"lambda_shape={self.lambda_shape}, lambda_center={self.lambda_center}, eps={self.eps}, "
            f"gather_distributed={self.gather_distributed}"
        )


def visreg_loss(
    z_a: Tensor,
    z_b: Tensor,
    weight: float = 0.9,
    slices: int = 4096,
    *,
    generator: torch.Generator | None = None,
    lambda_scale: float = 1.0,
    lambda_shape: float = 1.0,
    lambda_center: float = 1.0,
    eps: float = 1e-4,
    gather_distributed: bool = False,
) -> Tensor:
    """The VISReg loss of embeddings z_a and z_b, both (batch, dim): see `VISRegLoss`.

    Examples
    --------
    >>> collapsed = torch.zeros(100, 3)
    >>> visreg_loss(collapsed, collapsed, weight=1.0, lambda_shape=0.0)      # deviations lack 1
    tensor(1.)
    """
    loss = VISRegLoss(
        weight,
        slices,
        lambda_scale=lambda_scale,
        lambda_shape=lambda_shape,
        lambda_center=lambda_center,
        eps=eps,
        gather_distributed=gather_distributed,
    )
    return loss(z_a, z_b, generator)


def _wasserstein_from_normal(views: Tensor, batch: JointBatch) -> Tensor:
    """The mean square distance of views (v, n, d), sorted along each slice, from a normal's quantiles."""
    assert batch.slices is not None
    ordered = (views @ batch.slices).sort(1).values
    return (ordered - _quantiles(views.shape[1]).to(views)[:, None]).square().mean()


def _quantiles(n: int) -> Tensor:
    """q_i of the standard normal, (n,), on the CPU: some devices have no float64."""
    return torch.special.ndtri(torch.arange(1, n + 1, dtype=torch.float64) / (n + 1))
