"""Stopping in order when the machine is wanted back."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import distributed as dist

from eigenstep.machine import RaiseOnce, Stopped, Terminated, on_sigterm


class Preempted(Stopped):
    """A run was asked to stop by SIGTERM and can go on.

    Attributes
    ----------
    step : int | None
        The step of the checkpoint that was written; None if the run had not come to its first step.
    """

    def __init__(self, step: int | None) -> None:
        super().__init__(
            "stopped by SIGTERM before the first step; start it again, with --resume if its folder is there"
            if step is None
            else f"stopped by SIGTERM; a checkpoint of step {step} is written, --resume goes on from it"
        )
        self.step = step


class StopRequest:
    """Whether any process has received SIGTERM: the same answer, at the same step, in all of them.

    Until `begin_steps` there is nothing to keep: a signal ends the work where it is.

    Several processes agree by a reduction that runs on the CPU while the step is computed, so the answer
    is that of the step before and no device has to wait.
    """

    def __init__(self) -> None:
        self._received = False
        self._end: RaiseOnce | None = RaiseOnce()
        self._group: Any = None
        self._pending: tuple[torch.Tensor, Any] | None = None

    def begin_steps(self) -> None:
        """From here on a signal is remembered, and the step at hand finished; called by all processes."""
        self._group = dist.new_group(backend="gloo") if dist.is_initialized() else None
        self._end = None

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
        """What happens at the signal."""
        self._received = True  # remembered too: other libraries may catch what is raised
        if self._end is not None:
            self._end(number, frame)


@contextmanager
def heed_sigterm() -> Iterator[StopRequest]:
    """Turn SIGTERM into a request while the block runs; raises Preempted for one before the first step."""
    request = StopRequest()
    with on_sigterm(request.receive):
        try:
            yield request
        except Terminated:
            raise Preempted(None) from None
