"""The data's cross-correlation over positive pairs: the operator whose eigenmodes are learned."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.spelling import renamed_keyword


@renamed_keyword(centred="center")
def cross_correlation(
    x: ArrayLike, y: ArrayLike | None = None, *, center: bool = False
) -> NDArray[np.float64]:
    """Return the cross-correlation Gamma of positive pairs, or of groups of several views.

        pairs    Gamma = 1/(2n) sum_i (x_i y_i^T + y_i x_i^T)
        v views  Gamma = 1/n sum_i 1/(v (v - 1)) sum_{a != b} x_ia x_ib^T

    Gamma is symmetric but not always positive semi-definite: with few views an eigenvalue is negative where
    the two views of an image disagree more than they agree (Gamma = Sigma - Delta/2, Sigma the second moment
    of all views, Delta = 1/n sum (x - y)(x - y)^T). Source: arXiv:2303.15438, section 3.

    Parameters
    ----------
    x : ArrayLike
        (n, m) first views, or (v, n, m) all v >= 2 views with `y` left out.
    y : ArrayLike | None
        (n, m) second views, row i the partner of row i of `x`.
    center : bool
        Subtract the mean of all views of all samples first; nothing is ever divided by a deviation.

    Returns
    -------
    NDArray[np.float64]
        (m, m) float64

    Raises
    ------
    ValueError
        Shapes other than these, no samples, or values that are not finite.

    Examples
    --------
    >>> cross_correlation([[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [0.0, 2.0]])
    array([[0.5 , 0.25],
           [0.25, 2.  ]])
    """
    accumulator = CrossCorrelation(center=center)
    accumulator.update(x, y)
    return accumulator.value


class CrossCorrelation:
    """`cross_correlation` over a stream of batches, in memory (m, m) whatever the number of samples.

    Batches may differ in their number of samples, and in their number of views. Two accumulators that saw
    different samples merge into what one would have seen. With `center`, deviations from the running mean
    are kept rather than raw sums, so that a mean far from zero costs no digits.

    Examples
    --------
    >>> stream = CrossCorrelation()
    >>> stream.update([[1.0, 0.0]], [[1.0, 1.0]])
    >>> stream.update([[0.0, 2.0]], [[0.0, 2.0]])
    >>> stream.count
    2
    >>> stream.value
    array([[0.5 , 0.25],
           [0.25, 2.  ]])
    """

    @renamed_keyword(centred="center")
    def __init__(self, *, center: bool = False) -> None:
        self.center = center
        self.count = 0
        self._mean: NDArray[np.float64] | None = None
        self._products: NDArray[np.float64] | None = None

    def update(self, x: ArrayLike, y: ArrayLike | None = None) -> None:
        """Add a batch: pairs x, y of shape (n, m), or views x of shape (v, n, m) with `y` left out."""
        views = _stack_views(x, y)
        mean = views.mean(axis=(0, 1))
        if self.center:
            views = views - mean
        n_views = len(views)
        # Each unordered pair of views once; `value` adds the transpose.
        products = sum(views[a].T @ views[a + 1 :].sum(axis=0) for a in range(n_views - 1))
        self._add(views.shape[1], mean, products * (2 / (n_views * (n_views - 1))))

    def merge(self, other: "CrossCorrelation") -> None:
        """Add all that `other` saw; ValueError if the two differ in `center` or in the feature size."""
        if other.center != self.center:
            raise ValueError(
                f"merge expects two accumulators with the same `center`, got {self.center} and {other.center}"
            )
        if other._mean is not None and other._products is not None:
            self._add(other.count, other._mean, other._products)

    @property
    def value(self) -> NDArray[np.float64]:
        """Gamma of all samples seen so far, (m, m); ValueError before the first batch."""
        if self._products is None:
            raise ValueError("CrossCorrelation has seen no samples; call update(x, y) first")
        return (self._products + self._products.T) / (2 * self.count)

    def _add(self, count: int, mean: NDArray[np.float64], products: NDArray[np.float64]) -> None:
        if self._mean is None or self._products is None:
            self.count, self._mean, self._products = count, mean.copy(), products.copy()
            return
        if mean.shape != self._mean.shape:
            raise ValueError(f"expected samples with {self._mean.size} features as before, got {mean.size}")
        total = self.count + count
        shift = mean - self._mean
        self._products += products
        if self.center:
            # Chan, Golub and LeVeque's pairwise update of a centred sum of products.
            self._products += np.outer(shift, shift * (self.count * count / total))
        self._mean = self._mean + shift * (count / total)
        self.count = total


def _stack_views(x: ArrayLike, y: ArrayLike | None) -> NDArray[np.float64]:
    """Return finite views of shape (v, n, m) with v >= 2 and n >= 1."""
    first = np.asarray(x, dtype=np.float64)
    if y is None:
        if first.ndim != 3 or first.shape[0] < 2:
            raise ValueError(
                f"expected views of shape (v, n, m) with v >= 2 when `y` is left out, got {first.shape}; "
                "pass the second views as `y`, or stack all views"
            )
        views = first
    else:
        second = np.asarray(y, dtype=np.float64)
        if first.ndim != 2 or first.shape != second.shape:
            raise ValueError(
                f"expected x and y of one shape (n, m), got {first.shape} and {second.shape}; "
                "flatten each sample to a row, and keep partners on equal rows"
            )
        views = np.stack((first, second))
    if 0 in views.shape:
        raise ValueError(f"expected at least one sample and one feature, got views of shape {views.shape}")
    if not np.isfinite(views).all():
        raise ValueError("expected finite values, got NaN or infinity; remove those samples first")
    return views
