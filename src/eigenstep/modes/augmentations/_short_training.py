"""A short training with one set of augmentations, and what its features tell of the labels."""

import dataclasses
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eigenstep.encoders import Encoder, as_input, convnet
from eigenstep.images import channel_statistics
from eigenstep.methods import Embeddings, Objective, method_named
from eigenstep.modes.augmentations._options import RECIPE, ShortTraining
from eigenstep.modes.augmentations._readable import Readable, ridge_readable
from eigenstep.optim import OptimizerConfig, build_optimizer, learning_rates, set_rate, with_defaults
from eigenstep.training import derived_seed
from eigenstep.training.recipes import load_recipe
from eigenstep.views import TwoViews, ViewsConfig

# Images that pass at once when features are taken.
_BLOCK = 512
# First weights come from torch's one generator, and trainings may run in threads beside each other.
_ONE_AT_A_TIME = threading.Lock()


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
    recipe, method = load_recipe(RECIPE.format(training.loss)), method_named(training.loss)
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
