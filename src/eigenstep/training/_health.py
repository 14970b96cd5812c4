"""A step's signs of health: what gradient, weights and updates are like, and what the batch is like."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import get_total_norm

from eigenstep.encoders import Encoder, TwoEncoders
from eigenstep.training._engine import Engine
from eigenstep.training._learner import ForwardPass, Learner

# Of a tensor of weights, by which an update is measured; of a batch and of an image's channel, by which views
# are, up to twice as many.
WEIGHTS_SAMPLED, ROWS_SAMPLED, PIXELS_SAMPLED = 4096, 64, 512
# Of a silent feature, its spread over the batch beside the largest one's; of a blank view, that of its pixels
# beside that of all views'.
SILENT, BLANK = 1e-6, 1e-3


@dataclass(frozen=True)
class BeforeUpdate:
    """What is known of a step when its gradient is: norms by name, and a sample of each part's weights."""

    numbers: dict[str, Tensor]
    weights: dict[str, list[Tensor]]


class Health:
    """Measures single steps; nothing of it is carried from one to the next, so that resumed runs agree.

    Parts are the backbone, the projector and, where it is trained, the objective. docs/run-folder.md says
    what each number is.
    """

    def __init__(self, learner: Learner, engine: Engine) -> None:
        encoder = learner.encoder
        parts: dict[str, nn.Module] = {"objective": learner.objective}
        if isinstance(encoder, Encoder):
            parts |= {"backbone": encoder.backbone, "projector": encoder.projector}
        self._parts = {name: list(part.parameters()) for name, part in parts.items()}
        self._parts = {name: weights for name, weights in self._parts.items() if weights}
        self._norms = [each for each in encoder.modules() if isinstance(each, _BatchNorm)]
        self._of_pairs = isinstance(encoder.backbone, TwoEncoders)
        self._scaler = engine.scaler
        self._processes = engine.world_size

    @torch.no_grad()
    def of_batch(self, passed: ForwardPass, images: Tensor) -> dict[str, float]:
        """What a forward pass tells of its batch, in this process.

        Parameters
        ----------
        images : Tensor
            (b, ...) as they are stored, before the views.
        """
        z_a, z_b = (z.detach() for z in passed.embeddings[:2])
        found = _agreement("embeddings", z_a, z_b)
        if not self._of_pairs:  # whose sides have features and views of two kinds
            found |= _of_features(*passed.features) | _of_views(*passed.views[:2])
        if passed.batch.labels is not None:
            found["labels_agreement"] = _agreement_of_labels(z_a, passed.batch.labels)
        numbers = _told(found)
        pixels = images.flatten(1)
        pixels = pixels[:, :: max(1, pixels.shape[1] // PIXELS_SAMPLED)].contiguous().cpu()
        if self._norms:
            numbers["norms_evaluating"] = sum(not norm.training for norm in self._norms) / len(self._norms)
        return numbers | {
            "images_distinct": len({row.tobytes() for row in pixels.numpy()}) / len(pixels),
            "batch": float(len(images) * self._processes),
            "processes": float(self._processes),
        }

    def before_update(self) -> BeforeUpdate:
        """Once the gradient is there."""
        scale = self._scaler.get_scale() if self._scaler else 1.0
        numbers, weights = {}, {}
        for name, part in self._parts.items():
            gradients = [each.grad for each in part if each.grad is not None]
            numbers[f"gradient_{name}"] = get_total_norm(gradients) / scale
            numbers[f"weight_{name}"] = get_total_norm([each.detach() for each in part])
            weights[name] = [_sample(each).clone() for each in part]
        return BeforeUpdate(numbers, weights)

    @torch.no_grad()
    def of_update(self, before: BeforeUpdate) -> dict[str, float]:
        """What a step did, once it is taken."""
        found = dict(before.numbers)
        for name, part in self._parts.items():
            moved = [_sample(each) - was for each, was in zip(part, before.weights[name], strict=True)]
            found[f"update_{name}"] = get_total_norm(moved) / get_total_norm(before.weights[name])
        numbers = _told(found)
        return numbers | ({"loss_scale": self._scaler.get_scale()} if self._scaler else {})


def _agreement(what: str, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """Mean cosine of the two views of an image, and of views of two images, about the batch's mean."""
    mean = torch.cat([a, b]).mean(0)
    a, b = normalize(a - mean), normalize(b - mean)
    return {
        f"{what}_agreement": (a * b).sum(1).mean(),
        f"{what}_agreement_of_others": (a * b.roll(1, 0)).sum(1).mean(),
    }


def _agreement_of_labels(z: Tensor, labels: Tensor) -> Tensor:
    """How much larger the mean cosine is of two images of a class than of two of other classes."""
    rows = slice(None, None, max(1, len(z) // ROWS_SAMPLED))
    z, labels = normalize(z - z.mean(0))[rows], labels[rows]
    cosines, same = z @ z.T, labels[:, None] == labels
    others = ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    return cosines[same & others].mean() - cosines[~same].mean()


def _of_features(a: Tensor, b: Tensor) -> dict[str, Tensor]:
    features = torch.cat([a, b])
    spread = features.var(0)
    return {
        **_agreement("features", a, b),
        "features_silent": (spread <= SILENT**2 * spread.max()).float().mean(),
        "features_at_rest": (features == features.amin(0)).float().mean(),
    }


def _of_views(a: Tensor, b: Tensor) -> dict[str, Tensor]:
    a, b = _some_pixels(a), _some_pixels(b)
    both = torch.cat([a, b])
    contrast = both.std(2).mean(1)  # within each channel: a picture of a single colour is blank
    a, b = a.flatten(1), b.flatten(1)
    apart, others = ((a - other).square().mean(1) for other in (b, b.roll(1, 0)))
    return {
        "views_mean": both.mean(),
        "views_std": both.std(),
        "views_blank": (contrast <= BLANK * both.std()).float().mean(),
        "views_apart": apart.mean() / others.mean(),
        "views_equal": (apart == 0).float().mean(),
    }


def _some_pixels(views: Tensor) -> Tensor:
    """(rows, channels, pixels) of up to twice as many rows and pixels as are sampled, evenly spread."""
    rows = views[:: max(1, len(views) // ROWS_SAMPLED)]
    pixels = rows.flatten(2) if rows.ndim > 2 else rows[:, None]
    return pixels[:, :, :: max(1, pixels.shape[2] // PIXELS_SAMPLED)].float()


def _sample(weights: Tensor) -> Tensor:
    flat = weights.detach().flatten()
    return flat[:: max(1, len(flat) // WEIGHTS_SAMPLED)]


def _told(found: dict[str, Tensor]) -> dict[str, float]:
    """As numbers, in one transfer from the device; those that are not finite are not told."""
    device = next((value.device for value in found.values() if value.device.type != "cpu"), None)
    values = torch.stack([value.to(device).float() for value in found.values()]).tolist()
    return {name: value for name, value in zip(found, values, strict=True) if math.isfinite(value)}
