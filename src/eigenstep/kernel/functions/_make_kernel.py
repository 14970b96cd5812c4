"""Kernel functions by name: scikit-learn's pairwise kernels, infinitely wide ReLU networks, or a function."""

from collections.abc import Callable, Mapping
from typing import Any

import scipy.sparse
from torch import Tensor

from eigenstep.kernel.functions._foreign_kernels import FunctionKernel, SparseKernel
from eigenstep.kernel.functions._kernel import KERNELS, Kernel, parameters_of, takes_rows
from eigenstep.spelling import nearest


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
    kernel : str | Callable[..., Any]
        a name of `KERNELS`, or a function of two blocks of rows that returns their values, as SVC's.
    rows : Any
        (n, p) training rows, a float32 or float64 tensor, or a CSR matrix (linear, poly, rbf, sigmoid, cosine
        or a function); (n, ...) for a function. They set p and a shift, and are not kept.
    gamma : float | None
        1 / p by default, for chi2 1.0.
    degree, coef0 : float
        Of poly and sigmoid.
    depth : int
        Hidden layers of arc_cosine and relu_ntk.
    kernel_params : Mapping[str, Any] | None
        Keyword arguments of the kernel, which come before gamma to depth; the only way to give a
        `bias_variance` to the ReLU networks.
    callable_gets : str
        "numpy" or "torch", what a function is called with.

    Raises
    ------
    ValueError
        A name, a parameter or rows that the kernel does not know or take.

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
    if not isinstance(kernel, str) or kernel not in KERNELS:
        raise ValueError(
            f"expected kernel to be a function of two blocks of rows, 'precomputed' or one of "
            f"{', '.join(sorted(KERNELS))}; got {kernel!r}.{nearest(str(kernel).lower(), KERNELS)}"
        )
    kind = KERNELS[kernel]
    accepted = parameters_of(kind)
    if unknown := sorted(set(given) - set(accepted)):
        raise ValueError(
            f"kernel {kernel!r} takes {', '.join(accepted) or 'no'} parameters, got {', '.join(unknown)} in "
            "kernel_params"
        )
    n_features = _checked_features(kernel, rows)
    usual = {"gamma": gamma, "degree": degree, "coef0": coef0, "depth": depth}
    parameters = accepted | {name: usual[name] for name in accepted if name in usual} | given
    if "gamma" in parameters and parameters["gamma"] is None:
        parameters["gamma"] = kind.gamma_by_default or 1.0 / n_features
    kind.check_parameters(kernel, parameters)
    if scipy.sparse.issparse(rows):
        return SparseKernel(kernel, parameters, kind)
    made = kind(**parameters, **({"rows": rows} if takes_rows(kind) else {}))
    made.name = kernel
    return made


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
