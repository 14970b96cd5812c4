"""Kernels of images by name: of pixels, and linear in features that need no training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from eigenstep.encoders.features._backbone import BackboneFeatures
from eigenstep.encoders.features._image_features import ImageFeatures
from eigenstep.encoders.features._patches import PatchFeatures
from eigenstep.encoders.features._random_conv import RandomConvFeatures

# Those of one random seed, whatever the network that is to be trained.
RANDOM: dict[str, Callable[..., ImageFeatures]] = {
    "random_conv": RandomConvFeatures,
    "patches": PatchFeatures,
}


def kernel_features(
    kernel: str,
    *,
    backbone: str = "convnet",
    weights: str | Path | None = None,
    random_state: Any = 0,
    device: str | torch.device | None = None,
) -> ImageFeatures | None:
    """The transformer into features that a kernel is linear in; None for a kernel of the pixels.

    Parameters
    ----------
    kernel : str
        One of `ImageKernel`: "features" are those of a backbone, see `BackboneFeatures`.
    backbone, weights : str, str | Path | None
        Of "features".
    random_state, device
        As of `ImageFeatures`.

    Raises
    ------
    ValueError
        For another name.

    Examples
    --------
    >>> kernel_features("patches", random_state=1)
    PatchFeatures(random_state=1)
    """
    if kernel in ("linear", "rbf"):
        return None
    if kernel == "features":
        return BackboneFeatures(backbone, weights, random_state=random_state, device=device)
    if kernel not in RANDOM:
        raise ValueError(f"kernel: expected linear, rbf, features, {' or '.join(RANDOM)}, got {kernel!r}")
    return RANDOM[kernel](random_state=random_state, device=device)


def is_random(kernel: str, weights: str | Path | None = None) -> bool:
    """Whether another seed gives another kernel.

    Examples
    --------
    >>> is_random("rbf"), is_random("features"), is_random("features", "pretrained")
    (False, True, False)
    """
    return kernel in RANDOM or (kernel == "features" and weights is None)
