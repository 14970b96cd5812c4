"""Rows without a value, or with one that is not finite: which, and in words."""

from collections.abc import Sequence

import torch
from torch import Tensor

from eigenstep.embeddings._as_tensor import wide_type


def nonfinite_rows(values: Tensor) -> list[int]:
    """Which of the rows (n, d) hold a NaN or an infinity.

    Examples
    --------
    >>> nonfinite_rows(torch.tensor([[1.0, 2.0], [3.0, float("nan")]]))
    [1]
    """
    if not values.is_floating_point():
        return []
    if values.dtype.itemsize == 1:  # torch sums no float8
        values = values.to(wide_type(values.dtype))
    if bool(torch.isfinite(values.sum())):  # a finite sum has finite terms
        return []
    found: list[int] = torch.nonzero(~torch.isfinite(values).all(1))[:, 0].tolist()
    return found


def rows_in_words(rows: Sequence[int], most: int = 8) -> str:
    """Numbers of rows for people.

    Examples
    --------
    >>> rows_in_words([3]), rows_in_words([3, 5], 1)
    ('row 3, counted from 0', 'rows 3 and 1 more, counted from 0')
    """
    shown = ", ".join(map(str, rows[:most])) + (f" and {len(rows) - most:,} more" if len(rows) > most else "")
    return f"{'row' if len(rows) == 1 else 'rows'} {shown}, counted from 0"
