"""Which predicted modes a network has in its embeddings, and when it got them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.analysis._rows import checked_pair


def learned_modes(embeddings: ArrayLike, modes: ArrayLike) -> NDArray[np.float64]:
    """Return how much of the embeddings' variance lies along each of several functions, over time: (T, m).

        share_j(t) = |u_j^T Z(t)|^2 / n,     u_j: the j-th function's values, centred, with mean square 1

    An embedding that has learned function j alone, with variance lambda, has lambda there and 0 elsewhere,
    whatever its rotation. So a curve's rise tells when this very mode was learned, where the embeddings'
    own eigenvalues tell only that some mode was. The functions need not be orthogonal; those that are close
    share what they have.

    Parameters
    ----------
    embeddings : (T, n, d) of the same n images at T moments, or (n, d) at one
    modes : (n, m) values of the functions on these images

    Raises
    ------
    ValueError : shapes that do not match, NaN, or a function that is the same on all images

    Examples
    --------
    >>> first, second = np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.0, 1.0, -1.0, -1.0])
    >>> learned_modes(2 * first[:, None], np.stack([first, second], axis=1))
    array([[4., 0.]])
    """
    frames = np.asarray(embeddings)
    frames = frames[None] if frames.ndim == 2 else frames
    if frames.ndim != 3:
        raise ValueError(f"expected embeddings (T, n, d), got shape {frames.shape}")
    curves = []
    for frame in frames:
        rows, functions = checked_pair(frame, modes)
        functions = functions - functions.mean(axis=0)
        sizes = np.sqrt((functions**2).mean(axis=0))
        if not (sizes > 0).all():
            raise ValueError(f"mode {int(np.argmin(sizes))} has the same value on all images")
        along = (functions / sizes).T @ (rows - rows.mean(axis=0)) / len(rows)
        curves.append((along**2).sum(axis=1))
    return np.array(curves)
