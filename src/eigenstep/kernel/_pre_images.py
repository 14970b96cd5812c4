"""From embeddings back to rows: kernel ridge regression, as scikit-learn's KernelPCA has it."""

from __future__ import annotations

import torch
from torch import Tensor

from eigenstep.kernel.functions import Kernel

# Kernel values computed at a time.
_ENTRIES = 2**24


class PreImages:
    """Rows whose embeddings are near given ones, learned from rows X and their embeddings Z.

        x(z) = k(z, Z) (k(Z, Z) + alpha I)^{-1} X

    Source: Bakır, Weston, Schölkopf, "Learning to find pre-images", NeurIPS 2003.

    Parameters
    ----------
    kernel : Kernel
        k, of embeddings.
    embeddings : Tensor
        (m, k) Z, float64.
    rows : Tensor
        (m, p) X, float64.
    alpha : float
        Ridge.

    Raises
    ------
    ValueError
        A ridge that leaves the system without a solution.

    Examples
    --------
    >>> from eigenstep.kernel.functions import make_kernel
    >>> z = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    >>> PreImages(make_kernel("linear", z), z, 3 * z, alpha=1e-12)(z).round(decimals=6).ravel()
    tensor([3., 6.], dtype=torch.float64)
    """

    def __init__(self, kernel: Kernel, embeddings: Tensor, rows: Tensor, alpha: float) -> None:
        self._kernel, self._prepared = kernel, kernel.prepare(embeddings)
        system = kernel.block(self._prepared, self._prepared)
        system.diagonal().add_(alpha)
        factor, failed = torch.linalg.cholesky_ex(system)
        if failed:
            raise ValueError(
                f"expected a ridge that makes the kernel of the embeddings positive, got alpha={alpha};"
                " raise it, or set fit_inverse_transform=False"
            )
        self._weights = torch.cholesky_solve(rows, factor)

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Return rows (n, p) for embeddings (n, k), float64."""
        parts = embeddings.split(max(1, _ENTRIES // len(self._weights)))
        return torch.cat(
            [self._kernel.block(self._kernel.prepare(part), self._prepared) @ self._weights for part in parts]
        )
