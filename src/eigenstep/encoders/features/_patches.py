"""Features by how much an image's patches look like some of the data's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from eigenstep.encoders.features._image_features import ImageFeatures, check_whole

# Patches that the whitening is learned from.
_PATCHES = 20_000
# Added to a patch's variance, whose mean is 1, so that flat patches stay flat.
_FLOOR = 0.01


class PatchFeatures(ImageFeatures):
    """How much an image's patches look like random patches of the data, pooled over a grid.

    Every patch is standardised (less its mean, over its standard deviation) and whitened, as are the filters,
    random patches d_k of the images at `fit` of unit norm. The features are the means over each cell of
    max(0, d_k · x - threshold) and max(0, -d_k · x - threshold). Source: Coates and Ng, ICML 2011, "The
    importance of encoding versus training with sparse coding and vector quantization".

    Brightness and contrast of the whole image are hardly in them: patterns and colours are.

    Parameters
    ----------
    n_filters : int, default 120
        2 n_filters grid² features.
    patch_size : int, default 6
        Pixels a side.
    stride : int, default 2
        Pixels from a patch to the next.
    whiten : bool, default True
        Whiten the patches (ZCA).
    threshold : float, default 0.5
        In units of a random direction's standard deviation.
    grid : int, default 2
        Cells a side.
    batch_size : int, default 64
        Images at once.
    random_state : int, RandomState or None, default 0
        Of the filters.
    device : str or torch.device, optional
        Where to compute; default: where a tensor is, the CPU for arrays.

    Attributes
    ----------
    filters_ : Tensor
        (n_filters, C, patch_size, patch_size) d_k with the whitening in it.
    biases_ : Tensor
        (n_filters,) what d_k gives for the mean patch.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(256, size=(8, 1, 28, 28), dtype=np.uint8)
    >>> PatchFeatures(n_filters=16).fit_transform(images).shape
    (8, 128)
    """

    def __init__(
        self,
        n_filters: int = 120,
        *,
        patch_size: int = 6,
        stride: int = 2,
        whiten: bool = True,
        threshold: float = 0.5,
        grid: int = 2,
        batch_size: int = 64,
        random_state: Any = 0,
        device: str | torch.device | None = None,
    ) -> None:
        self.n_filters = n_filters
        self.patch_size = patch_size
        self.stride = stride
        self.whiten = whiten
        self.threshold = threshold
        self.grid = grid
        self.batch_size = batch_size
        self.random_state = random_state
        self.device = device

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name, least in (("n_filters", 1), ("patch_size", 2), ("stride", 1), ("grid", 1)):
            check_whole(name, getattr(self, name), least)
        if not 0 <= self.threshold < float("inf"):
            raise ValueError(f"expected threshold as a number >= 0, got {self.threshold!r}")

    def _learn(self, sample: Tensor, generator: torch.Generator) -> int:
        patches = _normalised(self._some_patches(self._standardised(sample), _PATCHES, generator)).double()
        chosen = patches[torch.randperm(len(patches), generator=generator)[: self.n_filters]]
        # Fewer patches than filters are taken several times.
        chosen = chosen[torch.arange(self.n_filters) % len(chosen)]
        mean = patches.mean(dim=0)
        whitening = torch.eye(patches.shape[1], dtype=torch.float64)
        if self.whiten:
            values, vectors = torch.linalg.eigh(torch.cov(patches.T, correction=0))
            whitening = (vectors / (values.clamp(min=0) + 0.1).sqrt()) @ vectors.T
        filters = (chosen - mean) @ whitening
        lengths = filters.norm(dim=1, keepdim=True)
        filters = filters / torch.where(lengths > 0, lengths, 1.0) @ whitening
        # A patch's own mean is taken off by filters without one.
        self.biases_ = (filters @ mean).float()
        filters = filters - filters.mean(dim=1, keepdim=True)
        self.filters_ = filters.float().unflatten(1, (self.n_features_in_, self.patch_size, self.patch_size))
        return 2 * self.n_filters * self.grid**2

    def _map(self, images: Tensor) -> Tensor:
        self._check_size(images)
        images = self._standardised(images)
        filters, biases = self.filters_.to(images), self.biases_.to(images)
        # Variance of every patch: over its channels and pixels.
        means, squares = (
            functional.avg_pool2d(part.mean(dim=1, keepdim=True), self.patch_size, self.stride)
            for part in (images, images.square())
        )
        spread = ((squares - means.square()).clamp(min=0) + _FLOOR).sqrt()
        responses = functional.conv2d(images, filters, stride=self.stride) / spread - biases[:, None, None]
        both = torch.cat((responses, -responses), dim=1).sub_(self.threshold).relu_()
        return functional.adaptive_avg_pool2d(both, self.grid).flatten(1)

    def _some_patches(self, images: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Return patches (count, C s s) from random places, on the CPU."""
        self._check_size(images)
        n, _, height, width = images.shape
        images, size = images.cpu(), self.patch_size
        windows = images.unfold(2, size, 1).unfold(3, size, 1)  # (n, C, H', W', s, s), a view
        row = torch.randint(n, (count,), generator=generator)
        top = torch.randint(height - size + 1, (count,), generator=generator)
        left = torch.randint(width - size + 1, (count,), generator=generator)
        return windows[row, :, top, left].flatten(1)

    def _check_size(self, images: Tensor) -> None:
        if min(images.shape[-2:]) < self.patch_size:
            height, width = images.shape[-2:]
            raise ValueError(
                f"expected images of at least patch_size={self.patch_size} pixels a side, got"
                f" {height}×{width}; set a smaller patch_size"
            )


def _normalised(patches: Tensor) -> Tensor:
    variance, mean = torch.var_mean(patches, dim=1, keepdim=True, correction=0)
    return (patches - mean) / (variance + _FLOOR).sqrt()
