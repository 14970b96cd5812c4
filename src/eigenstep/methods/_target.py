"""The target network: a copy of the encoder that follows it slowly."""

import copy
import math

import torch
from torch import Tensor, nn


class TargetNetwork(nn.Module):
    """An exponential moving average of an encoder's parameters; it is never differentiated.

        theta' <- m theta' + (1 - m) theta,      m = 1 - (1 - momentum) (1 + cos(pi step / steps)) / 2

    Its batch norms see its own batches, in training mode, as published. Grill et al. 2020,
    arXiv:2006.07733.

    Parameters
    ----------
    encoder : nn.Module
        Gives features and embeddings; it is copied.
    momentum : float
        m at the first step; it rises to 1 at the last.
    """

    def __init__(self, encoder: nn.Module, momentum: float) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.momentum = momentum

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """The embeddings (b, d) of images (b, C, H, W)."""
        return self.encoder(images)[1]

    @torch.no_grad()
    def follow(self, encoder: nn.Module, step: int, steps: int) -> None:
        """Move towards the encoder, after its `step`th step of `steps`.

        Examples
        --------
        >>> encoder = nn.Linear(1, 1, bias=False)
        >>> target = TargetNetwork(encoder, momentum=0.75)
        >>> _ = nn.init.constant_(encoder.weight, 1.0), nn.init.constant_(target.encoder.weight, 0.0)
        >>> target.follow(encoder, step=0, steps=10)
        >>> target.encoder.weight.item()
        0.25
        """
        rate = (1 - self.momentum) * (1 + math.cos(math.pi * step / steps)) / 2
        torch._foreach_lerp_(list(self.encoder.parameters()), list(encoder.parameters()), rate)
