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
    points : (T, n, k), projections of the same n samples on each frame's principal directions
    reference : the frame from which to align in both directions

    Returns (T, n, 3). With k < 3 the missing directions are zero.

    >>> line = np.linspace(-1, 1, 5)[:, None]
    >>> flipped = np.stack([line, -line, line])
    >>> align_frames(flipped, reference=0)[:, -1, 0]
    array([1., 1., 1.])
    """
    frames, samples, stored = points.shape
    if not -frames <= reference < frames:
        raise ValueError(f"expected a reference among {frames} frames, got {reference}")
    reference %= frames
    points = points.astype(float)
    if stored < VIEW:
        points = np.concatenate([points, np.zeros((frames, samples, VIEW - stored))], axis=2)
    aligned = points[:, :, :VIEW].copy()
    for frame in range(reference - 1, -1, -1):
        aligned[frame] = _turn(points[frame, :, :VIEW], aligned[frame + 1])
    for frame in range(reference + 1, frames):
        aligned[frame] = _follow(points[frame], aligned[frame - 1])
    return aligned


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
