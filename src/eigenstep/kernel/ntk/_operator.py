"""A tangent kernel that is never stored, and as the `kernel=` of `ContrastiveKernelPCA`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eigenstep.kernel._processes import ALONE, Processes
from eigenstep.kernel.ntk._empirical import empirical_ntk
from eigenstep.kernel.ntk._layers import Layer
from eigenstep.kernel.ntk._samples import tensor_of
from eigenstep.kernel.ntk._subject import SampleGradients, Subject, bytes_to_use
from eigenstep.kernel.solvers import KernelMatrix, StoredKernelMatrix


class NTKOperator(KernelMatrix):
    """The empirical tangent kernel of a model on samples as an operator: two sweeps for a block of columns.

        Theta V = 1/O sum_o J_o (J_o^T V)

    The first sweep over the samples pulls V back to the parameters, the second pushes that forward again;
    what a vector-Jacobian and a Jacobian-vector product do for a column, per-sample gradients do here for all
    columns of V at once. Memory is O(P b) for P parameters and b columns.

    Parameters
    ----------
    model, X, outputs, chunk_size, dtype, device, random_state
        As in `empirical_ntk`.
    memory_budget : float | None
        Bytes for the block at the parameters; outputs take turns where they do not fit together. By default
        30 % of what is free.

    Raises
    ------
    ValueError
        As `empirical_ntk`.

    Examples
    --------
    >>> operator = NTKOperator(nn.Linear(3, 2), torch.eye(3))
    >>> operator.product(torch.ones(3, 1)).ravel().round()
    tensor([4., 4., 4.])
    """

    def __init__(
        self,
        model: nn.Module,
        X: Any,
        *,
        outputs: str | int = "mean",
        chunk_size: int | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        memory_budget: float | None = None,
        random_state: Any = None,
    ) -> None:
        self._subject = Subject(
            model,
            [X],
            outputs=outputs,
            chunk_size=chunk_size,
            dtype=dtype,
            device=device,
            random_state=random_state,
        )
        self._single = self._subject.samples.single
        self.n_views = 1 if self._single else len(self._subject.samples)
        self._budget = bytes_to_use(memory_budget, 0.3, self._subject.network.device)

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_views, self.n_views

    @property
    def notes(self) -> tuple[str, ...]:
        """Parameters without a formula and why, and parameters that outputs do not depend on."""
        return self._subject.survey.notes

    def product(self, block: Any) -> Any:
        """Return Theta V (n, b) for V (n, b): an array for an array, a tensor on V's device for a tensor.

        Of V's dtype, or of the computation's for integers.

        Raises
        ------
        ValueError
            No array or tensor of real numbers, or one of another shape.
        """
        given = tensor_of(block, "block")
        if given.ndim != 2 or len(given) != self.n_views:
            raise ValueError(
                f"expected a block of {self.n_views} rows (n, b), got shape {tuple(given.shape)}"
            )
        network = self._subject.network
        columns = given.to(network.device, network.dtype)
        if self._single:
            columns = torch.cat((columns, torch.zeros_like(columns)))
        total = torch.zeros_like(columns)
        for cotangents in self._groups(columns):
            gradients = SampleGradients(self._subject, cotangents)
            self._push(self._pull(columns, gradients, len(cotangents)), gradients, total)
        dtype = given.dtype if given.is_floating_point() else network.dtype
        product = total[: self.n_views].to(given.device, dtype)
        return product if isinstance(block, Tensor) else product.numpy()

    def _groups(self, columns: Tensor) -> tuple[Tensor, ...]:
        """Return the cotangents in groups whose pulled-back blocks fit the budget."""
        size = self._subject.network.n_parameters * columns.shape[1] * columns.element_size()
        return self._subject.cotangents.split(max(1, int(self._budget // max(size, 1))))

    def _pull(self, columns: Tensor, gradients: SampleGradients, cotangents: int) -> dict[Layer, Tensor]:
        """Return J^T V of each layer, (K P, b)."""
        pulled = {
            layer: columns.new_zeros(cotangents * layer.size, columns.shape[1])
            for layer in self._subject.all_layers
        }
        for where in gradients.batches():
            for layer in self._subject.all_layers:
                for offset, rows in gradients.pieces(layer):
                    pulled[layer][offset : offset + rows.shape[1]].addmm_(rows.T, columns[where])
        return pulled

    def _push(self, pulled: dict[Layer, Tensor], gradients: SampleGradients, total: Tensor) -> None:
        """Add J W, (n, b), to the total, for W of all layers."""
        for where in gradients.batches():
            for layer in self._subject.all_layers:
                for offset, rows in gradients.pieces(layer):
                    total[where].addmm_(rows, pulled[layer][offset : offset + rows.shape[1]])


class NTKKernel:
    """The empirical tangent kernel of a model between blocks of samples, for `ContrastiveKernelPCA(kernel=)`.

    The dense solver and `transform` call it; solver="krylov" asks it for the whole matrix over the views,
    which is stored where it fits the solver's memory, and otherwise multiplied with by sweeps over the views.

    Parameters
    ----------
    stored : bool
        False never stores the matrix.
    dtype : torch.dtype | None
        By default that of the samples, float32 or float64.
    model, outputs, chunk_size, device, random_state
        As in `empirical_ntk`; outputs="random" needs a seed, so that each block is of the same combination.

    Examples
    --------
    >>> from eigenstep import ContrastiveKernelPCA
    >>> model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
    >>> x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    >>> ContrastiveKernelPCA(2, kernel=NTKKernel(model), y_is="view").fit(x, x + 0.1).transform(x).shape
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
