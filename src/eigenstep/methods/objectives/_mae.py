"""Masked autoencoder: what is hidden of a view is given back from what is seen of it."""

import math
from typing import Literal

import torch
from torch import Tensor

from eigenstep.methods._mae import MAEConfig, check
from eigenstep.methods._objective import Embeddings, LossAndTerms
from eigenstep.methods.objectives._decoder import Reconstruction


class MaskedAutoencoder(Reconstruction):
    """The mean squared error of the hidden pixels, given back from the embedding of the masked view.

        L = 1/2 mean_i [ mean_{p hidden} (g(a_i) - x_i)_p^2 + the same of b_i, x'_i ]

    The encoder sees all of the view's size, hidden pixels being the mean of those that are seen, of each
    channel: the same for every backbone, convolutional or transformer. Each view is masked for itself. He et
    al. 2022, arXiv:2111.06377, drop hidden patches before a transformer, decode tokens, and standardise
    each patch that is to be given back; masks at the pixels and a loss of hidden pixels alone are those of
    SimMIM (Xie et al. 2022, arXiv:2111.09886). Here the whole view has one embedding.

    Views other than images are masked in patches along all axes but the first.

    Parameters
    ----------
    dim : int
        Of the embedding.
    decoder : Literal['deep', 'linear']
        See `DecoderConfig`.
    ratio : float
        The share of the patches that is hidden, in (0, 1); one patch at least is hidden and one is seen.
    patch : int
        Their side.

    Raises
    ------
    ValueError
        For another ratio or patch; in `begin` for views of one patch.

    Examples
    --------
    >>> objective = MaskedAutoencoder(dim=5, ratio=0.5, patch=2)
    >>> objective.begin((1, 4, 4))
    >>> objective.draws
    4
    >>> objective.hidden(torch.tensor([[0.3, 0.9, 0.1, 0.8]]))[0, 0].int()     # the smallest numbers' patches
    tensor([[1, 1, 0, 0],
            [1, 1, 0, 0],
            [1, 1, 0, 0],
            [1, 1, 0, 0]], dtype=torch.int32)
    """

    def __init__(
        self, dim: int, decoder: Literal["deep", "linear"] = "deep", ratio: float = 0.75, patch: int = 4
    ) -> None:
        super().__init__(dim, decoder)
        check(MAEConfig(decoder, ratio, patch))
        self.ratio, self.patch = ratio, patch
        self._has_channels = True
        self._axes: tuple[int, ...] = ()  # the view's sides along which there are patches

    def begin(self, shape: tuple[int, ...]) -> None:
        super().begin(shape)
        self._has_channels = len(shape) > 1
        self._axes = shape[1:] or shape
        self.draws = math.prod(self._grid)
        if self.draws < 2:
            raise ValueError(f"mae.patch: expected less than the sides of a view, {shape}, got {self.patch}")

    def alter(self, view: Tensor, drawn: Tensor) -> Tensor:
        hidden, axes = self.hidden(drawn), tuple(range(-len(self._axes), 0))
        seen = view.masked_fill(hidden, 0)
        mean = seen.sum(axes, keepdim=True) / (~hidden).sum(axes, keepdim=True)
        return torch.where(hidden, mean, seen)

    def hidden(self, drawn: Tensor) -> Tensor:
        """Which pixels are hidden by the numbers drawn, (b, patches): (b, 1, H, W)."""
        count = min(max(1, round(self.ratio * self.draws)), self.draws - 1)
        mask = (drawn.argsort(1).argsort(1) < count).unflatten(1, self._grid)
        for axis, side in enumerate(self._axes, start=1):
            mask = mask.repeat_interleave(self.patch, axis).narrow(axis, 0, side)
        return mask.unsqueeze(1) if self._has_channels else mask

    @property
    def _grid(self) -> tuple[int, ...]:
        return tuple(math.ceil(side / self.patch) for side in self._axes)

    def forward(self, batch: Embeddings) -> LossAndTerms:
        assert batch.view_a is not None
        assert batch.view_b is not None
        assert batch.drawn_a is not None
        assert batch.drawn_b is not None
        embeddings, views = torch.cat([batch.z_a, batch.z_b]), torch.cat([batch.view_a, batch.view_b])
        errors = self.errors(embeddings, views).flatten(1)
        hidden = self.hidden(torch.cat([batch.drawn_a, batch.drawn_b])).expand_as(views).flatten(1)
        return (errors.masked_fill(~hidden, 0).sum(1) / hidden.sum(1)).mean(), {}
