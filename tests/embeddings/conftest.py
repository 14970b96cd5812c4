"""Embeddings in a file of any kind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from safetensors.torch import save_file


@pytest.fixture
def save(tmp_path) -> Callable[..., Path]:
    """`save(".npz", features=array, label=array)`: a file of named arrays; an .npy file holds the first."""

    def write(suffix: str, **arrays: np.ndarray) -> Path:
        path = tmp_path / f"embeddings{suffix}"
        if suffix == ".npy":
            np.save(path, next(iter(arrays.values())))
        elif suffix == ".npz":
            np.savez(path, **arrays)
        elif suffix == ".pt":
            torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
        elif suffix == ".safetensors":
            save_file({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
        else:
            columns = {
                name: pa.array(array)
                if array.ndim == 1
                else pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array.shape[1])
                for name, array in arrays.items()
            }
            parquet.write_table(pa.table(columns), path, row_group_size=1000)
        return path

    return write
