"""`NTKKernel`: a network's tangent kernel as the `kernel=` of `ContrastiveKernelPCA`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eigenstep.kernel._processes import ALONE, Processes
from eigenstep.kernel.ntk._empirical import empirical_ntk
from eigenstep.kernel.ntk._operator import NTKOperator
from eigenstep.kernel.solvers._kernel_matrix import KernelMatrix, StoredKernelMatrix


class NTKKernel:
    """The empirical tangent kernel of a model between blocks of samples, for `ContrastiveKernelPCA(kernel=)`.

    The dense solver and `transform` call it; solver="krylov" asks it for the whole matrix over the views,
    which is stored where it fits the solver's memory, and otherwise multiplied with by sweeps over the views.

    Parameters
    ----------
    stored : False never stores the matrix
    dtype : by default that of the samples, float32 or float64
    model, outputs, chunk_size, device, random_state : as in `empirical_ntk`; outputs="random" needs a seed,
        so that each block is of the same combination

    Examples
    --------
    >>> from eigenstep import ContrastiveKernelPCA
    >>> model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
    >>> x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    >>> ContrastiveKernelPCA(2, kernel=NTKKernel(model)).fit(x, x + 0.1).transform(x).shape
    torch.Size([50, 2])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        outputs: str | int = "mean",
        stored: bool = True,
        chunk_size: int | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.stored = stored
        self._dtype = dtype
        self._options: dict[str, Any] = {
            "outputs": outputs,
            "chunk_size": chunk_size,
            "device": device,
            "random_state": random_state,
        }

    def __call__(self, X: Any, Y: Any) -> Any:
        """Return the kernel values (n, m)."""
        second = None if Y is X else Y
        return empirical_ntk(self.model, X, second, dtype=self._dtype_of(X), **self._options).matrix

    def kernel_matrix(
        self, X: Any, storage: float = float("inf"), processes: Processes = ALONE
    ) -> KernelMatrix:
        """Return the kernel over samples (N, ...) as an operator, stored if `storage` bytes hold it."""
        dtype = self._dtype_of(X)
        if self.stored and len(X) ** 2 * dtype.itemsize <= storage:
            matrix = empirical_ntk(self.model, X, dtype=dtype, **self._options).matrix
            return StoredKernelMatrix(torch.as_tensor(matrix), processes)
        return NTKOperator(self.model, X, dtype=dtype, **self._options)

    def _dtype_of(self, samples: Tensor | np.ndarray) -> torch.dtype:
        if self._dtype is not None:
            return self._dtype
        return torch.float32 if str(samples.dtype).endswith("float32") else torch.float64
