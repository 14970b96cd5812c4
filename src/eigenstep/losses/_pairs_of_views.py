"""The loss of more than two views, by their pairs."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

LossAndTerms = tuple[Tensor, dict[str, Tensor]]


def mean_over_pairs(
    loss: Callable[[Tensor, Tensor], LossAndTerms], views: Sequence[Tensor], n_global: int = 2
) -> LossAndTerms:
    """The mean of a loss of two views, and of its terms, over the pairs of a global view and another one.

        1/(G (V - 1)) sum_{i < G} sum_{j != i} L(z_i, z_j)          V: all views, G: the global ones

    Views of large crops are paired with all, those of small crops with these alone, as in SwAV and DINO
    (Caron et al. 2020, arXiv:2006.09882, and 2021, arXiv:2104.14294). The loss is taken to be symmetric: a
    pair of two global views is computed once, the earlier view first, and counts twice.

    Parameters
    ----------
    loss : Callable[[Tensor, Tensor], LossAndTerms]
        Gives a scalar and its terms by name.
    views : Sequence[Tensor]
        Embeddings (batch, dim) of V views, the global ones first.
    n_global : int
        G, from 2 to V.

    Raises
    ------
    ValueError
        For another number of global views.

    Examples
    --------
    >>> views = [torch.tensor([[0.0]]), torch.tensor([[1.0]]), torch.tensor([[3.0]])]
    >>> mean_over_pairs(lambda a, b: ((a - b).abs().mean(), {}), views)     # (1 + 1 + 3 + 2) / 4
    (tensor(1.7500), {})
    """
    check_global(n_global, len(views))
    pairs = [(i, j) for i in range(n_global) for j in range(i + 1, len(views))]
    counts = [2 if j < n_global else 1 for _, j in pairs]
    found = [loss(views[i], views[j]) for i, j in pairs]

    def mean(values: list[Tensor]) -> Tensor:
        weighted = [count * value for count, value in zip(counts, values, strict=True)]
        return torch.stack(weighted).sum() / sum(counts)

    terms = {name: mean([terms[name] for _, terms in found]) for name in found[0][1]}
    return mean([value for value, _ in found]), terms


def check_global(n_global: int, views: int) -> None:
    """Raise ValueError unless two of so many views are global, or more."""
    if not 2 <= n_global <= views:
        raise ValueError(f"n_global: expected a number from 2 to that of all views, {views}, got {n_global}")
