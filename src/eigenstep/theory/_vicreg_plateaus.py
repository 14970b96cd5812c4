"""How high the eigenvalues of VICReg's embeddings stand between two steps."""

import numpy as np
from scipy.optimize import brentq


def vicreg_plateau(
    dim: int,
    modes: int,
    *,
    rho: float = 1.0,
    lambda_param: float = 25.0,
    mu_param: float = 25.0,
    nu_param: float = 1.0,
) -> float:
    """Each eigenvalue of the embeddings' covariance while VICReg has learned `modes` modes and no more.

    All `dim` coordinates share the modes that there are. With k modes of equal eigenvalue and coordinates of
    deviation s, the covariance term is 2 nu d s^4 (1/k - 1/d), and the coordinates stop where

        mu = 4 lambda (1 - rho) s + 8 nu d s^3 (1/k - 1/d)      or at s = 1, if that comes first

    so that the eigenvalue is d s^2 / k. It falls with k: other than under Barlow Twins, where each mode rises
    to a plateau of its own, every mode that joins brings those before it down. The derivation is ours, from
    the loss as `eigenstep.losses.VICRegLoss` defines it, without its eps and for large batches; gradient
    descent checks it.

    Parameters
    ----------
    dim : int
        d, of the embedding.
    modes : int
        k, from 1 to d.
    rho : float
        Correlation of a mode's values on two views, in [-1, 1], the same for all.
    lambda_param, mu_param, nu_param : float
        Weights of the invariance, variance and covariance.

    Returns
    -------
    float
        The eigenvalue; that of the two views' cross-correlation is rho times as large.

    Raises
    ------
    ValueError
        If `modes` is not from 1 to `dim`, or `rho` not from -1 to 1.

    Examples
    --------
    >>> [round(vicreg_plateau(16, modes), 2) for modes in (1, 2, 4, 8, 16)]
    [5.62, 4.67, 4.0, 2.0, 1.0]
    """
    if not 1 <= modes <= dim:
        raise ValueError(f"modes expects a number from 1 to {dim}, the embedding's dimension, got {modes}")
    if not -1 <= rho <= 1:
        raise ValueError(f"rho expects a correlation, from -1 to 1, got {rho}")
    pull, spread = 4 * lambda_param * (1 - rho), 8 * nu_param * dim * (1 / modes - 1 / dim)

    def force(deviation: float) -> float:
        return mu_param - pull * deviation - spread * deviation**3

    deviation = 1.0 if force(1.0) >= 0 else float(brentq(force, 0.0, 1.0, xtol=1e-14))
    return float(np.square(deviation) * dim / modes)
