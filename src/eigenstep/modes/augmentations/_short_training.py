"""A short training with one set of augmentations, and what its features tell of the labels."""

import dataclasses
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eigenstep.encoders import Encoder, as_input, convnet
from eigenstep.images import channel_statistics
from eigenstep.methods import METHODS, Embeddings, Objective, method_named
from eigenstep.modes.augmentations._readable import Readable, ridge_readable
from eigenstep.optim import OptimizerConfig, build_optimizer, learning_rates, set_rate, with_defaults
from eigenstep.spelling import nearest
from eigenstep.training import derived_seed
from eigenstep.training.recipes import load_recipe, recipe_names
from eigenstep.views import TwoViews, ViewsConfig

_RECIPE = "{}/cifar10-resnet18"
# Images that pass at once when features are taken.
_BLOCK = 512
# First weights come from torch's one generator, and trainings may run in threads beside each other.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class ShortTraining:
    """How the small networks are trained by which sets are compared.

    Examples
    --------
    >>> ShortTraining(steps=50).loss
    'simclr'
    """

    loss: str = "simclr"
    """Its standard recipe's loss, with the options of that recipe."""
    steps: int = 50
    """Optimiser steps, of Muon with half a cosine."""
    batch_size: int = 128
    """Images a step, two views of each."""
    width: int = 16
    """Channels of the first of the small convnet's three convolutions, doubled by each."""
    rate: float = 0.1
    """Muon's learning rate."""
    checkpoints: int = 1
    """Features are probed so many times, at the end and in equal steps before it, and the mean is taken."""

    def __post_init__(self) -> None:
        losses = short_losses()
        if self.loss not in losses:
            raise ValueError(
                f"loss: expected one of {', '.join(losses)}, got {self.loss!r}.{nearest(self.loss, losses)}"
            )
        for name in ("steps", "width", "checkpoints"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.batch_size < 2:
            raise ValueError(f"batch_size: expected at least 2, got {self.batch_size}")
        if not 0 < self.rate < 1e6:
            raise ValueError(f"rate: expected a positive number, got {self.rate}")
        if self.checkpoints > self.steps:
            raise ValueError(f"checkpoints: expected at most {self.steps}, the steps, got {self.checkpoints}")

    def check_images(self, count: int) -> None:
        """Raise ValueError for fewer images than a batch has."""
        if count < self.batch_size:
            raise ValueError(
                f"expected at least {self.batch_size} images, a batch, got {count}; set a smaller"
                " --training.batch-size"
            )

    @property
    def probed_at(self) -> list[int]:
        """The steps after which features are probed, ascending."""
        places = np.linspace(0, self.steps, self.checkpoints + 1)[1:]
        return sorted({max(round(float(place)), 1) for place in places})


@dataclass(frozen=True, eq=False)
class ShortOutcome(Readable):
    """What one short training's features tell of the labels.

    Attributes
    ----------
    steps : tuple[int, ...]
        Of the checkpoints.
    accuracies : tuple[float, ...]
        At each of them; `accuracy` is their mean.
    """

    steps: tuple[int, ...] = ()
    accuracies: tuple[float, ...] = ()


@cache
def short_losses() -> list[str]:
    """The losses by which sets can be compared: of two views' embeddings alone, with a recipe for CIFAR-10.

    Examples
    --------
    >>> "simclr" in short_losses(), "byol" in short_losses(), "supcon" in short_losses()
    (True, False, False)
    """
    found = []
    for name, method in METHODS.items():
        if _RECIPE.format(name) in recipe_names() and not method.needs_labels:
            objective = method.build(method.options(), 8, 1)
            if objective.target_momentum is None and not objective.needs_views:
                found.append(name)
    return found


def score_set(
    views: ViewsConfig,
    images: Tensor,
    labels: Tensor,
    *,
    seed: int = 0,
    training: ShortTraining | None = None,
    image_size: int | None = None,
    device: str | torch.device = "cpu",
) -> ShortOutcome:
    """Train a small network for a few steps with a set of augmentations, and read labels off its features.

    A seed has the same first weights, batches and random numbers of views for every set, so that two sets are
    best compared seed by seed. Batch norms use their running means for the plain images that are probed; each
    labelled image is told by a ridge regression that has not seen its label (`ridge_readable`).

    Parameters
    ----------
    views : ViewsConfig
        The set.
    images : Tensor
        (n, C, H, W), uint8, uint16 or floats in [0, 1].
    labels : Tensor
        (n,) int64 in 0 .. c - 1, and -1 for images without one, which are trained on and not probed.
    seed : int
        Of weights, batches and views.
    training : ShortTraining | None
        Loss, steps, width and the like.
    image_size : int | None
        Side of the views in pixels; default: that of the images.

    Raises
    ------
    ValueError
        In one line for images, labels or options that cannot be trained on, and if the features are not
        finite at the end.

    Examples
    --------
    >>> images = torch.randint(256, (40, 3, 16, 16), dtype=torch.uint8)
    >>> labels = torch.arange(40) % 2
    >>> options = ShortTraining(steps=4, batch_size=16, checkpoints=2)
    >>> score_set(ViewsConfig(), images, labels, training=options).steps
    (2, 4)
    """
    training = training or ShortTraining()
    labelled = labels >= 0
    at_steps = short_features(
        *(views, images, _rows(images, labelled)),
        seed=seed,
        training=training,
        image_size=image_size,
        device=device,
    )
    found = [ridge_readable(features, labels[labelled]) for features in at_steps]
    right: NDArray[np.float64] = np.mean([each.right for each in found], axis=0)
    return ShortOutcome(right, tuple(training.probed_at), tuple(each.accuracy for each in found))


def short_features(
    views: ViewsConfig,
    images: Tensor,
    probed: Tensor,
    *,
    seed: int = 0,
    training: ShortTraining | None = None,
    image_size: int | None = None,
    device: str | torch.device = "cpu",
) -> Iterator[Tensor]:
    """The features (m, p) of some images at each checkpoint of the training by which `score_set` scores.

    For labels of several kinds, which are read off one network.

    Parameters
    ----------
    probed : Tensor
        (m, C, H, W), like the images that are trained on.

    Notes
    -----
    The others, and errors for images and options, are those of `score_set`.

    Examples
    --------
    >>> images = torch.randint(256, (40, 3, 16, 16), dtype=torch.uint8)
    >>> options = ShortTraining(steps=4, batch_size=16, checkpoints=2)
    >>> [each.shape for each in short_features(ViewsConfig(), images, images[:10], training=options)]
    [torch.Size([10, 256]), torch.Size([10, 256])]
    """
    training = training or ShortTraining()
    size = image_size or int(images.shape[-1])
    channels = int(images.shape[1])
    training.check_images(len(images))
    resolved = scaled_views(views, images)
    place = torch.device(device)
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, 3))
        encoder, objective = _build(training, channels)
    encoder = encoder.to(place).to(memory_format=torch.channels_last)
    objective.to(place)
    plain = TwoViews(ViewsConfig.none(resolved.normalize, resolved.mean, resolved.std), size)
    for _ in _trained(encoder, objective, images, TwoViews(resolved, size), training, seed, place):
        yield _features(encoder, probed, plain, place)


