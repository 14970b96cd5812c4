"""Closed-form self-supervised learning for any kernel: eigenmodes of positive pairs in a feature space."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.kernel._cross_kernel_pca import CrossKernelPCA
    from eigenstep.kernel._estimator import ContrastiveKernelPCA
    from eigenstep.kernel.functions import arc_cosine, relu_ntk
    from eigenstep.kernel.ntk import (
        EmpiricalNTK,
        LayerAccount,
        NTKKernel,
        NTKOperator,
        empirical_ntk,
        ntk_features,
        relu_cntk,
    )
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "ContrastiveKernelPCA",
    "CrossKernelPCA",
    "EmpiricalNTK",
    "LayerAccount",
    "NTKKernel",
    "NTKOperator",
    "arc_cosine",
    "empirical_ntk",
    "ntk_features",
    "relu_cntk",
    "relu_ntk",
]
