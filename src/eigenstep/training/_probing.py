"""What frozen features and embeddings are worth: probes on labelled images, during training and after it."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from eigenstep.encoders import encode
from eigenstep.images import ImagesConfig, find_test_split, load_labelled
from eigenstep.probes import knn_probe, logistic_probe, ridge_probe
from eigenstep.training.config import TrainConfig

BATCH = 256


class Probe:
    """Labelled images of two splits, and how well labels of one are told by what is learned from the other.

    The encoder never learns from the labels: measuring changes neither its weights nor its buffers, nor any
    random state.

    Parameters
    ----------
    config : TrainConfig
        Its nodes `probes`, `images` and `views`, and its `data` unless `probes.data` names another.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line if there are no such images, or no labels.
    """

    def __init__(self, config: TrainConfig) -> None:
        probes, images = config.probes, _images_config(config)
        self.config = config
        self.data = probes.data or config.data
        self.test_split = probes.test_split or find_test_split(self.data, images)
        self.train = load_labelled(self.data, images, probes.train_split, probes.train_limit)
        self.test = load_labelled(self.data, images, self.test_split, probes.test_limit)

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
        train = encode(encoder, self.train.images, self.config)
        test = encode(encoder, self.test.images, self.config)
        return self._tell_apart("features", train[0], test[0], kinds) | self._tell_apart(
            "embeddings", train[1], test[1], kinds
        )

    def measure_pixels(
        self, kinds: Sequence[str] = ("knn", "ridge"), device: torch.device | None = None
    ) -> dict[str, float]:
        """The same of the images' pixels as they are stored, computed on `device`: `knn_pixels`, ..."""
        train, test = (split.images.flatten(1).to(device) / 255 for split in (self.train, self.test))
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


def _images_config(config: TrainConfig) -> ImagesConfig:
    """How the labelled images are read: other data than the run's have columns of their own names."""
    if config.probes.data in (None, config.data):
        return config.images
    return dataclasses.replace(config.images, column=None, label=None)
