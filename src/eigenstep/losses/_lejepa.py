import math

import torch
from torch import Tensor

from eigenstep.analysis import FLOOR, NOTHING_LEARNED, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._sliced_loss import SlicedLoss, check_share, prediction_error
from eigenstep.losses._two_view_loss import check_positive


class LeJEPALoss(SlicedLoss):
    r"""LeJEPA: views predict their mean, and embeddings are Gaussian along random directions (SIGReg).

        prediction = 1/(V n d) sum_v sum_i |z_vi - c_i|^2                  c_i: the mean over the global views
        sigreg     = 1/V sum_v 1/S sum_s T(z_v u_s)                        u_s: S random unit vectors
        T(x) = n sum_k w_k [ (1/n sum_i cos t_k x_i - phi_k)^2 + (1/n sum_i sin t_k x_i)^2 ]
        loss = (1 - weight) prediction + weight sigreg

    T is the statistic of Epps and Pulley: the squared distance of the sample's characteristic function from
    the standard normal's, phi_k = exp(-t_k^2 / 2), integrated over [-t_max, t_max] with the weight
    exp(-t^2 / 2) by the trapezoid rule on `knots` points t_k from 0 to t_max. V = 2: z_a and z_b, both
    global; `of_views` takes more, of which the first ones are. The terms have these names and weights.
    Balestriero and LeCun 2025, arXiv:2511.08544.

    Parameters
    ----------
    weight : float
        lambda, the share of sigreg in the loss, from 0 to 1.
    slices : int
        S, how many directions are drawn at each call.
    pooled : bool
        Test the views' embeddings as one sample of V n, in the place of each view's n on its own.
    prediction : float | None
        The weight of the prediction; None: 1 - weight.
    t_max : float
        Largest frequency at which characteristic functions are compared.
    knots : int
        Frequencies from 0 to t_max, both counted.
    gather_distributed : bool
        Test the batches of all ranks as one: characteristic functions are averaged over the ranks.

    Raises
    ------
    ValueError
        For values out of range.

    Notes
    -----
    A call takes a `generator` on the CPU that the slices are drawn from, `loss(z_a, z_b, generator)`; without
    one they are drawn from torch's random state, and are the first rank's on all. A training hands over one
    that its seed and the step determine.

    Three functions have this name, and all are had here. With the same slices, to rounding:

    - the defaults are lightly's (1.6), whose weights of the knots are of float32;
    - the authors' minimal example: weight=0.02, slices=256;
    - the paper's algorithm integrates from -5 to 5 on 17 points: t_max=5, knots=9, slices=256;
    - stable-pretraining's: pooled=True, prediction=1, weight=0.02.

    Embeddings W x of small W have, on average over the slices, the gradient

        -(2/d) W [ weight n (c_1 M - c_2 mu mu^T) - (1 - weight) Delta / 4 ]

    M, mu mu^T: means over the views of the second moment and of the square of the mean;
    c_1 = sum_k w_k (1 - phi_k) t_k^2 = 1.546 and c_2 = sum_k w_k t_k^2 = 2.432, w_k with the factor
    exp(-t_k^2 / 2); Delta = 1/n sum_i (x_i - x'_i)(x_i - x'_i)^T. So it begins with principal directions, and
    what views disagree in counts the less the larger the batch.

    Examples
    --------
    >>> z = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    >>> loss = LeJEPALoss()
    >>> drawn = torch.Generator().manual_seed(1)
    >>> {name: round(term.item(), 1) for name, term in loss.terms(z, z, drawn).items()}     # Gaussian
    {'prediction': 0.0, 'sigreg': 1.1}
    >>> {name: round(term.item(), 1) for name, term in loss.terms(0 * z, 0 * z, drawn).items()}
    {'prediction': 0.0, 'sigreg': 201.0}
    """

    def __init__(
        self,
        weight: float = 0.05,
        slices: int = 1024,
        *,
        pooled: bool = False,
        prediction: float | None = None,
        t_max: float = 3.0,
        knots: int = 17,
        gather_distributed: bool = False,
    ) -> None:
        super().__init__(slices, gather_distributed)
        check_share("weight", weight)
        check_positive("t_max", t_max)
        if knots < 2:
            raise ValueError(f"knots expects at least 2, got {knots}")
        self.weight = weight
        self.pooled = pooled
        self.prediction = prediction
        self.t_max = t_max
        self.knots = knots

    @property
    def weights(self) -> dict[str, float]:
        prediction = 1 - self.weight if self.prediction is None else self.prediction
        return {"prediction": prediction, "sigreg": self.weight}

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        copies = 2 if self.pooled else 1  # of each sample, in the sample that is tested
        knots = [self.t_max * k / (self.knots - 1) for k in range(self.knots)]
        step = self.t_max / (self.knots - 1)
        weights = [2 * step * math.exp(-t * t / 2) for t in knots]
        weights[0], weights[-1] = weights[0] / 2, weights[-1] / 2
        normal = [math.exp(-t * t / 2) for t in knots]
        far = sum(w * (1 - phi) ** 2 for w, phi in zip(weights, normal, strict=True))
        # The variance of e^{itx}, which the mean over n samples has an n-th of.
        noise = sum(w * (1 - phi**2) for w, phi in zip(weights, normal, strict=True))
        weight = self.weights["sigreg"] * copies
        return [
            Landmark(NOTHING_LEARNED, weight * pairs * far, "embeddings have hardly any length"),
            Landmark(FLOOR, weight * noise, "views are one, and as normal as random samples are"),
        ]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        views = torch.stack(batch.views)
        return {
            "prediction": prediction_error(views, batch.n_global),
            "sigreg": self._sigreg(views, batch),
        }

    def _sigreg(self, views: Tensor, batch: JointBatch) -> Tensor:
        """Of views (v, n, d), of which this rank sums up its own rows."""
        assert batch.slices is not None
        samples = 1 if self.pooled else len(views)
        count = views[..., 0].numel() // samples
        own = views[:, batch.own_rows].reshape(samples, -1, views.shape[-1]) @ batch.slices
        # The knots are computed on the CPU: some devices have no float64.
        t = torch.linspace(0, self.t_max, self.knots, dtype=torch.float64)
        normal = torch.exp(-t.square() / 2)
        steps = torch.full_like(t, 2 * self.t_max / (self.knots - 1))
        steps[[0, -1]] /= 2
        phases = own[..., None] * t.to(own)
        sums = batch.joint_sum(torch.stack([phases.cos().sum(1), phases.sin().sum(1)]))
        real, imaginary = sums / count
        distances = (real - normal.to(own)).square() + imaginary.square()
        return count * (distances @ (steps * normal).to(own)).mean()

    def extra_repr(self) -> str:
        return (
            f"weight={self.weight}, slices={self.slices}, pooled={self.pooled}, "
            f"prediction={self.prediction}, t_max={self.t_max}, knots={self.knots}, "
            f"gather_distributed={self.gather_distributed}"
        )


def lejepa_loss(
    z_a: Tensor,
    z_b: Tensor,
    weight: float = 0.05,
    slices: int = 1024,
    *,
    generator: torch.Generator | None = None,
    pooled: bool = False,
    prediction: float | None = None,
    t_max: float = 3.0,
    knots: int = 17,
    gather_distributed: bool = False,
) -> Tensor:
    """The LeJEPA loss of embeddings z_a and z_b, both (batch, dim): see `LeJEPALoss`.

    Examples
    --------
    >>> collapsed = torch.zeros(100, 3)
    >>> lejepa_loss(collapsed, collapsed, weight=1.0)       # whatever the slices
    tensor(40.2048)
    """
    loss = LeJEPALoss(
        weight,
        slices,
        pooled=pooled,
        prediction=prediction,
        t_max=t_max,
        knots=knots,
        gather_distributed=gather_distributed,
    )
    return loss(z_a, z_b, generator)
