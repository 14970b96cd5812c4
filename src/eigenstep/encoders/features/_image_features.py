"""What the transformers of images have in common: checks, scales, and blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from eigenstep.views import float_images

# Images that what is learned from the data, but for its mean and deviation, is learned from.
_SAMPLE = 1024


class ImageFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """A transformer of images (n, C, H, W) into features (n, p), float32, block by block.

    Whole numbers are scaled by their type's full range, floats are taken as they are. A subclass says what it
    learns from a sample of the images and how it maps a block of them.

    Attributes
    ----------
    n_features_in_ : int
        C, the channels.
    mean_, scale_ : NDArray[np.float32]
        (C,) of the images at `fit`, by channel: mean and standard deviation, 1 for a constant channel.
    """

    batch_size: int
    random_state: Any
    device: str | torch.device | None

    @abstractmethod
    def _learn(self, sample: Tensor, generator: torch.Generator) -> int:
        """Learn from some of the images, float32 (s, C, H, W) on the device; return p."""

    @abstractmethod
    def _map(self, images: Tensor) -> Tensor:
        """Return features (b, p) of images (b, C, H, W), float32 on the device."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the images' scale and what else the features take from them.

        Parameters
        ----------
        X : Any
            Images (n, C, H, W), tensor or array, uint8, uint16 or floats.
        y : Any
            Ignored.

        Raises
        ------
        ValueError
            In one line: parameters out of range; other than four dimensions; another type; NaN or infinity;
            images too small for the features.
        """
        _check_images(X)
        self._check_parameters()
        device = self._device(X)
        self.n_features_in_ = int(X.shape[1])
        count = 0
        sums, squares = torch.zeros(2, self.n_features_in_, dtype=torch.float64)
        for block in self._blocks(X, device):
            pixels = block.cpu().double().transpose(0, 1).flatten(1)
            count += pixels.shape[1]
            sums += pixels.sum(dim=1)
            squares += pixels.square().sum(dim=1)
        mean = sums / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        # Rounding is no contrast.
        deviation[deviation <= 1e-6 * mean.abs()] = 1.0
        self.mean_, self.scale_ = (part.numpy().astype(np.float32) for part in (mean, deviation))
        sample = X[:: max(1, len(X) // _SAMPLE)][:_SAMPLE]
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        with torch.no_grad():
            generator = torch.Generator().manual_seed(int(seed))
            parts = list(self._blocks(sample, device))
            self._n_features_out = self._learn(torch.cat(parts), generator)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the features (n, p) of images of the channels that `fit` had.

        Raises
        ------
        ValueError
            Other than four dimensions; another type or number of channels; NaN or infinity; images too small.
        """
        blocks = self._checked_blocks(X)
        features = np.empty((len(X), self._n_features_out), np.float32)
        start = 0
        with torch.no_grad():
            for block in blocks:
                features[start : start + len(block)] = self._map(block).float().cpu().numpy()
                start += len(block)
        return features

    def _checked_blocks(self, X: Any) -> Iterator[Tensor]:
        """Blocks of images to transform, of the channels that `fit` had."""
        check_is_fitted(self)
        _check_images(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"expected images of {self.n_features_in_} channels, as at fit, got shape {tuple(X.shape)};"
                " fit on images of these"
            )
        return self._blocks(X, self._device(X))

    def _check_parameters(self) -> None:
        check_whole("batch_size", self.batch_size, 1)

    def _blocks(self, X: Any, device: torch.device) -> Iterator[Tensor]:
        """Yield float32 blocks on the device, finite."""
        for start in range(0, len(X), self.batch_size):
            part = X[start : start + self.batch_size]
            stored = part if isinstance(part, Tensor) else torch.from_numpy(np.array(part))
            block = float_images(stored.detach().to(device))
            finite = torch.isfinite(block).flatten(1).all(dim=1)
            if not bool(finite.all()):
                row = start + int((~finite).nonzero()[0])
                raise ValueError(
                    f"expected finite images, got NaN or infinity in image {row}; remove or repair it"
                )
            yield block

    def _device(self, X: Any) -> torch.device:
        if self.device is not None:
            return torch.device(self.device)
        return X.device if isinstance(X, Tensor) else torch.device("cpu")

    def _standardised(self, images: Tensor) -> Tensor:
        """Return images less their channels' mean at fit, over their deviation."""
        mean, scale = (torch.from_numpy(part).to(images)[:, None, None] for part in (self.mean_, self.scale_))
        return (images - mean) / scale

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = False
        return tags


def check_whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"expected {name} as an integer >= {least}, got {value!r}")


def _check_images(X: Any) -> None:
    if not isinstance(X, (Tensor, np.ndarray)):
        raise ValueError(f"expected images (n, C, H, W) as a tensor or an array, got {type(X).__name__}")
    shape = tuple(X.shape)
    if X.ndim != 4:
        raise ValueError(
            f"expected images of four dimensions (n, C, H, W), got shape {shape}; add the one that is missing"
        )
    if 0 in shape:
        raise ValueError(f"expected at least one image, channel and pixel, got shape {shape}")
    kind = str(X.dtype).removeprefix("torch.")
    if kind not in ("uint8", "uint16", "float16", "bfloat16", "float32", "float64"):
        raise ValueError(f"expected images as uint8, uint16 or floats, got {X.dtype}; convert them first")
