"""Kernel functions by name: scikit-learn's pairwise kernels, infinitely wide ReLU networks, or a function."""

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import scipy.sparse
from torch import Tensor

from eigenstep.kernel.functions._distance_kernels import (
    AdditiveChiSquaredKernel,
    ChiSquaredKernel,
    GaussianKernel,
    LaplacianKernel,
)
from eigenstep.kernel.functions._foreign_kernels import FunctionKernel, SparseKernel
from eigenstep.kernel.functions._inner_product_kernels import (
    CosineKernel,
    LinearKernel,
    PolynomialKernel,
    SigmoidKernel,
)
from eigenstep.kernel.functions._kernel_blocks import Kernel
from eigenstep.kernel.functions._relu_networks import ReluNetworkKernel, check_network

__all__ = ["KERNEL_NAMES", "Kernel", "make_kernel"]

_PARAMETERS: dict[str, tuple[str, ...]] = {
    "additive_chi2": (),
    "arc_cosine": ("depth", "bias_variance"),
    "chi2": ("gamma",),
    "cosine": (),
    "laplacian": ("gamma",),
    "linear": (),
    "poly": ("gamma", "degree", "coef0"),
    "polynomial": ("gamma", "degree", "coef0"),
    "rbf": ("gamma",),
    "relu_ntk": ("depth", "bias_variance"),
    "sigmoid": ("gamma", "coef0"),
}

KERNEL_NAMES = tuple(_PARAMETERS)


def make_kernel(
    kernel: str | Callable[..., Any],
    rows: Any,
    *,
    gamma: float | None = None,
    degree: float = 3,
    coef0: float = 1,
    depth: int = 1,
    kernel_params: Mapping[str, Any] | None = None,
    callable_gets: str = "numpy",
) -> Kernel:
    """Return a kernel function made for training rows, to be evaluated on blocks of them and of other rows.

    With p features and |.| the Euclidean norm:

        linear          x.y                                sigmoid     tanh(gamma x.y + coef0)
        poly(nomial)    (gamma x.y + coef0)^degree         cosine      x.y / (|x| |y|)
        rbf             exp(-gamma |x - y|^2)              laplacian   exp(-gamma |x - y|_1)
        additive_chi2   -sum (x - y)^2 / (x + y)           chi2        exp(gamma additive_chi2)
        arc_cosine, relu_ntk    wide ReLU networks of `depth` hidden layers, see the functions of these names

    Names, parameters and defaults are scikit-learn's. Float32 against float64, measured on normal rows of
    variance 1 in 2 to 3072 dimensions, some of them equal or close, with an offset of 0 to 1000: errors below
    3e-6 for rbf at gamma from 0.1/p to 1000/p, and below 4e-6 of the largest value for the others.

    Parameters
    ----------
    kernel : a name of `KERNEL_NAMES`, or a function of two blocks of rows that returns their values, as SVC's
    rows : (n, p) training rows, a float32 or float64 tensor, or a CSR matrix (linear, poly, rbf, sigmoid,
        cosine or a function); (n, ...) for a function. They set p and a shift, and are not kept
    gamma : 1 / p by default, for chi2 1.0
    degree, coef0 : of poly and sigmoid
    depth : hidden layers of arc_cosine and relu_ntk
    kernel_params : keyword arguments of the kernel, which come before gamma to depth; the only way to give a
        `bias_variance` to the ReLU networks
    callable_gets : "numpy" or "torch", what a function is called with

    Raises
    ------
    ValueError : a name, a parameter or rows that the kernel does not know or take

    Examples
    --------
    >>> import torch
    >>> rows = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    >>> kernel = make_kernel("rbf", rows, gamma=0.5)
    >>> prepared = kernel.prepare(rows)
    >>> kernel.block(prepared[:1], prepared)
    tensor([[1.0000, 0.3679, 0.1353]])
    """
    if kernel_params is not None and not isinstance(kernel_params, Mapping):
        raise ValueError(f"expected kernel_params as a dict of keyword arguments, got {kernel_params!r}")
    given = dict(kernel_params or {})
    if callable(kernel):
        if callable_gets not in ("numpy", "torch"):
            raise ValueError(f'expected callable_gets "numpy" or "torch", got {callable_gets!r}')
        return FunctionKernel(kernel, given, gets=callable_gets)
    if not isinstance(kernel, str) or kernel not in _PARAMETERS:
        raise ValueError(
            f"expected kernel to be a function of two blocks of rows, 'precomputed' or one of "
            f"{', '.join(KERNEL_NAMES)}; got {kernel!r}"
        )
    accepted = _PARAMETERS[kernel]
    if unknown := sorted(set(given) - set(accepted)):
        raise ValueError(
            f"kernel {kernel!r} takes {', '.join(accepted) or 'no'} parameters, got {', '.join(unknown)} in "
            "kernel_params"
        )
    n_features = _checked_features(kernel, rows)
    usual = {"gamma": gamma, "degree": degree, "coef0": coef0, "depth": depth, "bias_variance": 0.0}
    parameters = {name: given.get(name, usual[name]) for name in accepted}
    if "gamma" in parameters and parameters["gamma"] is None:
        parameters["gamma"] = 1.0 if kernel == "chi2" else 1.0 / n_features
    _check_parameters(kernel, parameters)
    return _named(kernel, rows, parameters)