def scaled_views(views: ViewsConfig, images: Tensor) -> ViewsConfig:
    """The set with what it leaves to the images filled in: colours by their channels, and their scale."""
    resolved = views.for_channels(int(images.shape[1]), images.dtype)
    if not resolved.needs_statistics:
        return resolved
    found = channel_statistics([images.cpu().numpy()])
    std = tuple(value if value > 1e-8 else 1.0 for value in found.std.tolist())
    return dataclasses.replace(resolved, mean=tuple(found.mean.tolist()), std=std)


def _build(training: ShortTraining, channels: int) -> tuple[Encoder, Objective]:
    recipe, method = load_recipe(_RECIPE.format(training.loss)), method_named(training.loss)
    hidden = tuple(min(256, width) for width in recipe.projector.hidden)
    projector = dataclasses.replace(recipe.projector, hidden=hidden, dim=min(128, recipe.projector.dim))
    objective = method.build(method.options_in(recipe), projector.dim, 1)
    return Encoder(convnet(channels, training.width), 16 * training.width, projector), objective


def _trained(
    encoder: Encoder,
    objective: Objective,
    images: Tensor,
    views: TwoViews,
    training: ShortTraining,
    seed: int,
    place: torch.device,
) -> Iterator[int]:
    """Train; yields when the features are to be probed."""
    config = with_defaults(
        OptimizerConfig(name="muon", lr=training.rate, schedule="cosine", warmup_steps=training.steps // 10)
    )
    optimizer = build_optimizer(encoder, config, objective)
    rates = learning_rates(config, training.steps)
    order = _order(len(images), training, seed)
    stops = training.probed_at
    for step in range(training.steps):
        encoder.train()
        generator = torch.Generator().manual_seed(derived_seed(seed, 1, step))
        rows = order[step * training.batch_size : (step + 1) * training.batch_size]
        pair = views(_rows(images, rows).to(place), generator)
        _, embeddings = encoder(as_input(torch.cat(pair), torch.float32))
        z_a, z_b = embeddings.float().chunk(2)
        loss, _ = objective(Embeddings(z_a, z_b, step=step, generator=generator))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        set_rate(optimizer, float(rates[step]), training.rate)
        optimizer.step()
        if step + 1 in stops:
            yield step + 1


def _order(count: int, training: ShortTraining, seed: int) -> Tensor:
    """Rows of all batches: epoch by epoch in random order, without images twice in a batch."""
    per_epoch = count // training.batch_size * training.batch_size
    epochs = -(-training.steps * training.batch_size // per_epoch)
    rows = []
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(derived_seed(seed, 0, epoch))
        rows.append(torch.randperm(count, generator=generator)[:per_epoch])
    return torch.cat(rows)


@torch.no_grad()
def _features(encoder: nn.Module, images: Tensor, plain: TwoViews, place: torch.device) -> Tensor:
    """(n, p) of the backbone, in evaluation mode."""
    encoder.eval()
    parts = []
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK].to(place)
        views = plain.apply(block, plain.sample(block, torch.Generator()))
        parts.append(encoder(as_input(views, torch.float32))[0].float().cpu())
    return torch.cat(parts)


def _rows(images: Tensor, rows: Tensor) -> Tensor:
    """Rows, or those of a mask; of uint16 by what has the same bits, for torch has few kernels for it."""
    rows = rows.nonzero()[:, 0] if rows.dtype == torch.bool else rows
    if images.dtype == torch.uint16:
        return images.view(torch.int16)[rows].view(torch.uint16)
    return images[rows]
