"""What frozen features and embeddings are worth: probes on labelled images, during training and after it."""

import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from eigenstep.encoders import channels_of, encode
from eigenstep.images import (
    ImagesConfig,
    LabelledImages,
    OwnData,
    Source,
    find_test_split,
    load_labelled,
)
from eigenstep.probes import knn_probe, logistic_probe, ridge_probe
from eigenstep.training.config import TrainConfig
from eigenstep.views import float_images

BATCH = 256


class Probe:
    """Labelled images of two splits, and how well labels of one are told by what is learned from the other.

    The encoder never learns from the labels: measuring changes neither its weights nor its buffers, nor any
    random state.

    Parameters
    ----------
    config : TrainConfig
        Its nodes `probes`, `images` and `views`, and its `data` unless `probes.data` names another.
    own : Source | None
        The data set of one's own that `config.data` stands for, if it does.
    prepare : Callable[[Tensor], Tensor] | None
        What makes the encoder's input of stored images, where the run has views of its own.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line if there are no such images, or no labels.

    Examples
    --------
    >>> import numpy as np
    >>> from eigenstep.images import ImagesConfig, own_data
    >>> items = [(np.full((8, 8, 3), 20 + 200 * (place % 2), np.uint8), place % 2) for place in range(40)]
    >>> config = TrainConfig(images=ImagesConfig(size=8))
    >>> probe = Probe(config, own_data({"train": items[:30], "test": items[30:]}))
    >>> probe.test_split, probe.measure_pixels(["ridge"])
    ('test', {'ridge_pixels': 1.0})
    """

    def __init__(
        self,
        config: TrainConfig,
        own: Source | None = None,
        prepare: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.config, self.prepare = config, prepare
        self.data = config.probes.data or config.data
        self._source = own if own and config.probes.data in (None, config.data) else self.data
        self.test_split, self.train, self.test = _load(config, self._source)

    def follow(self, config: TrainConfig) -> None:
        """Go on with a configuration of which the images that are trained on have told more.

        The labelled images are read once more where they are to have other channels, or another range.
        """
        known, self.config = self.config, config
        if isinstance(self._source, OwnData) and self._source.as_tensors:
            return
        if self.train.images.shape[1] != channels_of(config) or known.images.range != config.images.range:
            self.test_split, self.train, self.test = _load(config, self._source)

    def measure(self, encoder: nn.Module, kinds: Sequence[str] = ("knn", "ridge")) -> dict[str, float]:
        """Test accuracies in [0, 1]: `knn_features`, `ridge_features`, `knn_embeddings`, `ridge_embeddings`.

        Parameters
        ----------
        encoder : nn.Module
            Gives features (B, p) and embeddings (B, d), on any device; in evaluation mode meanwhile.
        kinds : Sequence[str]
            Which of knn, ridge and logistic.

        Raises
        ------
        ValueError
            For an unknown kind, and for features that are not finite.
        """
        train = encode(encoder, self.train.images, self.config, prepare=self.prepare)
        test = encode(encoder, self.test.images, self.config, prepare=self.prepare)
        return self._tell_apart("features", train[0], test[0], kinds) | self._tell_apart(
            "embeddings", train[1], test[1], kinds
        )

    def measure_pixels(
        self, kinds: Sequence[str] = ("knn", "ridge"), device: torch.device | None = None
    ) -> dict[str, float]:
        """The same of the images' pixels as they are stored, computed on `device`: `knn_pixels`, ..."""
        train, test = (float_images(split.images.to(device)).flatten(1) for split in (self.train, self.test))
        return self._tell_apart("pixels", train, test, kinds)

    def _tell_apart(self, what: str, train: Tensor, test: Tensor, kinds: Sequence[str]) -> dict[str, float]:
        if train.device.type == "mps":  # which has no float64
            train, test = train.cpu(), test.cpu()
        accuracies = {}
        for kind in kinds:
            split = train, self.train.labels, test, self.test.labels
            if kind == "knn":
                result = knn_probe(*split, k=self.config.probes.neighbours)
            elif kind == "ridge":
                result = ridge_probe(*split)
            elif kind == "logistic":
                result = logistic_probe(*split)
            else:
                raise ValueError(f"unknown probe {kind!r}: expected knn, ridge or logistic")
            accuracies[f"{kind}_{what}"] = result.accuracy
        return accuracies


def _load(config: TrainConfig, data: str | Source) -> tuple[str, LabelledImages, LabelledImages]:
    """The split that is tested on, and the images of both."""
    probes, images = config.probes, _images_config(config)
    test_split = probes.test_split or find_test_split(data, images)
    train = load_labelled(data, images, probes.train_split, probes.train_limit)
    return test_split, train, load_labelled(data, images, test_split, probes.test_limit)


def _images_config(config: TrainConfig) -> ImagesConfig:
    """How the labelled images are read: other data than the run's have columns of their own names."""
    if config.probes.data in (None, config.data):
        return config.images
    return dataclasses.replace(config.images, column=None, label=None)
