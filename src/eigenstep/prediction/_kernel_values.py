"""Kernel values between views, as float64 matrices."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics.pairwise import rbf_kernel
from torch import Tensor, nn

from eigenstep.encoders import Encoder
from eigenstep.kernel import empirical_ntk
from eigenstep.machine import available_memory, find_device
from eigenstep.prediction._config import PredictConfig

Matrix: TypeAlias = NDArray[np.float64]

# Of the memory that is free: the eigenproblem works on copies of the kernel.
_SHARE, _COPIES = 0.7, 5


def kernel_values(
    config: PredictConfig, encoder: Encoder | None, said: list[str]
) -> Callable[[Tensor, Tensor | None], Matrix]:
    """The kernel as a function of images as the encoder takes them, (a, 3, S, S) and (b, 3, S, S): (a, b).

    Between the same images where the second is None, and then exactly symmetric.

    Parameters
    ----------
    encoder : for ntk, in evaluation mode
    said : what the tangent kernel's computation has to remark is added here
    """
    if config.kernel == "ntk":
        assert encoder is not None, "the caller builds the network that ntk needs"
        return _tangent_kernel(config, encoder, said)

    def values(first: Tensor, second: Tensor | None = None) -> Matrix:
        left = _rows(first)
        right = left if second is None else _rows(second)
        if config.kernel == "linear":
            return _symmetric(left @ right.T, second is None)
        return _symmetric(rbf_kernel(left, right, gamma=config.rbf_gamma), second is None)

    return values


def check_memory(views: int) -> None:
    """Raise ValueError if a kernel matrix of so many views, and what is done with it, cannot fit."""
    needed, free = _COPIES * 8 * views**2, available_memory()
    if free is not None and needed > _SHARE * free:
        raise ValueError(
            f"the kernel of {views:,} views and its modes take about {needed / 2**30:.1f} GiB, of which"
            f" {free / 2**30:.1f} GiB are free; set a smaller --pairs"
        )


def _tangent_kernel(
    config: PredictConfig, encoder: Encoder, said: list[str]
) -> Callable[[Tensor, Tensor | None], Matrix]:
    embedding = nn.Sequential(encoder.backbone, encoder.projector)
    outputs = int(config.ntk.outputs) if config.ntk.outputs.isdecimal() else config.ntk.outputs

    def values(first: Tensor, second: Tensor | None = None) -> Matrix:
        found = empirical_ntk(
            embedding,
            first,
            second,
            outputs=outputs,
            chunk_size=config.ntk.chunk_size,
            dtype=getattr(torch, config.ntk.dtype),
            device=find_device(config.device),
            random_state=config.seed,
        )
        said.extend(note for note in found.notes if note not in said)
        return _symmetric(found.matrix.double().numpy(), second is None)

    return values


def _rows(images: Tensor) -> Matrix:
    return images.flatten(1).double().numpy()


def _symmetric(values: Matrix, same: bool) -> Matrix:
    return (values + values.T) / 2 if same else values
