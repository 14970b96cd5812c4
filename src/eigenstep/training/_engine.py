"""What a training computes on: device, precision, and one process; several are `SeveralProcesses`."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from eigenstep.machine import find_device

Module = TypeVar("Module", bound=nn.Module)


class Engine(ABC):
    """Where and how a training computes.

    Attributes
    ----------
    device : torch.device
        Of this process.
    global_rank, world_size : int
        This process's place among all, and how many there are.
    scaler : torch.amp.GradScaler | None
        What scales the loss, in 16-mixed.
    """

    device: torch.device
    global_rank: int = 0
    world_size: int = 1
    scaler: torch.amp.GradScaler | None = None

    @property
    def is_global_zero(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.global_rank == 0

    @abstractmethod
    def autocast(self) -> AbstractContextManager[Any]:
        """The context of forward passes."""

    @abstractmethod
    def to_device(self, module: Module) -> Module:
        """The module itself, on the device and in the precision of the weights."""

    @abstractmethod
    def wrap(self, module: nn.Module) -> nn.Module:
        """The module as it is called: of several processes one that averages gradients over them."""

    @abstractmethod
    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradient to that of all parameters, scaled where there is a scaler."""

    @abstractmethod
    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """One step of the optimiser; with a scaler none where a gradient is not finite."""

    def broadcast(self, value: Any) -> Any:
        """The first process's value, in every process."""
        return value

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs of the precision."""
        return self.scaler.state_dict() if self.scaler else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        if self.scaler:
            self.scaler.load_state_dict(state)


class OneProcess(Engine):
    """One process on one device, by torch alone: to import Lightning Fabric takes seconds.

    It computes as Fabric does, bit by bit.

    Parameters
    ----------
    device : str
        auto, cpu, cuda or mps.
    precision : str
        32-true, 64-true, bf16-mixed or 16-mixed; on a CPU the last becomes bf16-mixed, with a warning.

    Raises
    ------
    ValueError
        In one line for a device that cannot be used here.

    Examples
    --------
    >>> engine = OneProcess("cpu", "64-true")
    >>> engine.to_device(nn.Linear(2, 3)).weight.dtype
    torch.float64
    """

    def __init__(self, device: str = "auto", precision: str = "32-true") -> None:
        if device == "auto":
            device = "mps" if torch.backends.mps.is_available() else "auto"
        self.device = find_device(device)
        if self.device.type == "cuda":
            self.device = torch.device("cuda", self.device.index or 0)
            torch.cuda.set_device(self.device)
        if precision == "16-mixed" and self.device.type == "cpu":
            warnings.warn("precision 16-mixed is not for CPUs; bf16-mixed is used", stacklevel=2)
            precision = "bf16-mixed"
        self.precision = precision
        if precision == "16-mixed":
            self.scaler = torch.amp.GradScaler(self.device.type)

    def autocast(self) -> AbstractContextManager[Any]:
        if self.precision == "64-true":
            return _default_dtype(torch.float64)
        if self.precision == "32-true":
            return nullcontext()
        dtype = torch.float16 if self.precision == "16-mixed" else torch.bfloat16
        return torch.autocast(self.device.type, dtype=dtype)

    def to_device(self, module: Module) -> Module:
        if self.precision == "64-true":
            module.double()
        return module.to(self.device)

    def wrap(self, module: nn.Module) -> nn.Module:
        return module

    def backward(self, loss: Tensor) -> None:
        (self.scaler.scale(loss) if self.scaler else loss).backward()

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
