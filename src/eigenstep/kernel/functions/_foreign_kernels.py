"""Kernels evaluated by other people's code: a user's function, and scikit-learn's kernels of sparse rows."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse.linalg
import torch
from numpy.typing import NDArray
from sklearn.metrics.pairwise import pairwise_kernels
from torch import Tensor

from eigenstep.kernel.functions._inner_product_kernels import LinearKernel
from eigenstep.kernel.functions._kernel import Kernel, same_rows

_TWO_VECTORS = (
    "a kernel function takes two blocks of rows, (n_a, p) and (n_b, p), and returns their (n_a, n_b) values; "
    "wrap a function f of two vectors: lambda a, b: sklearn.metrics.pairwise.pairwise_kernels(a, b, metric=f)"
)


class FunctionKernel(Kernel):
    """A user's function of two blocks of rows, called with NumPy arrays or torch tensors.

    Rows may have any number of dimensions, or be CSR matrices, which the function gets as they are. What it
    returns is checked at every call: shape, finite values, and symmetry between the same rows.

    Parameters
    ----------
    function : Callable[..., Any]
        Called as function(a, b, **parameters). With a method `kernel_matrix(rows, storage=, processes=)` it
        says itself how the matrix over all rows multiplies a block, see `Kernel.kernel_matrix`.
    gets : str
        "numpy" or "torch", what rows that are tensors are handed over as.

    Examples
    --------
    >>> kernel = FunctionKernel(lambda a, b, power: (a @ b.T) ** power, {"power": 2})
    >>> kernel.block(torch.tensor([[1.0, 0.0], [3.0, 1.0]]), torch.ones(1, 2))
    tensor([[ 1.],
            [16.]])
    """

    def __init__(
        self, function: Callable[..., Any], parameters: Mapping[str, Any], *, gets: str = "numpy"
    ) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        self.function = function
        self.parameters = dict(parameters)
        self.gets = gets

    def prepare(self, rows: Any) -> Any:
        return rows

    def block(self, a: Any, b: Any, out: Tensor | None = None) -> Tensor:
        first = self._handed_over(a)
        if same_rows(a, b):
            values = self._symmetric(self._checked(first, first, a))
        else:
            values = self._checked(first, self._handed_over(b), a)
        # The function may have returned memory that is not the caller's to overwrite.
        return values.clone() if out is None else out.copy_(values)

    def diagonal(self, a: Any, height: int = 32) -> Tensor:
        # Small blocks: the function may be slow for each call as well as for each value.
        parts = [a[start : start + height] for start in range(0, a.shape[0], height)]
        return torch.cat([self.block(part, part).diagonal() for part in parts])

    def kernel_matrix(self, rows: Any, storage: float, processes: Any) -> Any:
        own = getattr(self.function, "kernel_matrix", None)
        if own is None:
            return None
        return own(self._handed_over(rows), storage=storage, processes=processes, **self.parameters)

    def _handed_over(self, rows: Any) -> Any:
        return rows.detach().cpu().numpy() if isinstance(rows, Tensor) and self.gets == "numpy" else rows

    def _checked(self, first: Any, second: Any, rows: Any) -> Tensor:
        """Call the function; its values as a tensor of the dtype and on the device of `rows`."""
        try:
            returned = self.function(first, second, **self.parameters)
        except Exception as error:
            if scipy.sparse.issparse(first):
                raise TypeError(
                    f"expected kernel function {self.name!r} to take sparse rows, got {type(error).__name__}:"
                    f" {error}; pass dense rows"
                ) from error
            error.add_note(f"raised by kernel function {self.name!r}; {_TWO_VECTORS}")
            raise
        values = returned.detach() if isinstance(returned, Tensor) else torch.from_numpy(self._real(returned))
        expected = (first.shape[0], second.shape[0])
        if tuple(values.shape) != expected:
            raise ValueError(
                f"expected kernel function {self.name!r} to return values of shape {expected}, "
                f"got {tuple(values.shape)}; {_TWO_VECTORS}"
            )
        values = values.to(rows.device, rows.dtype) if isinstance(rows, Tensor) else values.to(_dtype(rows))
        if not bool(torch.isfinite(values).all()):
            raise ValueError(
                f"expected kernel function {self.name!r} to return finite values, got NaN or infinity"
            )
        return values

    def _real(self, returned: Any) -> NDArray[Any]:
        array = np.asarray(returned)
        if array.dtype.kind not in "fiub":
            raise ValueError(
                f"expected kernel function {self.name!r} to return real numbers, got {array.dtype}"
            )
        return np.require(array, np.float32 if array.dtype == np.float32 else np.float64, ["C", "W"])

    def _symmetric(self, values: Tensor) -> Tensor:
        asymmetry = float((values - values.T).abs().max())
        if asymmetry > torch.finfo(values.dtype).eps ** 0.5 * float(values.abs().max()):
            raise ValueError(
                f"expected kernel function {self.name!r} to be symmetric, got k(x, y) and k(y, x) that "
                f"differ by {asymmetry:.3g}"
            )
        return (values + values.T).div_(2)


class SparseKernel(Kernel):
    """One of scikit-learn's kernels between CSR rows; blocks are dense tensors on the CPU.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    parameters : Mapping[str, float]
        Keyword arguments of scikit-learn's kernel.
    kind : type[Kernel]
        The same kernel of dense rows.

    Examples
    --------
    >>> rows = scipy.sparse.csr_matrix([[1.0, 0.0], [0.0, 2.0]])
    >>> SparseKernel("linear", {}, LinearKernel).block(rows, rows)
    tensor([[1., 0.],
            [0., 4.]], dtype=torch.float64)
    """

    NAMES = ("linear", "poly", "polynomial", "rbf", "sigmoid", "cosine")

    def __init__(self, name: str, parameters: Mapping[str, float], kind: type[Kernel]) -> None:
        self.name = name
        self.parameters = dict(parameters)
        # Of rbf the diagonal is known.
        self.dense = kind(**parameters) if issubclass(kind, LinearKernel) else None

    def prepare(self, rows: Any) -> Any:
        return rows.tocsr()

    def block(self, a: Any, b: Any, out: Tensor | None = None) -> Tensor:
        values = pairwise_kernels(a, b, metric=self.name, **self.parameters)
        block = torch.from_numpy(np.asarray(values)).to(_dtype(a))
        if same_rows(a, b):
            above = block.triu(1)
            block = above + above.T
            block.diagonal().copy_(self.diagonal(a))
        return block if out is None else out.copy_(block)

    def diagonal(self, a: Any) -> Tensor:
        if self.dense is None:
            return torch.ones(a.shape[0], dtype=_dtype(a))
        # Of the rows x only x.x matters, so the norms stand for them as rows of one feature.
        norms = scipy.sparse.linalg.norm(a.astype(np.float64), axis=1)
        rows = torch.from_numpy(norms[:, None])
        return self.dense.diagonal(self.dense.prepare(rows)).to(_dtype(a))


def _dtype(rows: Any) -> torch.dtype:
    return torch.from_numpy(rows.data[:0]).dtype
