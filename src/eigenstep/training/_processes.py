"""The engine of a training: one process, or several that torchrun has started; device and precision."""

import logging
import os
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import distributed as dist

from eigenstep.machine import close_at_exit
from eigenstep.training.config import Precision, TrainConfig


def launch(config: TrainConfig) -> Fabric:
    """The engine on which a run trains; under torchrun it spans all processes of all machines.

    Raises
    ------
    ValueError
        If the device cannot be used, or the batch cannot be shared among the processes.
    """
    world, local = (int(os.environ.get(name, 1)) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if config.batch_size % world or config.batch_size < 2 * world:
        raise ValueError(
            f"expected a batch_size that {world} processes can share, two images or more each, got"
            f" {config.batch_size}; use a multiple of {world}"
        )
    options: dict[str, Any] = {"devices": local, "num_nodes": world // local} if world > 1 else {"devices": 1}
    if world > 1:
        options["strategy"] = DDPStrategy(gradient_as_bucket_view=True)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # otherwise it tells each choice made
    try:
        fabric = Fabric(accelerator=config.device, precision=_precision(config), **options)
    except (ImportError, RuntimeError, ValueError) as error:
        raise ValueError(f"device {config.device!r} cannot be used here: {error}") from error
    made_here = world > 1 and not dist.is_initialized()
    fabric.launch()
    if made_here:
        close_at_exit()
    return fabric


def best_precision(device: str) -> Precision:
    """bf16-mixed where the hardware multiplies in bfloat16, 32-true elsewhere.

    Examples
    --------
    >>> best_precision("mps")
    '32-true'
    """
    if device in ("auto", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if device in ("auto", "cpu") and torch.cpu._is_avx512_bf16_supported():
        return "bf16-mixed"
    return "32-true"


def own_threads(config: TrainConfig) -> int:
    """CPU threads of this process."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return config.threads or max(1, (os.cpu_count() or 1) // local)


def _precision(config: TrainConfig) -> Any:
    assert config.precision != "auto", "the configuration is resolved first"
    return config.precision
