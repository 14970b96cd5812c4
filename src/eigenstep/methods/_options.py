"""The methods' own options, a node of the configuration tree each."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class BarlowTwinsConfig:
    """Barlow Twins (used with --loss barlow_twins)."""

    normalize: Literal["batch", "none"] = "none"
    """Standardise each embedding dimension over the batch, as the published method does, or not."""
    center: bool = True
    """Subtract the batch mean, of both views together."""
    symmetrize: bool = True
    """Use the cross-correlation of both orders of the views (the published method: of one)."""
    lambda_param: float = 1.0
    """Weight of the off-diagonal terms (the published method with normalize=batch: 0.005)."""
    scale: float = 1.0
    """Multiplies the loss."""


@dataclass(frozen=True)
class SimCLRConfig:
    """SimCLR's NT-Xent (used with --loss simclr)."""

    normalize: Literal["cosine", "none"] = "none"
    """Compare embeddings by cosine, as the published method does, or by inner product."""
    temperature: float = 1.0
    """Similarities are divided by this (the published method with normalize=cosine: 0.5)."""


@dataclass(frozen=True)
class VICRegConfig:
    """VICReg (used with --loss vicreg)."""

    lambda_param: float = 25.0
    """Weight of the invariance term."""
    mu_param: float = 25.0
    """Weight of the variance term."""
    nu_param: float = 1.0
    """Weight of the covariance term."""
    eps: float = 1e-4
    """Added to the variance inside the root."""


@dataclass(frozen=True)
class SpectralContrastiveConfig:
    """The spectral contrastive loss (used with --loss spectral_contrastive)."""

    normalize: Literal["none", "ball"] = "none"
    """Take embeddings as they are, or, as published, shorten those that are longer than the root of mu."""
    mu: float = 1.0
    """Squared radius of the ball (used with normalize=ball); the loss is divided by it."""


@dataclass(frozen=True)
class WMSEConfig:
    """W-MSE (used with --loss w_mse): whitened embeddings of the two views, pulled together."""

    eps: float = 0.0
    """Shrinks the covariance towards the identity before it is whitened."""


@dataclass(frozen=True)
class DCLConfig:
    """Decoupled contrastive learning (used with --loss dcl)."""

    normalize: Literal["cosine", "none"] = "cosine"
    """Compare embeddings by cosine, as the published method does, or by inner product."""
    temperature: float = 0.1
    """Similarities are divided by this."""
    sigma: float | None = None
    """Width of the weights of positive pairs (the published DCLW: 0.5); default: no weights."""


@dataclass(frozen=True)
class SimSiamConfig:
    """SimSiam (used with --loss simsiam): a predictor, and no gradient through the predicted view."""

    predictor_hidden: int = 512
    """Width of the predictor's hidden layer."""
    fixed_predictor_rate: bool = True
    """The predictor keeps the learning rate that the schedule starts from, as published."""


@dataclass(frozen=True)
class BYOLConfig:
    """BYOL (used with --loss byol): a predictor of what a slowly following copy of the encoder sees."""

    predictor_hidden: int = 4096
    """Width of the predictor's hidden layer."""
    momentum: float = 0.996
    """How much of itself the copy keeps at each step at first; rises to 1 along a cosine."""


@dataclass(frozen=True)
class SupConConfig:
    """Supervised contrastive learning (used with --loss supcon): a class is one sample of many views."""

    normalize: Literal["cosine", "none"] = "cosine"
    """Compare embeddings by cosine, as the published method does, or by inner product."""
    temperature: float = 0.1
    """Similarities are divided by this."""
