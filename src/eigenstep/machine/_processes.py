"""The processes of a group as one: who leads, and what all of them hold together.

Plain functions over torch.distributed. Without an initialised group, or in a group of one, each gives what
this process has. In a group all processes must call them, in the same order.
"""

import atexit
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable

Value = TypeVar("Value")


def world_size() -> int:
    """How many processes there are: 1 unless a process group is initialised.

    Examples
    --------
    >>> world_size()
    1
    """
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def own_rank() -> int:
    """The place of this process among them: 0 unless a process group is initialised.

    Examples
    --------
    >>> own_rank()
    0
    """
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def is_leader() -> bool:
    """Whether this is the process that writes; before the group is initialised, as the launcher says.

    Examples
    --------
    >>> is_leader()
    True
    """
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank() == 0
    return os.environ.get("RANK", "0") == "0"


def close_at_exit() -> None:
    """Close the group that was just made when this process ends.

    gloo's threads, where they still run as the interpreter goes, abort a process that has done all its work.
    A group that somebody else has closed or replaced by then is closed as well, or is gone already.

    Examples
    --------
    >>> close_at_exit()  # after dist.init_process_group; without a group there is nothing to close
    """
    atexit.register(_close)


def row_counts(own: int, device: torch.device) -> list[int]:
    """How many rows each process has: collectives on wrongly assumed sizes hang or mix up rows.

    Parameters
    ----------
    device : torch.device
        One that the group can carry tensors of.

    Examples
    --------
    >>> row_counts(128, torch.device("cpu"))
    [128]
    """
    if world_size() == 1:
        return [own]
    counts = torch.empty(world_size(), dtype=torch.int64, device=device)
    _all_gather(counts, torch.tensor([own], device=device))
    found: list[int] = counts.tolist()
    return found


def gather_rows(rows: Tensor, counts: Sequence[int] | None = None) -> Tensor:
    """The rows (n, ...) of all processes, in the order of their ranks; differentiable.

    The gradient that arrives at a process's own rows is that of the sum of all processes' results.

    Parameters
    ----------
    counts : Sequence[int] | None
        How many rows each process brings, where that is known; they are asked for otherwise.

    Examples
    --------
    >>> gather_rows(torch.ones(3, 2)).shape
    torch.Size([3, 2])
    """
    if world_size() == 1:
        return rows
    known = row_counts(len(rows), rows.device) if counts is None else list(counts)
    gathered: Tensor = _GatherRows.apply(rows, known)
    return gathered


def gather_later(rows: Tensor, capacity: int) -> Callable[[], Tensor]:
    """Gather rows (..., n, d) by one collective that does not wait for the device.

    Processes may bring other numbers of rows, none too, but not more than `capacity`, the same for all. What
    is returned gives the rows of all, (..., N, d), waits for the device, and may be called in another thread.

    Examples
    --------
    >>> gathered = gather_later(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), capacity=8)
    >>> gathered()  # of one process, its own
    tensor([[1., 2.],
            [3., 4.]])
    """
    *lead, count, dim = rows.shape
    # In the first place the number of rows, which the half precisions could not hold.
    dtype = torch.promote_types(rows.dtype, torch.float32)
    width = math.prod(lead) * capacity * dim
    slots = torch.zeros(world_size(), 1 + width, dtype=dtype, device=rows.device)
    own = slots[own_rank()]
    own[0] = count
    own[1:].view(*lead, capacity, dim)[..., :count, :] = rows
    if world_size() > 1:
        dist.all_reduce(slots)

    def gathered() -> Tensor:
        shares = slots[:, 1:].reshape(-1, *lead, capacity, dim)
        counts = slots[:, 0].long().tolist()
        return torch.cat([share[..., :n, :] for share, n in zip(shares, counts, strict=True)], dim=-2)

    return gathered


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of the processes' values, in a tensor of its own; of one process the value itself.

    Examples
    --------
    >>> sum_over_processes(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return _reduced(value, dist.ReduceOp.SUM) if world_size() > 1 else value


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of the processes' values.

    Examples
    --------
    >>> mean_over_processes(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return sum_over_processes(value) / world_size() if world_size() > 1 else value


def max_over_processes(value: Tensor) -> Tensor:
    """The largest of the processes' values.

    Examples
    --------
    >>> max_over_processes(torch.tensor(3.0))
    tensor(3.)
    """
    return _reduced(value, dist.ReduceOp.MAX) if world_size() > 1 else value


def same_everywhere(value: Tensor) -> Tensor:
    """The leader's values, bit by bit, in all processes; the argument may be overwritten.

    Examples
    --------
    >>> same_everywhere(torch.tensor([0.5, 0.25]))
    tensor([0.5000, 0.2500])
    """
    if world_size() == 1:
        return value
    carried = value.contiguous()
    dist.broadcast(carried, src=0)
    return carried


def gather_objects(value: Value) -> list[Value]:
    """The values of all processes, in the order of their ranks; anything that can be pickled.

    Examples
    --------
    >>> gather_objects({"rank": own_rank(), "images": 128})
    [{'rank': 0, 'images': 128}]
    """
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def on_leader(work: Callable[[], Value]) -> Value:
    """What `work` gives in the first process, in all of them; its error is raised in all of them.

    Examples
    --------
    >>> on_leader(lambda: "written once")
    'written once'
    """
    outcome: list[tuple[Any, Exception | None]] = [(None, None)]
    if own_rank() == 0:
        try:
            outcome = [(work(), None)]
        except Exception as error:
            outcome = [(None, error)]
    if world_size() > 1:
        dist.broadcast_object_list(outcome, src=0)
    ((result, failure),) = outcome
    if failure is not None:
        raise failure
    found: Value = result
    return found


def _reduced(value: Tensor, operation: Any) -> Tensor:
    # A copy, for others may hold the same tensor: autograd does.
    total = value.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total, operation)
    return total


def _all_gather(gathered: Tensor, own: Tensor) -> None:
    """Fill `gathered` with the processes' tensors, one after the other along the first dimension."""
    # torch 2.14 has renamed it, and warns of the old name.
    collective = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    collective(gathered, own)


def _close() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


class _GatherRows(torch.autograd.Function):
    """Concatenate the ranks' rows; backwards, sum the ranks' gradients and keep the own rows.

    Written on the plain collectives since torch.distributed.nn.functional is deprecated.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        longest = max(counts)
        padded = rows.contiguous()
        if len(rows) < longest:
            padded = rows.new_zeros(longest, *rows.shape[1:])
            padded[: len(rows)] = rows
        gathered = rows.new_empty(len(counts) * longest, *rows.shape[1:])
        _all_gather(gathered, padded)
        if min(counts) == longest:
            return gathered
        blocks = gathered.view(len(counts), longest, *rows.shape[1:])
        return torch.cat([block[:count] for block, count in zip(blocks, counts, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        start, own = sum(ctx.counts[: own_rank()]), ctx.counts[own_rank()]
        return sum_over_processes(gradient)[start : start + own], None
