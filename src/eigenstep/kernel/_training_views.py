"""From what `fit` was given to views and their pair graph: every check of the input is here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel._rows import checked_rows, second_view
from eigenstep.kernel.pairs import PairGraph, from_matrix, grouped, paired, unpaired
from eigenstep.kernel.solvers import ViewRows

_SMALL_INTEGERS = ("uint8", "int8", "uint16", "int16", "bool")


@dataclass(frozen=True, eq=False)
class TrainingViews:
    """rows : every view's features; graph : which belong together; dtype : of the result."""

    rows: ViewRows
    graph: PairGraph
    dtype: torch.dtype

    def fingerprint(self) -> NDArray[np.float64]:
        """Return some numbers (5,) that tell data sets apart: the shape, and sums over rows and pairs."""
        n_views = self.rows.n_views
        few = self.rows.take(np.linspace(0, n_views - 1, min(n_views, 4096)).astype(int))
        flat = few.astype(np.float64) if self.rows.is_sparse else few.cpu().double().flatten(1).numpy()
        squares = (flat.multiply(flat) if self.rows.is_sparse else flat * flat).sum()
        # Weights that differ from place to place see a permutation too.
        weights = np.cos(np.arange(n_views))
        along = weights[: flat.shape[0]] @ (flat @ np.cos(np.arange(flat.shape[1])))
        partners = self.graph.product(torch.from_numpy(weights[:, None])).numpy()[:, 0]
        return np.array([n_views, flat.shape[1], squares, along, weights[::-1] @ partners])


def training_views(
    estimator: Any,
    X: Any,
    y: Any,
    groups: Any,
    pair_graph: Any,
    device: torch.device,
    generator: np.random.Generator,
    *,
    reset: bool = True,
) -> TrainingViews:
    """Check `fit`'s input and stack its views.

    Raises
    ------
    ValueError
        Input of the wrong shape or kind, or several ways at once to say what the views are.
    """
    parts = [checked_rows(estimator, X, reset=reset)]
    n_rows = parts[0].shape[0]
    second = second_view(estimator, parts[0], y)
    precomputed = estimator.kernel == "precomputed"
    given = {
        "second views in y (y_is='view')": second is not None,
        "groups": groups is not None,
        "pair_graph": pair_graph is not None,
    }
    names = [name for name, there in given.items() if there]
    if len(names) > 1 or (estimator.augment is not None and names and names[0] != "groups"):
        raise ValueError(
            "expected one way to tell which rows are views of one sample, got "
            + " and ".join(names + (["augment"] if estimator.augment is not None else []))
            + "; pass one of them (augment goes with groups)"
        )
    if precomputed:
        if second is not None or estimator.augment is not None:
            raise ValueError(
                "a precomputed kernel covers all views in one (N, N) array: pass groups (N,) or pair_graph"
                " (N, N) to say which rows are views of one sample, in place of y or augment"
            )
        _check_symmetric(parts[0])
    if estimator.augment is not None:
        parts = _augmented(parts[0], estimator.augment, estimator.n_views, generator)
        groups = np.arange(n_rows) if groups is None else np.asarray(groups)
        graph = paired(n_rows) if names == [] and len(parts) == 2 else grouped(np.tile(groups, len(parts)))
    elif second is not None:
        parts.append(second)
        graph = paired(n_rows)
    elif groups is not None:
        graph = grouped(_of_length("groups", np.asarray(groups), n_rows))
    elif pair_graph is not None:
        graph = from_matrix(_of_length("pair_graph", pair_graph, n_rows))
    else:
        graph = unpaired(n_rows)
    dtype = _working_dtype(parts[0])
    return TrainingViews(ViewRows(parts, device, dtype), graph, dtype)


def _augmented(
    rows: Any, augment: Callable[..., Any], n_views: int, generator: np.random.Generator
) -> list[Any]:
    views = []
    for _ in range(n_views):
        view = augment(rows, generator)
        if type(view) is not type(rows) or tuple(view.shape) != tuple(rows.shape):
            raise ValueError(
                f"expected augment(X, generator) to return views of X's kind and shape {tuple(rows.shape)},"
                f" got {type(view).__name__} of shape {tuple(getattr(view, 'shape', ()))}"
            )
        views.append(view if view.dtype == rows.dtype else view.astype(rows.dtype))
    return views


def _check_symmetric(matrix: Any) -> None:
    if scipy.sparse.issparse(matrix):
        raise ValueError(
            "expected a precomputed kernel as a dense (N, N) array, got a sparse one; use .toarray()"
        )
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"expected a square precomputed kernel (N, N) over all views, got shape {tuple(matrix.shape)}"
        )
    values = matrix if isinstance(matrix, Tensor) else torch.from_numpy(np.asarray(matrix))
    # Random signs see a difference anywhere, at two passes over the matrix.
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, (len(values), 2), generator=generator).mul_(2).sub_(1).to(values)
    gap = float((values @ signs - values.T @ signs).abs().max())
    low, high = values.aminmax()
    size = max(-float(low), float(high))
    if gap > (1e-4 if values.dtype == torch.float32 else 1e-8) * size:
        raise ValueError(
            "expected a symmetric precomputed kernel, got one whose rows and columns differ by about"
            f" {gap:.3g}; pass (K + K.T) / 2 if that is meant"
        )


def _of_length(name: str, value: Any, n_rows: int) -> Any:
    value = value if hasattr(value, "shape") else np.asarray(value)
    if value.ndim == 0 or value.shape[0] != n_rows:
        raise ValueError(
            f"expected {name} with one entry for each of the {n_rows} rows of X, got {np.shape(value)}"
        )
    return value


def _working_dtype(rows: Any) -> torch.dtype:
    name = str(rows.dtype).removeprefix("torch.")
    # Small integers, as of images, are exact in float32.
    return torch.float32 if name in ("float32", "float16", "bfloat16", *_SMALL_INTEGERS) else torch.float64