def _named(kernel: str, rows: Any, parameters: dict[str, Any]) -> Kernel:
    if kernel in _OF_PRODUCTS:
        dense = _OF_PRODUCTS[kernel](**parameters)
        dense.name = kernel
        return SparseKernel(kernel, parameters, dense) if scipy.sparse.issparse(rows) else dense
    if kernel == "rbf":
        sparse = scipy.sparse.issparse(rows)
        return SparseKernel(kernel, parameters, None) if sparse else GaussianKernel(**parameters, rows=rows)
    if kernel == "laplacian":
        return LaplacianKernel(**parameters, rows=rows)
    if kernel == "chi2":
        return ChiSquaredKernel(**parameters)
    if kernel == "additive_chi2":
        return AdditiveChiSquaredKernel()
    return ReluNetworkKernel(**parameters, rows=rows, tangent=kernel == "relu_ntk")


_OF_PRODUCTS: dict[str, Callable[..., LinearKernel]] = {
    "linear": LinearKernel,
    "poly": PolynomialKernel,
    "polynomial": PolynomialKernel,
    "sigmoid": SigmoidKernel,
    "cosine": CosineKernel,
}


def _checked_features(kernel: str, rows: Any) -> int:
    if scipy.sparse.issparse(rows):
        if kernel not in SparseKernel.NAMES:
            raise ValueError(
                f"kernel {kernel!r} takes dense rows, got sparse ones; pass rows.toarray(), or choose one of "
                f"{', '.join(SparseKernel.NAMES)}"
            )
    elif not isinstance(rows, Tensor):
        raise ValueError(f"expected rows as a torch tensor or a CSR matrix, got {type(rows).__name__}")
    if str(rows.dtype).removeprefix("torch.") not in ("float32", "float64"):
        raise ValueError(f"expected rows of float32 or float64, got {rows.dtype}")
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(
            f"kernel {kernel!r} takes rows of shape (n, p) with n, p >= 1, got {tuple(rows.shape)}; flatten "
            "each sample to a row, or pass a kernel function"
        )
    return int(rows.shape[1])


def _check_parameters(kernel: str, parameters: Mapping[str, Any]) -> None:
    if "depth" in parameters:
        check_network(parameters["depth"], parameters["bias_variance"])
        return
    for name, value in parameters.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
            raise ValueError(f"kernel {kernel!r} expects a finite {name}, got {value!r}")
    gamma = parameters.get("gamma", 1.0)
    if gamma < 0 or (gamma == 0 and kernel in ("rbf", "laplacian", "chi2")):
        bound = ">= 0" if kernel in ("poly", "polynomial", "sigmoid") else "> 0"
        raise ValueError(f"kernel {kernel!r} expects gamma {bound}, got {gamma!r}")
    if parameters.get("degree", 1) < 1:
        raise ValueError(f"kernel {kernel!r} expects degree >= 1, got {parameters['degree']!r}")
