"""Closed-form self-supervised learning for any kernel: eigenmodes of positive pairs in a feature space."""

from eigenstep.kernel._estimator import ContrastiveKernelPCA
from eigenstep.kernel.functions import arc_cosine, relu_ntk
from eigenstep.kernel.ntk._empirical import empirical_ntk
from eigenstep.kernel.ntk._estimator_kernel import NTKKernel
from eigenstep.kernel.ntk._features import ntk_features
from eigenstep.kernel.ntk._operator import NTKOperator
from eigenstep.kernel.ntk._relu_cntk import relu_cntk
from eigenstep.kernel.ntk._result import EmpiricalNTK, LayerAccount

__all__ = [
    "ContrastiveKernelPCA",
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
