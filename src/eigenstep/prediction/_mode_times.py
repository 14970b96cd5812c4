"""When a course learned each predicted mode itself, whichever eigenvalue that was."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.analysis import find_rises, learned_modes

# What a mode must come to, beside the most that any comes to, to count as learned: modes that are not have
# some of those that are in them, as kernel and network do not agree wholly on what a mode is.
_SHARE = 0.3


def mode_times(times: ArrayLike, embeddings: ArrayLike, modes: ArrayLike) -> NDArray[np.float64]:
    """When the variance of the embeddings along each mode passed half of where it settled, (k,); else NaN.

    Parameters
    ----------
    times : (T,)
    embeddings : (T, m, d) of the same m images at each, in any rotation
    modes : (m, k) the modes' values on them
    """
    found = np.full(np.shape(modes)[1], np.nan)
    for rise in find_rises(times, learned_modes(embeddings, modes), fraction=_SHARE):
        found[rise.mode] = rise.half_time
    return found
