"""Which of many images stand for all."""

import numpy as np


def spread(n: int, count: int) -> np.ndarray:
    """At most n of the numbers 0 to count - 1, evenly spread: (min(n, count),).

    Examples
    --------
    >>> spread(4, 10)
    array([0, 2, 5, 7])
    """
    n = min(n, count)
    return np.arange(n) * count // max(n, 1)
