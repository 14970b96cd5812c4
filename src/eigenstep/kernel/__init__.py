"""Closed-form self-supervised learning for any kernel: eigenmodes of positive pairs in a feature space."""

from eigenstep.kernel._estimator import ContrastiveKernelPCA
from eigenstep.kernel.functions._relu_networks import arc_cosine, relu_ntk

__all__ = ["ContrastiveKernelPCA", "arc_cosine", "relu_ntk"]
