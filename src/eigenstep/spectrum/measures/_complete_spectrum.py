"""A spectrum of which only the leading eigenvalues are known."""

import numpy as np
from numpy.typing import ArrayLike


def complete_spectrum(leading: ArrayLike, *, trace: float, size: int) -> np.ndarray:
    """Leading eigenvalues (k,), continued to `size` by equal ones that carry the rest of the trace.

    Of all spectra with these leading values the continued one has the largest entropy and participation
    ratio, so those measures become upper bounds; the stable rank stays exact.

    Parameters
    ----------
    trace : sum of all eigenvalues
    size : how many there are, min(d, rows)

    >>> complete_spectrum([4.0, 2.0], trace=7.0, size=4)
    array([4. , 2. , 0.5, 0.5])
    """
    values = np.asarray(leading, np.float64)
    missing = size - len(values)
    if missing <= 0:
        return values
    return np.concatenate([values, np.full(missing, max(trace - values.sum(), 0.0) / missing)])
