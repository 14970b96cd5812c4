"""A kernel about one row, which is positive where the kernel is so only once it is centred."""

from typing import Any

import scipy.sparse
import torch
from torch import Tensor

from eigenstep.kernel.functions._kernel import Kernel, same_rows


class AnchoredKernel(Kernel):
    """k(x, y) - k(x, z) - k(z, y) + k(z, z), for an anchor row z: of features less those of z.

    Centred over any rows it is the kernel k centred over them. It is positive semi-definite if, and only if,
    k is so on weights of sum zero. Source: Berg, Christensen, Ressel, Harmonic Analysis on Semigroups, 1984,
    lemma 3.2.1.

    Parameters
    ----------
    anchor : Any
        The prepared row z, (1, ...).

    Examples
    --------
    >>> from eigenstep.kernel.functions import make_kernel
    >>> rows = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    >>> kernel = make_kernel("additive_chi2", rows)
    >>> AnchoredKernel(kernel, rows[:1]).block(rows, rows)
    tensor([[0.0000, 0.0000, 0.0000],
            [0.0000, 1.3333, 2.0000],
            [0.0000, 2.0000, 4.0000]])
    """

    def __init__(self, kernel: Kernel, anchor: Any) -> None:
        self.name = kernel.name
        self.kernel, self.anchor = kernel, anchor

    def prepare(self, rows: Any) -> Any:
        return self.kernel.prepare(rows)

    def block(self, a: Any, b: Any, out: Tensor | None = None) -> Tensor:
        same = same_rows(a, b)
        # One call with the anchor below the rows: a kernel may be slow for each call.
        left = stacked(a, self.anchor)
        values = self.kernel.block(left, left if same else stacked(b, self.anchor))
        block = torch.sub(values[:-1, :-1], values[:-1, -1:] + values[-1:, :-1], out=out).add_(values[-1, -1])
        if same:
            block.diagonal().copy_(self.diagonal(a))
        return block

    def diagonal(self, a: Any) -> Tensor:
        own = self.kernel.diagonal(self.anchor)
        return self.kernel.diagonal(a) - 2 * self.kernel.block(a, self.anchor)[:, 0] + own

    def rounded(self, a: Any) -> Tensor:
        """Return the size of the values that the diagonal is a difference of, (n_a,)."""
        cross = self.kernel.block(a, self.anchor)[:, 0].abs()
        return torch.maximum(self.kernel.diagonal(a).abs(), cross).maximum(self.kernel.diagonal(self.anchor))


def stacked(above: Any, below: Any) -> Any:
    """Return prepared rows one below the other, tensors or CSR matrices.

    Examples
    --------
    >>> stacked(torch.ones(1, 2), torch.zeros(2, 2)).shape
    torch.Size([3, 2])
    """
    if isinstance(above, Tensor):
        return torch.cat((above, below))
    return scipy.sparse.vstack((above, below), format="csr")
