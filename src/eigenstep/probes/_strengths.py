from __future__ import annotations

import math
from collections.abc import Iterable


def check_strengths(strengths: float | Iterable[float]) -> list[float]:
    """One strength or several as a list. Raises ValueError if there are none or one is not positive."""
    values = [float(value) for value in (strengths if isinstance(strengths, Iterable) else [strengths])]
    if not values or not all(0 < value < math.inf for value in values):
        raise ValueError(f"expected one or more positive strengths, got {strengths}")
    return values
