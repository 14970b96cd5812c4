"""What a batch is like: its views, their features and embeddings, its images and labels."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.modules.batchnorm import _BatchNorm

# Of a batch's rows, by which views and labels are measured, and agreement; of the pixels of an image's
# channel: up to twice as many.
ROWS_SAMPLED, ROWS_COMPARED, PIXELS_SAMPLED = 64, 1024, 512
# Of a silent feature, its spread over the batch beside the largest one's; of a blank view, that of its pixels
# beside that of all views'.
SILENT, BLANK = 1e-6, 1e-3


def of_embeddings(a: Tensor, b: Tensor, what: str = "embeddings") -> dict[str, Tensor]:
    """Mean cosine of the two views of an image, and of views of two images, about the batch's mean.

    Parameters
    ----------
    a, b : Tensor
        (n, d), row i of both of one image.

    Examples
    --------
    >>> found = of_embeddings(torch.eye(4), torch.eye(4))
    >>> [round(float(value), 3) for value in found.values()]
    [1.0, -0.333]
    """
    a, b = (_some_rows(each.detach(), ROWS_COMPARED).float() for each in (a, b))
    mean = torch.cat([a, b]).mean(0)
    a, b = normalize(a - mean), normalize(b - mean)
    return {
        f"{what}_agreement": (a * b).sum(1).mean(),
        f"{what}_agreement_of_others": (a * b.roll(1, 0)).sum(1).mean(),
    }


def of_features(a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """The same of features (n, p), and how many of them are silent, or at rest.

    Examples
    --------
    >>> features = torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]])  # the first never fires
    >>> found = of_features(features, features)
    >>> round(float(found["features_silent"]), 2), round(float(found["features_at_rest"]), 2)
    (0.5, 0.67)
    """
    features = torch.cat([a, b]).detach()
    spread = features.var(0)
    return {
        **of_embeddings(a, b, "features"),
        "features_silent": (spread <= SILENT**2 * spread.max()).float().mean(),
        "features_at_rest": (features == features.amin(0)).float().mean(),
    }


def of_views(a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """How two views (n, channels, pixels), as of `some_pixels`, are spread, and how far they are apart."""
    a, b = (_some_rows(each.detach(), ROWS_SAMPLED).float() for each in (a, b))
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


def some_pixels(views: Tensor) -> Tensor:
    """(n, channels, pixels) of views (n, channels, ...) or rows (n, p), evenly spread.

    Examples
    --------
    >>> some_pixels(torch.zeros(8, 3, 64, 64)).shape, some_pixels(torch.zeros(8, 12)).shape
    (torch.Size([8, 3, 512]), torch.Size([8, 1, 12]))
    """
    pixels = views.detach().flatten(2) if views.ndim > 2 else views.detach()[:, None]
    return pixels[:, :, :: max(1, pixels.shape[2] // PIXELS_SAMPLED)]


def are_images(views: Tensor) -> bool:
    """Whether views look like images, (n, channels, height, width) of up to four channels.

    Examples
    --------
    >>> are_images(torch.zeros(8, 3, 32, 32)), are_images(torch.zeros(8, 12))
    (True, False)
    """
    return views.ndim == 4 and views.shape[1] <= 4


def share_distinct(images: Tensor) -> Tensor:
    """Which share of images (n, ...) are distinct, by some of their numbers.

    Examples
    --------
    >>> float(share_distinct(torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [0.0, 0.0]])))
    0.75
    """
    numbers = images.detach().flatten(1)
    numbers = numbers[:, :: max(1, numbers.shape[1] // PIXELS_SAMPLED)].float()
    weights = torch.arange(1, numbers.shape[1] + 1, device=numbers.device).float().sqrt().cos()
    keys = (numbers * weights).sum(1).sort().values  # equal for equal rows, and found without a wait
    return (keys.diff() != 0).sum().add(1) / len(keys)


def share_evaluating(modules: Iterable[nn.Module]) -> float | None:
    """Which share of the batch norms among modules are in evaluation mode; None if there is none.

    Examples
    --------
    >>> network = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4), nn.BatchNorm1d(4).eval())
    >>> share_evaluating(network.modules()), share_evaluating(nn.Linear(4, 4).modules())
    (0.5, None)
    """
    norms = [each for each in modules if isinstance(each, _BatchNorm)]
    return sum(not norm.training for norm in norms) / len(norms) if norms else None


def agreement_of_labels(z: Tensor, labels: Tensor) -> Tensor:
    """How much larger the mean cosine is of two images of a class than of two of other classes.

    Examples
    --------
    >>> z = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    >>> agreement_of_labels(z, torch.tensor([0, 0, 1, 1])), agreement_of_labels(z, torch.tensor([0, 1, 0, 1]))
    (tensor(2.), tensor(-1.))
    """
    z, labels = _some_rows(normalize(z - z.mean(0)), ROWS_SAMPLED), _some_rows(labels, ROWS_SAMPLED)
    cosines, same = z @ z.T, labels[:, None] == labels
    others = ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    return cosines[same & others].mean() - cosines[~same].mean()


def _some_rows(values: Tensor, sampled: int) -> Tensor:
    return values[:: max(1, len(values) // sampled)]
