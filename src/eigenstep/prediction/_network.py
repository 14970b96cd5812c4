"""The network whose learning is predicted: at its start, and at the moment whose tangent kernel is used."""

from pathlib import Path

import torch
from torch import Tensor, nn

from eigenstep.encoders import Encoder, initial_encoder, load_encoder
from eigenstep.machine import find_device
from eigenstep.training import TrainConfig

_BATCH = 512


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
    """Embeddings (N, d) of views (N, 3, S, S), in float64 on the CPU.

    Raises ValueError for an encoder in training mode, whose embeddings depend on what else is in the batch.
    """
    if encoder.training:
        raise ValueError("expected the network in evaluation mode, got it in training mode; call .eval()")
    place = next(encoder.parameters()).device
    with torch.no_grad():
        return torch.cat([encoder(part.to(place))[1].cpu() for part in views.split(_BATCH)]).double()


def settle_statistics(encoder: nn.Module, views: Tensor) -> None:
    """Set the running statistics of batch normalisation to the views' own, whatever they were."""
    norms = [module for module in encoder.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    tracked = [norm for norm in norms if norm.track_running_stats]
    if not tracked:
        return
    momenta = [norm.momentum for norm in tracked]
    modes = {module: module.training for module in encoder.modules()}
    for norm in tracked:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    encoder.train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for part in views.tensor_split(-(-len(views) // (2 * _BATCH))):
            encoder(part.to(next(encoder.parameters()).device))
    for norm, momentum in zip(tracked, momenta, strict=True):
        norm.momentum = momentum
    for module, mode in modes.items():
        module.training = mode


def has_batch_norm(encoder: nn.Module) -> bool:
    """Whether a view's embedding depends, in training, on the other views of its batch."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in encoder.modules())
