"""Features of any backbone, untrained or with weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eigenstep.encoders._config import ProjectorConfig
from eigenstep.encoders._encoder import build_encoder
from eigenstep.encoders._layer_features import layer_features
from eigenstep.encoders._settled import settle_statistics
from eigenstep.encoders.features._image_features import ImageFeatures
from eigenstep.views import Normalize, ViewsConfig

Given = TypeVar("Given")


class BackboneFeatures(ImageFeatures):
    """Features of `convnet` or of any timm model without its classifier, in evaluation mode.

    Without weights they are those of an untrained network, whose batch normalisation gets the statistics of
    a sample of the images at `fit`, for it has none of its own.

    Parameters
    ----------
    backbone : str, default "convnet"
        As for `build_encoder`.
    weights : str or Path, optional
        A file of weights or a run folder, as `--backbone-weights` takes it; "pretrained", timm's own of that
        name; None, random ones.
    normalize : {"imagenet", "data", "none"}, optional
        By which mean and deviation of each channel images go in: ImageNet's, those of the images at `fit`,
        or as they are, such as views that are normalised already. Default: for "pretrained" those the weights
        were trained with; else ImageNet's for three channels, the data's for other numbers and for 16 bits.
    batch_size : int, default 256
        Images that pass the network at once.
    random_state : int, RandomState or None, default 0
        Of the weights that are random.
    device : str or torch.device, optional
        Where to compute; default: where a tensor is, the CPU for arrays.

    Attributes
    ----------
    backbone_ : nn.Module
        The network, in evaluation mode.
    start_ : Start or None
        What it took from weights.
    channel_mean_, channel_std_ : NDArray[np.float32]
        (C,) by which images are normalised.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(256, size=(8, 3, 32, 32), dtype=np.uint8)
    >>> BackboneFeatures("convnet").fit_transform(images).shape
    (8, 256)
    """

    def __init__(
        self,
        backbone: str = "convnet",
        weights: str | Path | None = None,
        *,
        normalize: Normalize | None = None,
        batch_size: int = 256,
        random_state: Any = 0,
        device: str | torch.device | None = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.normalize = normalize
        self.batch_size = batch_size
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any = None) -> BackboneFeatures:
        """See `ImageFeatures.fit`; raises also what `build_encoder` raises."""
        # Which normalisation images get by default depends on how they are stored.
        self._is_wide = str(getattr(X, "dtype", "")).endswith("uint16")
        return super().fit(X, y)

    def transform_layers(self, X: Any) -> dict[str, NDArray[np.float32]]:
        """Return what each layer makes of images (n, C, H, W), pooled, as `layer_features`: {name: (n, p_l)}.

        The last entry, `features`, is what `transform` returns. Raises what that raises, and ValueError for
        a network that does not give its layers.
        """
        found: dict[str, list[NDArray[np.float32]]] = {}
        with torch.no_grad():
            for block in self._checked_blocks(X):
                for name, values in self._passed(layer_features, block).items():
                    found.setdefault(name, []).append(values.float().cpu().numpy())
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def _learn(self, sample: Tensor, generator: torch.Generator) -> int:
        self._choose_scale()
        pretrained = self.weights == "pretrained"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            encoder = build_encoder(
                self.backbone,
                min(sample.shape[-2:]),
                ProjectorConfig(hidden=(), dim=1),
                channels=self.n_features_in_,
                weights=None if pretrained else self.weights,
                pretrained=pretrained,
            )
        self.start_ = encoder.start
        self.backbone_ = encoder.backbone.to(sample.device)
        if self.weights is None:
            settle_statistics(self.backbone_, self._normalized(sample), self.batch_size)
        self.backbone_.eval().requires_grad_(False)
        return self._map(sample[:1]).shape[1]

    def _map(self, images: Tensor) -> Tensor:
        return self._passed(lambda backbone, normalized: cast(Tensor, backbone(normalized)), images)

    def _passed(self, call: Callable[[nn.Module, Tensor], Given], images: Tensor) -> Given:
        self.backbone_.to(images.device)
        try:
            return call(self.backbone_, self._normalized(images))
        except (RuntimeError, AssertionError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"{self.backbone} does not take images of shape {tuple(images.shape[1:])} ({reason}); resize"
                " them"
            ) from error

    def _choose_scale(self) -> None:
        self.channel_mean_, self.channel_std_ = self.mean_, self.scale_
        if self.weights == "pretrained" and self.normalize is None and self.n_features_in_ == 3:
            known = timm.get_pretrained_cfg(self.backbone, allow_unregistered=False)
            if known is not None:
                self._set_scale(known.mean, known.std)
                return
        dtype = torch.uint16 if self._is_wide else torch.uint8
        chosen = ViewsConfig.none(self.normalize).for_channels(self.n_features_in_, dtype)
        if chosen.normalize == "none":
            self._set_scale([0.0] * self.n_features_in_, [1.0] * self.n_features_in_)
        elif chosen.mean is not None and chosen.std is not None:
            self._set_scale(chosen.mean, chosen.std)

    def _set_scale(self, mean: Any, std: Any) -> None:
        self.channel_mean_, self.channel_std_ = (np.asarray(part, np.float32) for part in (mean, std))

    def _normalized(self, images: Tensor) -> Tensor:
        scale = self.channel_mean_, self.channel_std_
        mean, std = (torch.from_numpy(part).to(images)[:, None, None] for part in scale)
        return (images - mean) / std
