"""The predictor of SimSiam and BYOL."""

from collections.abc import Sequence

from torch import Tensor, nn


def build_predictor(dim: int, hidden: int) -> nn.Sequential:
    """Linear, batch norm, ReLU, linear: from embeddings to embeddings."""
    return nn.Sequential(
        nn.Linear(dim, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, dim),
    )


def predictions(predicted: Sequence[Tensor], targets: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Every view's prediction, (b, d), with the embedding of every global view but its own.

    Examples
    --------
    >>> import torch
    >>> a, b, c = torch.zeros(3, 4, 2)
    >>> len(predictions([a, b, c], [a, b]))     # a of b, b of a, c of both
    4
    """
    return [
        (prediction, target)
        for view, prediction in enumerate(predicted)
        for place, target in enumerate(targets)
        if place != view
    ]
