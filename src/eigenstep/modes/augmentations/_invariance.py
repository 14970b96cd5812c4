"""What a set of augmentations leaves alike: the modes of features that need no training, by rho."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel.solvers import invariant_modes
from eigenstep.modes.augmentations._readable import check_features
from eigenstep.views import TwoViews, ViewsConfig

Array = NDArray[np.float64]

# The last fifth of the images is kept apart for rho; this share of the size of Sigma is nothing.
_APART, _NOTHING = 5, 1e-10
# So many images for each direction find no agreement that is not there, of what is held out.
_IMAGES_A_DIRECTION = 10
# Standard errors of a correlation by chance, of the largest of some thirty. One above the second is something
# in any case: of few images chance gives so much that nothing could be said.
_COMMON_ERRORS, _SOMETHING = 4.0, 0.3


@dataclass(frozen=True, eq=False)
class SetModes:
    """The modes that two views of a set agree on best.

    Attributes
    ----------
    values : NDArray[np.float64]
        (n, k) of the images as they are, modes of unit variance over the views, by descending rho.
    rho : NDArray[np.float64]
        (k,) the correlation between two views, on the images that the modes are made of.
    rho_held_out : NDArray[np.float64]
        The same on images that they are not made of, of modes in fewer directions, a tenth of the images'
        number at most: in as many as there are images, modes fit what two views have by chance.
    invariance : float
        tr Gamma / tr Sigma, the correlation over all features.
    effective_rank : float
        exp of the entropy of the positive gammas.

    Examples
    --------
    >>> modes = SetModes(np.eye(4, 2), np.array([0.9, 0.25]), np.array([0.8, 0.0]), 0.6, 1.7, error=0.05)
    >>> modes.in_common, modes.weighted[:2].round(2)
    (True, array([[0.95, 0.  ],
           [0.  , 0.5 ]]))
    """

    values: Array
    rho: Array
    rho_held_out: Array
    invariance: float
    effective_rank: float
    error: float
    """Standard error by chance of the held-out rho, over all images kept apart and pairs of their views."""

    @property
    def in_common(self) -> bool:
        """Whether two views have anything in common: one held-out rho is beyond `by_chance`."""
        return bool((self.rho_held_out > self.by_chance).any())

    @property
    def by_chance(self) -> float:
        """The held-out rho up to which it says nothing."""
        return min(_COMMON_ERRORS * self.error, _SOMETHING)

    @property
    def weighted(self) -> Array:
        """The values with variance rho, as the spectral contrastive loss ends."""
        return self.values * np.sqrt(np.clip(self.rho, 0, None))


def set_modes(
    views: ViewsConfig,
    images: Tensor,
    features: object,
    *,
    plain: Array | None = None,
    components: int = 32,
    n_principal: int = 256,
    n_views: int = 3,
    image_size: int | None = None,
    seed: int = 0,
) -> SetModes:
    """Solve Gamma v = rho Sigma v in the leading principal directions of the views of a set.

    Sigma is the covariance of the features over all views, Gamma that between two views of an image over all
    ordered pairs. It is `ContrastiveKernelPCA(kernel="linear", center=True, order="invariance")` of the same
    features, from the sums of Gamma and Sigma: far fewer numbers than a kernel of all views.

    Parameters
    ----------
    views : ViewsConfig
        The set; its normalisation is not used.
    images : Tensor
        (n, C, H, W), uint8, uint16 or floats in [0, 1].
    features : object
        A fitted transformer of images to (n, p), such as `eigenstep.encoders.RandomConvFeatures`.
    plain : NDArray[np.float64] | None
        (n, p) features of the images as they are; default: computed.
    components : int
        k modes at most.
    n_principal : int
        Principal directions that are kept.
    n_views : int
        Views of each image, at least 2.
    image_size : int | None
        Side of the views; default: that of the images.

    Raises
    ------
    ValueError
        Fewer images than principal directions, features that are not finite, or views that are all alike.

    Examples
    --------
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> images = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> brightness_of_channels = FunctionTransformer(lambda images: images.mean(dim=(2, 3)).numpy())
    >>> views = ViewsConfig(hue=0.0, saturation=0.0)
    >>> found = set_modes(views, images, brightness_of_channels, components=2, n_principal=3)
    >>> found.values.shape, found.rho.round(1), found.in_common
    ((40, 2), array([0.4, 0.3]), True)
    """
    count = len(images)
    if count <= n_principal:
        raise ValueError(
            f"expected more images than principal directions, got {count} images for {n_principal}; use more"
            f" images, or --principal {max(count // 4, 1)}"
        )
    if n_views < 2:
        raise ValueError(f"n_views: expected at least 2, got {n_views}")
    size = image_size or int(images.shape[-1])
    two = TwoViews(views.unscaled(), size)
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for _ in range(n_views):
        made = features.transform(two.apply(images, two.sample(images, generator)))  # type: ignore[attr-defined]
        check_features(torch.from_numpy(made))
        drawn.append(made)
    if plain is None:
        plain = np.asarray(features.transform(images))  # type: ignore[attr-defined]
    apart = np.arange(count) >= count - count // _APART
    parts = [_Sums.of([each[rows] for each in drawn]) for rows in (~apart, apart)]
    fitted = parts[0].solve(components, min(n_principal, max(count // _IMAGES_A_DIRECTION, 2)))
    held_out = fitted.correlations(parts[1])
    whole = (parts[0] + parts[1]).solve(components, n_principal)
    gammas = whole.gammas[whole.gammas > 0]
    shares = gammas / gammas.sum() if len(gammas) else np.ones(1)
    return SetModes(
        (plain - whole.mean) @ whole.directions,
        whole.rho,
        held_out,
        whole.invariance,
        float(np.exp(-(shares * np.log(shares)).sum())),
        float(1 / np.sqrt(max(apart.sum(), 1) * n_views * (n_views - 1) / 2)),
    )


@dataclass(frozen=True, eq=False)
class _Solved:
    directions: Array  # (p, k), unit variance over the views
    rho: Array
    mean: Array
    gammas: Array
    invariance: float

    def correlations(self, other: _Sums) -> Array:
        """Of each mode's values on two views of the images of other sums."""
        sigma, gamma = (
            np.einsum("pk,pq,qk->k", self.directions, part, self.directions) for part in other.moments()
        )
        return np.where(sigma > 0, gamma / np.where(sigma > 0, sigma, 1), 0.0)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over images: of views, of x x^T, and of x_a x_b^T over ordered pairs of views, each per view."""

    images: int
    first: Array
    second: Array
    across: Array

    @classmethod
    def of(cls, drawn: list[NDArray[np.floating]]) -> _Sums:
        count = len(drawn)
        wide = [each.astype(np.float64) for each in drawn]
        total = sum(wide[1:], wide[0])
        second = sum((each.T @ each for each in wide[1:]), wide[0].T @ wide[0])
        across = (total.T @ total - second) / (count * (count - 1))
        return cls(len(wide[0]), total.sum(0) / count, second / count, across)

    def __add__(self, other: _Sums) -> _Sums:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return _Sums(*(one + another for one, another in pairs))

    @property
    def mean(self) -> Array:
        return self.first / self.images

    def moments(self) -> tuple[Array, Array]:
        """Sigma and Gamma, centred."""
        outer = np.outer(self.mean, self.mean)
        return self.second / self.images - outer, self.across / self.images - outer

    def solve(self, components: int, n_principal: int) -> _Solved:
        sigma, gamma = self.moments()
        size = float(np.linalg.norm(sigma))
        if not size > _NOTHING * float(np.square(self.mean).sum()):
            raise ValueError(
                "the views of all images are alike, so that there is nothing to tell them apart by"
            )
        found = invariant_modes(gamma, sigma, n_principal, floor=_NOTHING * size)
        first = found.coordinates[:, :components]
        return _Solved(
            first / np.sqrt(found.sigma @ np.square(found.principal.T @ first)),
            found.rho[:components],
            self.mean,
            np.linalg.eigvalsh(found.principal.T @ gamma @ found.principal).astype(np.float64),
            float(np.trace(gamma) / np.trace(sigma)),
        )
