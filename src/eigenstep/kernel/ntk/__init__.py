"""Tangent kernels of networks: of finite ones as they are, and of infinitely wide convolutional ones.

`empirical_ntk` returns the kernel of a model, `NTKOperator` multiplies with it, `NTKKernel` hands it to
`ContrastiveKernelPCA`, `ntk_features` draws features of it; `relu_cntk` is a closed form. Beneath them stand
the parts that each layer's share of a kernel is made of.
"""

from eigenstep.kernel.ntk._computation import Computation
from eigenstep.kernel.ntk._contraction import Contraction, GradientRows, LayerAccount
from eigenstep.kernel.ntk._empirical import EmpiricalNTK, empirical_ntk
from eigenstep.kernel.ntk._factor_contractions import GradientProducts, GradientsOfBatches, PositionProducts
from eigenstep.kernel.ntk._factor_store import Rotation, UnexpectedRank
from eigenstep.kernel.ntk._features import CountSketch, TensorSketch, ntk_features
from eigenstep.kernel.ntk._layers import FactoredLayer
from eigenstep.kernel.ntk._operator import NTKKernel, NTKOperator
from eigenstep.kernel.ntk._products import Pairs, fastest_product, matrix_products, outer_sums
from eigenstep.kernel.ntk._relu_cntk import relu_cntk

__all__ = [
    "Computation",
    "Contraction",
    "CountSketch",
    "EmpiricalNTK",
    "FactoredLayer",
    "GradientProducts",
    "GradientRows",
    "GradientsOfBatches",
    "LayerAccount",
    "NTKKernel",
    "NTKOperator",
    "Pairs",
    "PositionProducts",
    "Rotation",
    "TensorSketch",
    "UnexpectedRank",
    "empirical_ntk",
    "fastest_product",
    "matrix_products",
    "ntk_features",
    "outer_sums",
    "relu_cntk",
]
