"""Features of an untrained convolutional network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from eigenstep.encoders.features._image_features import ImageFeatures, check_whole


class RandomConvFeatures(ImageFeatures):
    """Features of a convolutional network with random weights, every layer of it, pooled to a small grid.

    Each layer is a 3×3 convolution of stride 2 with Gaussian weights, standardised by channel over a sample
    of the images at `fit`, so that no scale vanishes or explodes with depth, and ReLU. Of each layer the mean
    over every cell of a grid is kept, so that where something is in the image survives.

    Parameters
    ----------
    channels : tuple[int, ...], default (48, 48)
        Channels of each layer. Deeper networks were found to give worse features.
    grid : int, default 3
        Cells a side: sum(channels) grid² features.
    batch_size : int, default 256
        Images that pass the network at once.
    random_state : int, RandomState or None, default 0
        Of the weights.
    device : str or torch.device, optional
        Where to compute; default: where a tensor is, the CPU for arrays.

    Attributes
    ----------
    weights_ : list[Tensor]
        (outputs, inputs, 3, 3) of each layer.
    means_, scales_ : list[Tensor]
        (outputs,) by which each layer is standardised.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(256, size=(8, 3, 32, 32), dtype=np.uint8)
    >>> RandomConvFeatures().fit_transform(images).shape
    (8, 864)
    """

    def __init__(
        self,
        channels: tuple[int, ...] = (48, 48),
        *,
        grid: int = 3,
        batch_size: int = 256,
        random_state: Any = 0,
        device: str | torch.device | None = None,
    ) -> None:
        self.channels = channels
        self.grid = grid
        self.batch_size = batch_size
        self.random_state = random_state
        self.device = device

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_whole("grid", self.grid, 1)
        if len(self.channels) == 0:
            raise ValueError("expected channels of at least one layer, got none")
        for width in self.channels:
            check_whole("each of channels", width, 1)

    def _learn(self, sample: Tensor, generator: torch.Generator) -> int:
        self.weights_: list[Tensor] = []
        self.means_: list[Tensor] = []
        self.scales_: list[Tensor] = []
        layer = self._standardised(sample)
        for width in self.channels:
            inputs = layer.shape[1]
            weight = torch.randn(width, inputs, 3, 3, generator=generator) / (9 * inputs) ** 0.5
            outputs = functional.conv2d(layer, weight.to(layer), stride=2, padding=1)
            deviation, mean = torch.std_mean(outputs, dim=(0, 2, 3), correction=0)
            deviation = torch.where(deviation > 1e-6, deviation, 1.0)
            for kept, part in ((self.weights_, weight), (self.means_, mean), (self.scales_, deviation)):
                kept.append(part.cpu())
            layer = self._activated(outputs, len(self.weights_) - 1)
        return int(sum(self.channels)) * self.grid**2

    def _map(self, images: Tensor) -> Tensor:
        layer, pooled = self._standardised(images), []
        for at, weight in enumerate(self.weights_):
            outputs = functional.conv2d(layer, weight.to(layer), stride=2, padding=1)
            layer = self._activated(outputs, at)
            pooled.append(functional.adaptive_avg_pool2d(layer, self.grid).flatten(1))
        return torch.cat(pooled, dim=1)

    def _activated(self, outputs: Tensor, at: int) -> Tensor:
        mean, scale = (part[at].to(outputs)[:, None, None] for part in (self.means_, self.scales_))
        return functional.relu((outputs - mean) / scale)
