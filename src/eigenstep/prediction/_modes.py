"""The modes of a kernel over pairs: where a network starts in them, and when a course has learned each."""

import dataclasses
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.analysis import find_rises, variance_along
from eigenstep.kernel import ContrastiveKernelPCA
from eigenstep.methods import SmallStart

# What a mode must come to, beside the most that any comes to, to count as learned: modes that are not have
# some of those that are in them, as kernel and network do not agree wholly on what a mode is.
LEAST_OF_LARGEST = 0.3


@dataclass(frozen=True, eq=False)
class KernelModes:
    """What a loss learns first, in the order of its speed.

    Attributes
    ----------
    gamma : NDArray[np.float64]
        (k,) eigenvalues of the operator, positive, descending; k <= d.
    next_gamma : float
        That of mode k + 1, 0 if there is none.
    plateaus : NDArray[np.float64]
        (k,) where each mode's eigenvalue of C ends; ones where that is not known.
    coefficients : NDArray[np.float64]
        (N, k) a_j, such that the mode's value on an image with kernel values k is a_j^T k.
    views : NDArray[np.float64]
        (N, k) the modes' values on the views, a_j^T K~, less their mean if the loss is centred.
    images : NDArray[np.float64]
        (m, k) their values on the images whose embeddings are predicted.
    """

    gamma: NDArray[np.float64]
    next_gamma: float
    plateaus: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    views: NDArray[np.float64]
    images: NDArray[np.float64]


def find_modes(
    kernel: NDArray[np.float64], to_images: NDArray[np.float64], learning: SmallStart, dim: int
) -> KernelModes:
    """The first d modes of n pairs.

    Parameters
    ----------
    kernel : NDArray[np.float64]
        (2n, 2n) over the views, first the first of each pair, then the second.
    to_images : NDArray[np.float64]
        (m, 2n) of the images with the views.
    dim : int
        d, the embedding's dimension; fewer are found where fewer have a positive eigenvalue.

    Raises
    ------
    ValueError
        If none has.

    Examples
    --------
    >>> from eigenstep.kernel.pairs import make_objective
    >>> views = np.array([[2.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 1.0]])  # two pairs of equal views
    >>> kernel = views @ views.T
    >>> modes = find_modes(kernel, kernel[:2], SmallStart(make_objective("barlow_twins")), dim=2)
    >>> modes.gamma.round(3), modes.images.round(3)
    (array([2. , 0.5]), array([[2., 0.],
           [0., 1.]]))
    """
    values = np.concatenate([kernel, to_images])

    def looked_up(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
        block: NDArray[np.float64] = values[np.ix_(rows[:, 0].astype(int), columns[:, 0].astype(int))]
        return block

    # A precomputed kernel would be one of groups of views; VICReg treats the two views of pairs apart.
    model = ContrastiveKernelPCA(
        dim,
        kernel=looked_up,
        objective=learning.objective.name,
        objective_params=dataclasses.asdict(learning.objective),
        center=learning.center,
        whiten=False,
        y_is="view",
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "n_components=")  # fewer modes than d is a finding of its own
        places = np.arange(len(values), dtype=np.float64)[:, None]
        views, images = places[: len(kernel)], places[len(kernel) :]
        model.fit(*np.split(views, 2))
    gamma = model.eigenvalues_
    known = learning.objective.closed_form
    return KernelModes(
        gamma=gamma,
        next_gamma=model.next_eigenvalue_,
        plateaus=model.trajectory(np.inf)[0] if known else np.ones_like(gamma),
        coefficients=np.asarray(model.dual_coef_),
        views=model.transform(views),
        images=model.transform(images),
    )


def scales_of_start(modes: KernelModes, embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
    """s_j(0) of a network's initial embeddings (N, d) of the views, (k,).

    A small embedding F moves as d(a_j^T F)/dt = 4 gamma_j a_j^T F, so a_j^T F is what it has of mode j in
    each output; the QR factors of these give what is left to mode j by those before it
    (`theory.aligned_start`). Where the loss is centred the coefficients sum to zero, and the mean embedding
    has no part in it.

    Examples
    --------
    >>> from eigenstep.kernel.pairs import make_objective
    >>> views = np.array([[2.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 1.0]])
    >>> kernel = views @ views.T
    >>> modes = find_modes(kernel, kernel[:2], SmallStart(make_objective("barlow_twins")), dim=2)
    >>> scales_of_start(modes, views @ [[0.01, 0.0], [0.0, 0.03]]).round(3)
    array([0.01, 0.03])
    """
    coordinates = embeddings.T @ modes.coefficients
    scales: NDArray[np.float64] = np.abs(np.diagonal(np.linalg.qr(coordinates, mode="r")))
    return scales


def mode_times(times: ArrayLike, embeddings: ArrayLike, modes: ArrayLike) -> NDArray[np.float64]:
    """When the variance of the embeddings along each mode passed half of where it settled, (k,); else NaN.

    Parameters
    ----------
    times : ArrayLike
        (T,).
    embeddings : ArrayLike
        (T, m, d) of the same m images at each, in any rotation.
    modes : ArrayLike
        (m, k) the modes' values on them.

    Examples
    --------
    >>> modes = np.array([[1.0], [-1.0]])
    >>> growing = np.array([0.01, 0.1, 1.0, 1.0, 1.0])[:, None, None] * modes
    >>> mode_times(np.arange(5.0), growing, modes).round(1)
    array([1.1])
    """
    found = np.full(np.shape(modes)[1], np.nan)
    for rise in find_rises(times, variance_along(embeddings, modes), fraction=LEAST_OF_LARGEST):
        found[rise.mode] = rise.half_time
    return found
