"""Kernel values between views: of their pixels, or of the network whose learning is predicted."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics.pairwise import rbf_kernel
from torch import Tensor, nn

from eigenstep.encoders import Encoder, initial_encoder, load_encoder, settle_statistics
from eigenstep.kernel import empirical_ntk
from eigenstep.machine import available_memory, find_device
from eigenstep.prediction._config import PredictConfig
from eigenstep.training import TrainConfig

Matrix: TypeAlias = NDArray[np.float64]

# Of the memory that is free, for the kernel and the copies of it that the eigenproblem works on.
SHARE_OF_MEMORY, KERNEL_COPIES = 0.7, 5
# Views that pass the network at once.
VIEWS_AT_ONCE = 512


def kernel_values(
    config: PredictConfig,
    encoder: Encoder | None,
    said: list[str],
    features: Callable[[Tensor], Matrix] | None = None,
) -> Callable[[Tensor, Tensor | None], Matrix]:
    """The kernel as a function of images as the encoder takes them, (a, C, S, S) and (b, C, S, S): (a, b).

    Between the same images where the second is None, and then exactly symmetric.

    Parameters
    ----------
    encoder : Encoder | None
        For ntk, in evaluation mode.
    said : list[str]
        What the tangent kernel's computation has to remark is added here.
    features : Callable[[Tensor], Matrix] | None
        Images to features (a, p), for kernels that are linear in some; see `view_features`.

    Examples
    --------
    >>> from eigenstep.prediction import PredictConfig
    >>> kernel = kernel_values(PredictConfig(kernel="linear"), None, [])
    >>> images = torch.ones(3, 1, 2, 2)
    >>> kernel(images, 0.5 * images[:1])
    array([[2.],
           [2.],
           [2.]])
    """
    if config.kernel == "ntk":
        assert encoder is not None, "the caller builds the network that ntk needs"
        return _tangent_kernel(config, encoder, said)

    def values(first: Tensor, second: Tensor | None = None) -> Matrix:
        of = features or _rows
        left = of(first)
        right = left if second is None else of(second)
        if config.kernel != "rbf":
            return _symmetric(left @ right.T, second is None)
        return _symmetric(rbf_kernel(left, right, gamma=config.rbf_gamma), second is None)

    return values


def check_memory(views: int) -> None:
    """Raise ValueError if a kernel matrix of so many views, and what is done with it, cannot fit."""
    needed, free = KERNEL_COPIES * 8 * views**2, available_memory()
    if free is not None and needed > SHARE_OF_MEMORY * free:
        raise ValueError(
            f"the kernel of {views:,} views and its modes take about {needed / 2**30:.1f} GiB, of which"
            f" {free / 2**30:.1f} GiB are free; set a smaller --pairs"
        )


def network_at(
    config: TrainConfig, run: str | Path | None, at: str, views: Tensor, device: str = "cpu"
) -> Encoder:
    """The encoder in evaluation mode at "init", at "final" or at a step of a run, on the device.

    Before training, batch normalisation gets the statistics of the given views, as it would see them in
    training: it has none of its own. Raises what `load_encoder` raises, ValueError for a step without a run.
    """
    place = find_device(device)
    if at == "init":
        encoder = initial_encoder(config).to(place)
        settle_statistics(encoder, views)
        return encoder.eval()
    if run is None:
        raise ValueError(f"ntk.at {at} is a moment of a run: expected --run RUN, or init")
    return load_encoder(run, "last" if at == "final" else at).to(place)


def embed_views(encoder: Encoder, views: Tensor) -> Tensor:
    """Embeddings (N, d) of views (N, C, S, S), in float64 on the CPU.

    Raises
    ------
    ValueError
        For an encoder in training mode, whose embeddings depend on what else is in the batch.
    """
    if encoder.training:
        raise ValueError("expected the network in evaluation mode, got it in training mode; call .eval()")
    place = next(encoder.parameters()).device
    with torch.no_grad():
        return torch.cat(
            [encoder(part.to(place))[1].cpu() for part in torch.split(views, VIEWS_AT_ONCE)]
        ).double()


def has_batch_norm(encoder: nn.Module) -> bool:
    """Whether a view's embedding depends, in training, on the other views of its batch."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in encoder.modules())


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
