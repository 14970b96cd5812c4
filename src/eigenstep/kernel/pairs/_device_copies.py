"""Copies of an object's arrays as tensors, one for each device and precision."""

import warnings
from typing import Any

import scipy.sparse
import torch
from torch import Tensor


class DeviceCopies:
    """Base of objects that keep NumPy or SciPy arrays and multiply tensors with them on any device.

    A copy is made once for each device and precision. Pickles and copies of the object leave them behind.
    """

    def _copy(self, name: str, like: Tensor) -> Tensor:
        """Return attribute `name` as a tensor on the device of `like`, and in its precision unless integer.

        SciPy CSR arrays become torch CSR tensors, which exist on CPU and CUDA.
        """
        copies = self.__dict__.setdefault("_copies", {})
        key = name, like.device, like.dtype
        if key not in copies:
            copies[key] = _tensor(getattr(self, name), like)
        return copies[key]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_copies"}


def _tensor(array: Any, like: Tensor) -> Tensor:
    if scipy.sparse.issparse(array):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            return torch.sparse_csr_tensor(
                torch.tensor(array.indptr),
                torch.tensor(array.indices),
                torch.tensor(array.data, dtype=like.dtype),
                size=array.shape,
                device=like.device,
                check_invariants=False,
            )
    dtype = like.dtype if array.dtype.kind == "f" else None
    return torch.tensor(array, dtype=dtype, device=like.device)
