"""Statistics for batch normalisation that has none yet, or others."""

import torch
from torch import Tensor, nn

# Images in a batch, at most.
_AT_ONCE = 1024


def settle_statistics(network: nn.Module, images: Tensor, at_once: int = _AT_ONCE) -> None:
    """Set the running statistics of batch normalisation to the images' own, whatever they were.

    Every module's mode, and the random state, are afterwards what they were.

    Parameters
    ----------
    images : Tensor
        (n, C, H, W) as they go in.
    at_once : int
        Images that pass at once, at most; the statistics are the mean over these batches.

    Examples
    --------
    >>> network = nn.Sequential(nn.BatchNorm2d(1))
    >>> settle_statistics(network, torch.full((4, 1, 2, 2), 3.0))
    >>> network[0].running_mean
    tensor([3.])
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    tracked = [norm for norm in norms if norm.track_running_stats]
    if not tracked:
        return
    momenta = [norm.momentum for norm in tracked]
    modes = {module: module.training for module in network.modules()}
    for norm in tracked:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for part in images.tensor_split(-(-len(images) // at_once)):
            network(part.to(next(network.parameters()).device))
    for norm, momentum in zip(tracked, momenta, strict=True):
        norm.momentum = momentum
    for module, mode in modes.items():
        module.training = mode
