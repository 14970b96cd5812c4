"""The engine of a training: one process, or several that torchrun has started; device and precision."""

import os

import torch

from eigenstep.training._engine import Engine, OneProcess
from eigenstep.training.config import Precision, TrainConfig


def launch(config: TrainConfig) -> Engine:
    """The engine on which a run trains; under torchrun it spans all processes of all machines.

    Raises
    ------
    ValueError
        If the device cannot be used, or the batch cannot be shared among the processes.

    Examples
    --------
    >>> launch(TrainConfig(device="cpu", precision="32-true", batch_size=8)).world_size
    1
    """
    world, local = (int(os.environ.get(name, 1)) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if config.batch_size % world or config.batch_size < 2 * world:
        raise ValueError(
            f"expected a batch_size that {world} processes can share, two images or more each, got"
            f" {config.batch_size}; use a multiple of {world}"
        )
    assert config.precision != "auto", "the configuration is resolved first"
    if world == 1:
        return OneProcess(config.device, config.precision)
    from eigenstep.training._several_processes import SeveralProcesses  # needs what takes long to import

    return SeveralProcesses(config.device, config.precision, world, local)


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
