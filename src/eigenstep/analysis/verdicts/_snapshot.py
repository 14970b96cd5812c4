"""The verdict on embeddings of one moment."""

import math

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.analysis.verdicts._complete_collapse import NEVER_SPREAD, OFFSET_SHARE
from eigenstep.analysis.verdicts._dimensional_collapse import FEW_CARRY, MANY_EMPTY, count_directions
from eigenstep.analysis.verdicts._judge import Verdict
from eigenstep.analysis.verdicts._signals import signals_of


def judge_snapshot(
    eigenvalues: ArrayLike,
    *,
    dim: int | None = None,
    rows: int | None = None,
    trace: float | None = None,
    cosine_concentration: float = math.nan,
) -> Verdict:
    """What one spectrum tells of an embedding: "full", "dimensional collapse" or "complete collapse".

    Whether it still grows it cannot tell: an embedding that learns its first mode looks collapsed.

    Parameters
    ----------
    eigenvalues : ArrayLike
        (k,), of the embeddings' centred covariance, descending; all of them or the leading ones.
    dim : int | None
        Dimension d of the embeddings; default: k.
    rows : int | None
        Embeddings behind them, which bound how many directions there can be.
    trace : float | None
        Sum of all eigenvalues, where only the leading ones are given.
    cosine_concentration : float
        Mean cosine of two embeddings, if it is known.

    Raises
    ------
    ValueError
        For another shape.

    Examples
    --------
    >>> judge_snapshot([1.0, 0.9, 0.8, 1e-9]).sentence
    'Dimensional collapse: 3 of 4 directions carry 99 % of the variance, and 1 is empty.'
    >>> judge_snapshot([1.0, 0.9, 0.8, 0.7]).state
    'full'
    """
    one = np.asarray(eigenvalues, float)[None]
    signals = signals_of([0.0], one, dim, rows, cosine_concentration=[cosine_concentration])
    now = signals.eigenvalues[0]
    found = count_directions(now, signals.dim, signals.rank_limit, trace)
    numbers = {
        "dim": float(signals.dim),
        "variance": float(now.sum() if trace is None else trace),
    } | found.evidence
    spread = float(signals.spread[0])
    if math.isfinite(spread):
        numbers["spread"] = spread
    if not now.any():
        return Verdict("complete collapse", "Complete collapse: all embeddings are equal.", numbers)
    one_direction = spread < NEVER_SPREAD
    cosine = f"mean cosine {cosine_concentration:.4f}"
    if one_direction and found.carrying <= OFFSET_SHARE * signals.rank_limit:
        sentence = f"Complete collapse: all embeddings point in one direction ({cosine})."
        return Verdict("complete collapse", sentence, numbers)
    carried = f"{found}"
    if found.empty:
        carried += f", and {found.empty} {'is' if found.empty == 1 else 'are'} empty"
    if one_direction:
        carried += f"; their mean is far from zero ({cosine})"
    if found.carrying <= FEW_CARRY * signals.rank_limit or found.empty >= MANY_EMPTY * signals.rank_limit:
        return Verdict("dimensional collapse", f"Dimensional collapse: {carried}.", numbers)
    return Verdict("full", f"Not collapsed: {carried}.", numbers)
