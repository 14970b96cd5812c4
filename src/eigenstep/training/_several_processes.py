"""Several processes, of one machine or many, that torchrun has started: Lightning Fabric as an engine."""

import logging
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn
from torch import distributed as dist

from eigenstep.machine import close_at_exit
from eigenstep.training._engine import Engine, Module


class SeveralProcesses(Engine):
    """One of `world` processes of a training, `local` of which are on this machine.

    Raises
    ------
    ValueError
        In one line for a device that cannot be used here.
    """

    def __init__(self, device: str, precision: str, world: int, local: int) -> None:
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # otherwise it tells each choice made
        try:
            self._fabric = Fabric(
                accelerator=device,
                precision=cast(Any, precision),
                devices=local,
                num_nodes=world // local,
                strategy=DDPStrategy(gradient_as_bucket_view=True),
            )
        except (ImportError, RuntimeError, ValueError) as error:
            raise ValueError(f"device {device!r} cannot be used here: {error}") from error
        made_here = not dist.is_initialized()
        self._fabric.launch()
        if made_here:
            close_at_exit()
        self._strategy = self._fabric.strategy
        self.device = self._fabric.device
        self.global_rank, self.world_size = self._fabric.global_rank, self._fabric.world_size
        self.scaler = getattr(self._strategy.precision, "scaler", None)

    def autocast(self) -> AbstractContextManager[Any]:
        return self._fabric.autocast()

    def to_device(self, module: Module) -> Module:
        module = cast(Module, self._strategy.precision.convert_module(module))
        self._strategy.module_to_device(module)
        return module

    def wrap(self, module: nn.Module) -> nn.Module:
        return self._strategy.setup_module(module)

    def backward(self, loss: Tensor) -> None:
        self._fabric.backward(loss)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        self._strategy.optimizer_step(optimizer)

    def broadcast(self, value: Any) -> Any:
        return self._fabric.broadcast(value)
