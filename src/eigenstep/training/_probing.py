"""What frozen features and embeddings are worth: probes on labelled images, during training and after it."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from eigenstep.probes import knn_probe, logistic_probe, ridge_probe
from eigenstep.training.config import ImagesConfig, TrainConfig
from eigenstep.training.data import find_test_split, load_labelled
from eigenstep.views import TwoViews, ViewsConfig

BATCH = 256


class Probe:
    """Labelled images of two splits, and how well labels of one are told by what is learned from the other.

    The encoder never learns from the labels: measuring changes neither its weights nor its buffers, nor any
    random state.

    Parameters
    ----------
    config : its nodes `probes`, `images` and `views`, and its `data` unless `probes.data` names another

    Raises ValueError or FileNotFoundError in one line if there are no such images, or no labels.
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
        encoder : gives features (B, p) and embeddings (B, d), on any device; in evaluation mode meanwhile
        kinds : which of knn, ridge and logistic

        Raises ValueError for an unknown kind, and for features that are not finite.
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


def encode(encoder: nn.Module, images: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Features (n, p) and embeddings (n, d) of stored images, uint8 (n, 3, H, W), on the encoder's device.

    In evaluation mode, without gradients, a batch at a time; float32 or wider.
    """
    weight = next(encoder.parameters())
    passed = []
    with torch.no_grad(), _frozen(encoder, weight.device):
        for batch in images.split(BATCH):
            prepared = prepare_images(batch.to(weight.device), config).to(weight.dtype)
            passed.append(encoder(prepared.contiguous(memory_format=torch.channels_last)))
    features, embeddings = (torch.cat(parts) for parts in zip(*passed, strict=True))
    wide = torch.promote_types(features.dtype, torch.float32)
    return features.to(wide), embeddings.to(wide)


def prepare_images(images: Tensor, config: TrainConfig) -> Tensor:
    """Stored images (n, 3, H, W) as a run's encoder takes them, (n, 3, size, size) float32.

    Resized and normalised, not augmented otherwise.

    >>> prepare_images(torch.zeros(2, 3, 40, 40, dtype=torch.uint8), TrainConfig()).shape
    torch.Size([2, 3, 32, 32])
    """
    plain = dataclasses.replace(
        ViewsConfig.none(config.views.normalize), mean=config.views.mean, std=config.views.std
    )
    views = TwoViews(plain, config.images.size)
    return views.apply(images, views.sample(images, torch.Generator()))


@contextmanager
def _frozen(encoder: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode; every module's own mode and the random state are as they were afterwards."""
    modes = {module: module.training for module in encoder.modules()}
    encoder.eval()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _images_config(config: TrainConfig) -> ImagesConfig:
    """How the labelled images are read: other data than the run's have columns of their own names."""
    if config.probes.data in (None, config.data):
        return config.images
    return dataclasses.replace(config.images, column=None, label=None)
