"""The predictor of SimSiam and BYOL."""

from torch import nn


def build_predictor(dim: int, hidden: int) -> nn.Sequential:
    """Linear, batch norm, ReLU, linear: from embeddings to embeddings."""
    return nn.Sequential(
        nn.Linear(dim, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, dim),
    )


def check_hidden(name: str, hidden: int) -> None:
    """See that an option, the width of a predictor's hidden layer, is one."""
    if hidden < 1:
        raise ValueError(f"{name} is too small: expected at least 1, got {hidden}")
