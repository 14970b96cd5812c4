"""The modes of a data set in closed form, found twice: other images, another random network."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.encoders.features import ImageKernel, is_random, kernel_features
from eigenstep.kernel import ContrastiveKernelPCA
from eigenstep.modes._evaluated import EvaluatedModes
from eigenstep.modes._thirds import Thirds
from eigenstep.views import TwoViews, ViewsConfig, float_images

# Leading principal directions of the views' features that modes are solved for in: what is beyond them has
# next to no variance, and the solver's time goes by their square.
PRINCIPAL = 256
# Images for each of them, where modes are ordered by invariance: with as many directions as views any
# function is left alone by these views, and rho says nothing.
IMAGES_EACH = 4


@dataclass(frozen=True)
class ClosedForm:
    """How the modes of a data set are found.

    Attributes
    ----------
    kernel : ImageKernel
        linear or rbf, of the pixels; linear of features: of a backbone (features), of random convolutions
        (random_conv) or of likeness to random patches (patches).
    views : ViewsConfig
        How two views of an image may differ.
    n_views : int
        Views of each image.
    components : int
        Modes at most.
    order : Literal['gamma', 'invariance']
        By gamma, which says what training learns first, or by rho, the correlation of a mode's values on two
        views, which says what remains at the end.
    backbone : str
        For "features": see `eigenstep.encoders.build_encoder`.
    backbone_weights : str | Path | None
        Its weights; default: random ones.
    """

    kernel: ImageKernel = "random_conv"
    views: ViewsConfig = field(default_factory=ViewsConfig)
    n_views: int = 3
    components: int = 64
    order: Literal["gamma", "invariance"] = "gamma"
    backbone: str = "convnet"
    backbone_weights: str | Path | None = None

    @property
    def is_random(self) -> bool:
        """Whether another seed gives another kernel."""
        return is_random(self.kernel, self.backbone_weights)


def closed_form_modes(
    images: NDArray[Any],
    thirds: Thirds,
    options: ClosedForm,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> EvaluatedModes:
    """Modes from one third of the images, and again from another and with another seed, on the last third.

    Raises
    ------
    ValueError
        In one line where no mode is learned, or what the features and the kernel refuse.
    """
    for name, number, least in (("--n-views", options.n_views, 2), ("--components", options.components, 1)):
        if number < least:
            raise ValueError(f"{name}: expected at least {least}, got {number}")
    if options.kernel != "features" and (options.backbone, options.backbone_weights) != ("convnet", None):
        raise ValueError(f"--backbone has no effect with --kernel {options.kernel}; set --kernel features")
    if options.views.own is not None:
        raise ValueError(f"--views.own {options.views.own} has no effect here; set --views by its operations")
    options.views.refuse_crops("these modes are of")
    judged = images[thirds.judged]
    tell(f"solving for the modes of {len(thirds.first):,} images")
    values, strengths = modes_on(images[thirds.first], judged, options, seed)
    tell(f"finding them again from {len(thirds.second):,} other images")
    again, _ = modes_on(images[thirds.second], judged, options, seed + 1)
    return EvaluatedModes(values, strengths, again, "closed form")


def modes_on(
    images: NDArray[Any], new: NDArray[Any], options: ClosedForm, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Modes that are found from some images, on others.

    Parameters
    ----------
    images, new : NDArray[Any]
        (m, C, S, S) and (n, C, S, S) as a run stores them.

    Returns
    -------
    tuple[NDArray[np.float64], NDArray[np.float64]]
        Their values (n, k) on the new images, and their gammas or rhos (k,), descending.

    Raises
    ------
    ValueError
        In one line where no mode is learned, or what the features and the kernel refuse.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(0, 255, size=(40, 3, 8, 8), dtype=np.uint8)
    >>> modes_on(images[:30], images[30:], ClosedForm("linear", components=2))[0].shape
    (10, 2)
    """
    features = kernel_features(
        options.kernel, backbone=options.backbone, weights=options.backbone_weights, random_state=seed
    )
    views = views_of(images, options.views, options.n_views, seed)
    transform = _pixels if features is None else features.fit(views[0]).transform
    rows: NDArray[Any] = np.concatenate([transform(each) for each in views])
    del views
    if not np.isfinite(rows).all():
        raise ValueError(f"features of --kernel {options.kernel} are not finite; images hold extreme values")
    judged: NDArray[Any] = transform(torch.from_numpy(new))
    gamma = None
    if options.kernel == "rbf":
        gamma = _rbf_gamma(rows)
    else:
        mean, directions = _principal_directions(rows)
        rows, judged = ((each - mean) @ directions for each in (rows, judged))
    principal = max(1, min(PRINCIPAL, len(images) // IMAGES_EACH))
    most = principal if options.order == "invariance" else len(images) - 1
    model = ContrastiveKernelPCA(
        min(options.components, most, rows.shape[1]),
        kernel="rbf" if options.kernel == "rbf" else "linear",
        gamma=gamma,
        order=options.order,
        n_principal=principal,
        center=True,
        solver="auto" if options.kernel == "rbf" else "dense",
        random_state=seed,
    )
    with warnings.catch_warnings():  # of modes that are fewer than were asked for
        warnings.simplefilter("ignore", UserWarning)
        model.fit(rows, groups=np.tile(np.arange(len(images)), options.n_views))
    return np.asarray(model.transform(judged), dtype=np.float64), np.asarray(
        model.rho_ if options.order == "invariance" else model.eigenvalues_
    )


def _principal_directions(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (p,) and leading principal directions (p, at most 256) of rows (N, p)."""
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = rows - mean
    if rows.shape[1] <= len(rows):
        variances, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    else:
        variances, left = np.linalg.eigh((centred @ centred.T).astype(np.float64))
        directions = centred.T @ (left / np.sqrt(np.maximum(variances, 1e-30)))
    kept = (variances > 1e-7 * max(float(variances[-1]), 1e-30)).nonzero()[0][::-1][:PRINCIPAL]
    if not len(kept):
        raise ValueError("the images' views are all the same, so that nothing can be learned from them")
    return mean, directions[:, kept].astype(np.float32)


def views_of(images: NDArray[Any], config: ViewsConfig, count: int, seed: int) -> list[Tensor]:
    """`count` views of every image, each float32 (n, C, S, S), in [0, 1]."""
    stored = torch.from_numpy(images)
    two = TwoViews(config.unscaled(), images.shape[-1])
    generator = torch.Generator().manual_seed(seed)
    return [two.apply(stored, two.sample(stored, generator)) for _ in range(count)]


def _pixels(images: Tensor) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = float_images(images).flatten(1).numpy()
    return rows


def _rbf_gamma(rows: NDArray[np.float32]) -> float:
    """1 over the mean squared distance of two rows, so that a typical kernel value is 1/e."""
    distance = 2 * float(rows.var(axis=0, dtype=np.float64).sum())
    if not distance > 0:
        raise ValueError("the images' views are all the same, so that nothing can be learned from them")
    return 1 / distance
