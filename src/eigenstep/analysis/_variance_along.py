"""How much of the embeddings' variance lies along each predicted mode."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def variance_along(embeddings: ArrayLike, modes: ArrayLike) -> NDArray[np.float64]:
    """Return how much of the embeddings' variance lies along each of several functions, over time: (T, m).

        share_j(t) = |u_j^T Z(t)|^2 / n,     u_j: the j-th function's values, centred, with mean square 1

    An embedding that has learned function j alone, with variance lambda, has lambda there and 0 elsewhere,
    whatever its rotation. So a curve's rise tells when this very mode was learned, where the embeddings'
    own eigenvalues tell only that some mode was. The functions need not be orthogonal; those that are close
    share what they have.

    Parameters
    ----------
    embeddings : ArrayLike
        (T, n, d) of the same n images at T moments, or (n, d) at one.
    modes : ArrayLike
        (n, m) values of the functions on these images.

    Raises
    ------
    ValueError
        Shapes that do not match, NaN, or a function that is the same on all images.

    Examples
    --------
    >>> first, second = np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.0, 1.0, -1.0, -1.0])
    >>> variance_along(2 * first[:, None], np.stack([first, second], axis=1))
    array([[4., 0.]])
    """
    frames = np.asarray(embeddings)
    frames = frames[None] if frames.ndim == 2 else frames
    if frames.ndim != 3:
        raise ValueError(f"expected embeddings (T, n, d), got shape {frames.shape}")
    curves = []
    for frame in frames:
        rows, functions = _checked("embeddings", frame), _checked("modes", modes)
        if len(rows) != len(functions):
            raise ValueError(
                f"expected embeddings and modes of the same images, row by row, got {len(rows)} and"
                f" {len(functions)} rows"
            )
        functions = functions - functions.mean(axis=0)
        sizes = np.sqrt((functions**2).mean(axis=0))
        if not (sizes > 0).all():
            raise ValueError(f"mode {int(np.argmin(sizes))} has the same value on all images")
        along = (functions / sizes).T @ (rows - rows.mean(axis=0)) / len(rows)
        curves.append((along**2).sum(axis=1))
    return np.array(curves)


def _checked(name: str, rows: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(rows, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape or len(values) < 2:
        raise ValueError(f"expected {name} of shape (n, d), n >= 2, got {values.shape}")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise ValueError(f"the {name} hold NaN or infinity, first in row {row}; leave it out")
    if not np.ptp(values, axis=0).any():
        raise ValueError(f"the {name} are the same for all images: there is nothing to find in them")
    return values
