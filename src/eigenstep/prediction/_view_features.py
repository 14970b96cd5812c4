"""Features of views that a prediction's kernel is linear in: a backbone's, random convolutions, patches."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.encoders import initial_encoder, settle_statistics
from eigenstep.encoders.features import is_random, kernel_features
from eigenstep.machine import find_device
from eigenstep.prediction._config import PredictConfig
from eigenstep.training import TrainConfig

Features = Callable[[Tensor], NDArray[np.float64]]

# Views that pass the backbone at once.
_AT_ONCE = 512


def view_features(config: PredictConfig, training: TrainConfig, views: Tensor) -> Features | None:
    """Return what maps images, as an encoder takes them, to float64 features (n, p); None for other kernels.

    The backbone is the training's own before its first step. Of one without weights batch normalisation gets
    the statistics of the views (N, C, S, S), with weights it keeps those that it has.
    """
    if config.kernel == "features":
        return _backbone_features(config, training, views)
    if not is_random(config.kernel):
        return None
    random = kernel_features(config.kernel, random_state=config.seed, device=find_device(config.device))
    assert random is not None, "features, not pixels"
    return _doubled(random.fit(views).transform)


def _backbone_features(config: PredictConfig, training: TrainConfig, views: Tensor) -> Features:
    place = find_device(config.device)
    encoder = initial_encoder(training).to(place)
    if encoder.start is None:
        settle_statistics(encoder, views)
    backbone = encoder.backbone.eval()

    def features(images: Tensor) -> NDArray[np.float64]:
        with torch.no_grad():
            parts = [backbone(part.to(place)).cpu().double() for part in torch.split(images, _AT_ONCE)]
        return torch.cat(parts).numpy()

    return features


def _doubled(transform: Callable[[Tensor], NDArray[np.float32]]) -> Features:
    return lambda images: transform(images).astype(np.float64)
