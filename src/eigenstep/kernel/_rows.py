"""What `fit` and `transform` accept as rows, and when `y` is the second view of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils.validation import check_array, validate_data
from torch import Tensor, strided

from eigenstep.kernel.solvers import memory_map


def checked_rows(estimator: Any, X: Any, *, reset: bool, name: str = "X") -> Any:
    """Return rows as a tensor, array, memory map or CSR matrix that a kernel can take.

    Memory maps stay on disk: their values are checked for NaN when they are read.
    """
    nd = callable(estimator.kernel)
    if isinstance(X, Tensor):
        X = real_tensor(X, name)
        if X.ndim < 2 or (X.ndim > 2 and not nd):
            raise ValueError(f"expected {name} as a 2-D tensor (n, p), got shape {tuple(X.shape)}")
        if len(X) < 1:
            raise ValueError(f"expected at least 1 row in {name}, got shape {tuple(X.shape)}")
        if reset:
            estimator.n_features_in_ = X.shape[1]
        elif X.shape[1] != estimator.n_features_in_:
            raise ValueError(
                f"{name} has {X.shape[1]} features, but {type(estimator).__name__} is expecting"
                f" {estimator.n_features_in_} features as input"
            )
        return X
    mapped = memory_map(X) is not None
    return validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse="csr",
        dtype=None if mapped and X.dtype.kind in "biuf" else (np.float64, np.float32),
        ensure_all_finite=not mapped,
        allow_nd=nd,
    )


def real_tensor(tensor: Tensor, name: str) -> Tensor:
    if tensor.layout is not strided:
        raise ValueError(
            f"expected {name} as a dense tensor, got {tensor.layout}; pass SciPy CSR rows, or .to_dense()"
        )
    if tensor.is_complex():
        raise ValueError(f"Complex data not supported: expected a real {name}, got {tensor.dtype}")
    return tensor.detach()


def second_view(estimator: Any, first: Any, y: Any) -> Any:
    """Return y as second views of the checked rows `first`, or None where it is a target, which is ignored.

    Raises
    ------
    ValueError
        A y of X's shape when `y_is` does not say what it is; second views that do not match X.
    """
    if estimator.y_is == "target":
        return None
    if estimator.y_is is None:
        if _shape(y) == tuple(first.shape):
            raise ValueError(
                f"expected y_is='view' or 'target' for a y of X's shape {tuple(first.shape)}, which may be"
                " second views or targets, got y_is=None; 'view' makes row i of y a view of row i of X,"
                " 'target' ignores y"
            )
        return None
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None:"
            " y_is='view' says that y holds the second views"
        )
    if isinstance(first, Tensor) != isinstance(y, Tensor):
        raise ValueError(f"expected y of X's kind, a {type(first).__name__}, got a {type(y).__name__}")
    if isinstance(y, Tensor):
        y = real_tensor(y, "y")
    elif not (memory_map(y) is not None and y.dtype == first.dtype):
        shape = _shape(y)
        if shape is not None and len(shape) != first.ndim:  # check_array would print labels as they are
            raise _of_another_shape(shape, first)
        order = _order_of_columns(estimator, y)
        y = check_array(y, accept_sparse="csr", dtype=first.dtype, allow_nd=first.ndim > 2, input_name="y")
        y = y if order is None else y[:, order]
    if tuple(y.shape) != tuple(first.shape):
        raise _of_another_shape(tuple(y.shape), first)
    if scipy.sparse.issparse(y) != scipy.sparse.issparse(first):
        raise ValueError("expected X and y both sparse or both dense; convert one of them")
    if isinstance(first, np.ndarray) and first.ndim == 2 and memory_map(first) is None:
        _warn_of_other_scales(first, y)
    return y


def _warn_of_other_scales(first: np.ndarray, y: np.ndarray) -> None:
    """Warn where X is standardised to the digit and y is on a scale of its own, as in a pipeline."""
    deviation = first.std(axis=0)
    varies = deviation > 0
    standardised = (
        np.abs(deviation[varies] - 1).max(initial=0) < 1e-4 and np.abs(first.mean(axis=0)).max() < 1e-4
    )
    if not varies.any() or not standardised:
        return
    other, mean = y.std(axis=0)[varies], y.mean(axis=0)[varies]
    if np.median(np.abs(mean)) > 1 or not 0.5 < np.median(other) < 2:
        warnings.warn(
            "X has mean 0 and deviation 1 in every column, and y, its second views, is on another scale"
            f" (median deviation {np.median(other):.3g}): the steps of a pipeline before this one change X"
            " alone; transform both, scaler.transform(x) and scaler.transform(y), or use augment=",
            stacklevel=4,
        )


def _of_another_shape(shape: tuple[int, ...], first: Any) -> ValueError:
    return ValueError(
        f"expected y as second views, row by row and of X's shape {tuple(first.shape)}, got shape {shape};"
        " y_is='target' ignores y"
    )


def _shape(y: Any) -> tuple[int, ...] | None:
    """Return y's shape, or None for no array, such as sets of labels of several sizes."""
    if not hasattr(y, "shape"):
        try:
            y = np.asarray(y)
        except ValueError:
            return None
    return tuple(y.shape)


def _order_of_columns(estimator: Any, y: Any) -> list[int] | None:
    """Return the places in a data frame y of X's columns; None where either has no names."""
    expected = getattr(estimator, "feature_names_in_", None)
    # As in scikit-learn, names are strings: other labels of columns are numbers of a kind.
    names = list(getattr(y, "columns", ()))
    named = bool(names) and all(isinstance(name, str) for name in names)
    if named != (expected is not None):
        with_names, without = ("y", "X") if named else ("X", "y")
        warnings.warn(
            f"{with_names} has column names and {without} has none: columns are matched by place",
            UserWarning,
            stacklevel=2,
        )
    if not named or expected is None:
        return None
    if sorted(names) != sorted(expected):
        raise ValueError(
            f"The feature names should match those of X: expected columns {_listed(expected)} in y, got"
            f" {_listed(names)}; rename them, or pass arrays to match columns by place"
        )
    return [names.index(name) for name in expected]


def _listed(names: Iterable[str]) -> str:
    few = list(names)
    return ", ".join(map(repr, few[:10])) + ", ..." * (len(few) > 10)
