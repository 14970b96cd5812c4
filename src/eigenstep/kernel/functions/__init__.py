"""Kernel functions on blocks of rows, by name or from the user.

A kernel is a class in a module of this folder, marked by `named("its name")`: the modules are collected here,
so that the name is known to `make_kernel`, and to the estimators' `kernel=`, and nothing else need be told.
"""

import importlib
import pkgutil

from eigenstep.kernel.functions._anchored_kernel import AnchoredKernel, stacked
from eigenstep.kernel.functions._distance_kernels import additive_chi_squared, central_row
from eigenstep.kernel.functions._foreign_kernels import FunctionKernel, SparseKernel
from eigenstep.kernel.functions._inner_product_kernels import LinearKernel
from eigenstep.kernel.functions._kernel import KERNELS, Kernel, TiledKernel, named
from eigenstep.kernel.functions._make_kernel import make_kernel
from eigenstep.kernel.functions._relu_networks import arc_cosine, relu_ntk

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

KERNEL_NAMES = tuple(sorted(KERNELS))

__all__ = [
    "KERNELS",
    "KERNEL_NAMES",
    "AnchoredKernel",
    "FunctionKernel",
    "Kernel",
    "LinearKernel",
    "SparseKernel",
    "TiledKernel",
    "additive_chi_squared",
    "arc_cosine",
    "central_row",
    "make_kernel",
    "named",
    "relu_ntk",
    "stacked",
]
