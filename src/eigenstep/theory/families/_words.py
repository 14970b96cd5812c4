"""Word embeddings from co-occurrences: the quadratic model of word2vec."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._eigenmodes import symmetric_operator, top_eigenmodes
from eigenstep.theory.families._family import Family
from eigenstep.theory.families._mode_basis import ModeBasis

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WordEmbeddings(Family):
    """Quadratic word embeddings (QWEM), L = 1/4 ||W^T W - M||^2, less 1/4 ||M||^2.

        p' = 2 p (mu - p),     half-time log(mu / s_0^2 - 1) / (2 mu),     end mu;   mu < 0: never

    Columns of W (d, V) are the words' embeddings, mu the eigenvalues of M. It is word2vec's loss to second
    order in the inner products of words, with the pair of words i, j weighted by 1 / (P_ij + P_i P_j):

        L = sum_ij [P_ij (s_ij^2/4 - s_ij) + P_i P_j (s_ij^2/4 + s_ij)] / (P_ij + P_i P_j),     s = W^T W

    Source: Karkada, Simon, Bahri, DeWeese 2025, arXiv:2502.09863.

    Attributes
    ----------
    target : ArrayLike
        (V, V) M, symmetric; of a corpus by `word_target`.

    Raises
    ------
    ValueError
        A target that is not square, symmetric and finite.

    Examples
    --------
    >>> text = "sun sea sand sun sand sea ice snow cold snow ice cold"
    >>> words, counts = cooccurrence(text.split(), window=3)
    >>> solution = WordEmbeddings(word_target(counts)).solve(1e-3 * np.eye(1, 6))
    >>> solution.ends.round(2), solution.half_times.round(2)
    (array([5.02]), array([1.67]))
    >>> [str(word) for word, side in zip(words, solution.modes[:, 0], strict=True) if side > 0]
    ['cold', 'ice', 'snow']
    """

    rate: ClassVar[float] = 2.0
    loss_scale: ClassVar[float] = 0.25
    target: ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", symmetric_operator(self.target))

    def _operator(self) -> Matrix:
        return np.asarray(self.target)

    def _basis(self, count: int) -> ModeBasis:
        values, modes = top_eigenmodes(self._operator(), min(count, len(self._operator())))
        return ModeBasis(values, np.ones_like(values), modes)

    def _loss(self, state: Matrix) -> float:
        overlap = state @ state.T
        return float(np.vdot(overlap, overlap) - 2 * np.vdot(state @ self._operator(), state)) / 4

    def _velocity(self, state: Matrix) -> Matrix:
        velocity: Matrix = state @ self._operator() - (state @ state.T) @ state
        return velocity


def cooccurrence(tokens: Sequence[Any] | NDArray[Any], window: int = 16) -> tuple[NDArray[Any], Matrix]:
    """Return the words of a text, sorted, and how often each two stand near one another.

        C_ij = sum over pairs of places at most `window` apart that hold i and j of window + 1 - distance

    The weight is that of word2vec, which draws the window of every place at random. Each pair of places
    counts for (i, j) and for (j, i). Of several texts, which no window should cross, add the counts.

    Parameters
    ----------
    tokens : Sequence[Any] | NDArray[Any]
        (n,) words in the order of the text, as strings or as integers.
    window : int
        How many places apart two words may be.

    Returns
    -------
    tuple[NDArray[Any], NDArray[np.float64]]
        words (V,) and counts C, (V, V), symmetric

    Raises
    ------
    ValueError
        Fewer than two tokens, tokens that are no flat sequence, or a window below 1.

    Examples
    --------
    >>> words, counts = cooccurrence(["to", "be", "or", "not", "to", "be"], window=2)
    >>> words.tolist()
    ['be', 'not', 'or', 'to']
    >>> counts
    array([[0., 2., 2., 4.],
           [2., 0., 2., 2.],
           [2., 2., 0., 2.],
           [4., 2., 2., 0.]])
    """
    text = np.asarray(tokens)
    if text.ndim != 1 or text.size < 2 or text.dtype.kind not in "iuUS":
        raise ValueError(
            f"expected at least two tokens in a flat sequence of strings or integers, got shape {text.shape}"
            f" of {text.dtype}; split the text into words first"
        )
    if window < 1:
        raise ValueError(f"expected a window of at least 1 place, got {window}")
    words, places = np.unique(text, return_inverse=True)
    counts = np.zeros(len(words) ** 2)
    for distance in range(1, min(window, text.size - 1) + 1):
        pairs = places[:-distance] * len(words) + places[distance:]
        counts += (window + 1 - distance) * np.bincount(pairs, minlength=len(counts))
    square = counts.reshape(len(words), len(words))
    return words, square + square.T


def word_target(counts: ArrayLike) -> Matrix:
    """Return M, what the inner products of word embeddings are to be, from counts of co-occurrence.

        M_ij = 2 (P_ij - P_i P_j) / (P_ij + P_i P_j)

    P_ij is the share of all pairs, P_i its sum over j, the frequency of a word. M is close to the log of
    P_ij / (P_i P_j) where that is small, and between -2, for words that are never together, and 2.
    Source: arXiv:2502.09863, as its authors' code has it with as many negative samples as positive ones.

    Parameters
    ----------
    counts : ArrayLike
        (V, V) symmetric and not negative, as `cooccurrence` gives them.

    Returns
    -------
    NDArray[np.float64]
        (V, V) float64

    Raises
    ------
    ValueError
        Counts that are not square, symmetric, finite and not negative, or a word that is with no other.

    Examples
    --------
    >>> word_target([[0.0, 1.0], [1.0, 0.0]]).round(3)
    array([[-2.   ,  0.667],
           [ 0.667, -2.   ]])
    """
    together = symmetric_operator(counts)
    totals = together.sum(axis=1)
    if (together < 0).any():
        raise ValueError(f"expected counts that are not negative, got {together.min():.3g}")
    if not (totals > 0).all():
        alone = int(np.flatnonzero(totals == 0)[0])
        raise ValueError(f"expected every word to be near another, got none near word {alone}; leave it out")
    shares, frequencies = together / totals.sum(), totals / totals.sum()
    chance = np.outer(frequencies, frequencies)
    target: Matrix = 2 * (shares - chance) / (shares + chance)
    return target
