"""A steady three-dimensional view of principal projections, whose directions flip and swap by themselves."""

import numpy as np

VIEW, RIDGE = 3, 1e-3


def align_frames(points: np.ndarray, reference: int) -> np.ndarray:
    """Rotate or reflect each frame's projections so that the picture moves as little as it can.

    The reference frame keeps its first three principal directions. Earlier frames turn their own first
    three onto the next frame (orthogonal Procrustes: the R with R^T R = I that maximises tr(R^T P^T Q),
    Schoenemann 1966), so distances in three dimensions are kept. Later frames use all k directions stored:
    the k×3 matrix that maps them onto the previous view in least squares, made orthonormal. So the picture
    goes on following the same three modes when more are learned; maximising the trace instead would drift,
    frame by frame, to whichever modes are largest.

    Parameters
    ----------
    points : np.ndarray
        (T, n, k), projections of the same n samples on each frame's principal directions.
    reference : int
        The frame from which to align in both directions.

    Returns
    -------
    np.ndarray
        (T, n, 3). With k < 3 the missing directions are zero.

    Examples
    --------
    >>> line = np.linspace(-1, 1, 5)[:, None]
    >>> flipped = np.stack([line, -line, line])
    >>> align_frames(flipped, reference=0)[:, -1, 0]
    array([1., 1., 1.])
    """
    points, reference = _checked(points, reference)
    aligned = points[:, :, :VIEW].copy()
    for frame in range(reference - 1, -1, -1):
        aligned[frame] = _turn(points[frame, :, :VIEW], aligned[frame + 1])
    for frame in range(reference + 1, len(points)):
        aligned[frame] = _follow(points[frame], aligned[frame - 1])
    return aligned


def anchor_frames(points: np.ndarray, reference: int) -> tuple[np.ndarray, np.ndarray]:
    """The same as `align_frames` for a record that grows: what has been aligned stays as it is.

    The first frame keeps its directions instead of the reference, so a later reference changes nothing
    before it. What turns all frames onto the reference's directions comes beside them: the Procrustes
    rotation onto a target that is turned is the same one turned, so the two differ by one rotation alone.

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        Frames (T, n, 3) and an orthogonal matrix (3, 3); their product is `align_frames`' view.

    Examples
    --------
    >>> turned, _ = anchor_frames(np.random.default_rng(0).normal(size=(3, 5, 3)), 2)
    >>> turned.shape
    (3, 5, 3)
    """
    points, reference = _checked(points, reference)
    aligned = points[:, :, :VIEW].copy()
    for frame in range(1, len(points)):
        move = _turn if frame <= reference else _follow
        aligned[frame] = move(points[frame, :, : VIEW if frame <= reference else None], aligned[frame - 1])
    own = points[reference, :, :VIEW]
    return aligned, _orthonormal(aligned[reference].T @ own)


def _checked(points: np.ndarray, reference: int) -> tuple[np.ndarray, int]:
    """At least three directions, and the reference counted from the first frame."""
    frames, samples, stored = points.shape
    if not -frames <= reference < frames:
        raise ValueError(f"expected a reference among {frames} frames, got {reference}")
    points = points.astype(float)
    if stored < VIEW:
        points = np.concatenate([points, np.zeros((frames, samples, VIEW - stored))], axis=2)
    return points, reference % frames


def _turn(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    return points @ _orthonormal(points.T @ target)


def _follow(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    gram = points.T @ points
    # Without the ridge, directions that hold next to nothing would be blown up to fit the target's noise.
    ridge = RIDGE * np.trace(gram) / len(gram) + np.finfo(float).tiny
    return points @ _orthonormal(np.linalg.solve(gram + ridge * np.eye(len(gram)), points.T @ target))


def _orthonormal(matrix: np.ndarray) -> np.ndarray:
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return left @ right
