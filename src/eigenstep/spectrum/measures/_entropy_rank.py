"""The exponential of the entropy of a spectrum."""

import numpy as np
from scipy.special import xlogy


def entropy_rank(values: np.ndarray, *, eps: float) -> float:
    """exp(-sum_k p_k log p_k) with p_k = values_k / sum(values) + eps; 0 if all values are zero."""
    total = values.sum()
    if total == 0:
        return 0.0
    p = values / total + eps
    return float(np.exp(-xlogy(p, p).sum()))
