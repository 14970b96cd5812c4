"""Stopping in order when the machine is wanted back."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import distributed as dist

from eigenstep.machine import Stopped


class Preempted(Stopped):
    """A run was asked to stop by SIGTERM and has written a checkpoint to go on from.

    Attributes
    ----------
    step : int
        The step that the run goes on from.
    """

    def __init__(self, step: int) -> None:
        super().__init__(
            f"stopped by SIGTERM; a checkpoint of step {step} is written, --resume goes on from it"
        )
        self.step = step


class StopRequest:
    """Whether any process has received SIGTERM: the same answer, at the same step, in all of them.

    Several processes agree by a reduction that runs on the CPU while the step is computed, so the answer
    is that of the step before and no device has to wait.
    """

    def __init__(self) -> None:
        self._received = False
        self._group: Any = dist.new_group(backend="gloo") if dist.is_initialized() else None
        self._pending: tuple[torch.Tensor, Any] | None = None

    def asked(self) -> bool:
        """To be called by all processes once a step."""
        if self._group is None:
            return self._received
        answer = False
        if self._pending is not None:
            flag, work = self._pending
            work.wait()
            answer = bool(flag)
        flag = torch.tensor([float(self._received)])
        work = dist.all_reduce(flag, dist.ReduceOp.MAX, group=self._group, async_op=True)
        self._pending = (flag, work)
        return answer

    def receive(self, number: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
        """Remember the signal; the step at hand is finished first."""
        self._received = True


@contextmanager
def heed_sigterm() -> Iterator[StopRequest]:
    """Turn SIGTERM into a request while the block runs; only the main thread can receive signals."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = signal.signal(signal.SIGTERM, request.receive)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)
