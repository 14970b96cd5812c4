"""The processes that share one computation, and which rows each of them keeps."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.machine import close_at_exit, gather_rows, same_everywhere, sum_over_processes


class Processes:
    """One process alone: every sum is its own, every row is its share."""

    rank = 0
    size = 1

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes; for one alone the tensor itself."""
        return tensor

    def gather_rows(self, local: Tensor, n_rows: int) -> Tensor:
        """Stack every process's share (n_local, b) to (n_rows, b), in the order of `share`."""
        return local

    def same(self, tensor: Tensor) -> Tensor:
        """Give every process the first one's values, bit by bit; the argument may be overwritten."""
        return tensor

    def share(self, n_rows: int) -> slice:
        """Return the consecutive rows that this process keeps."""
        return slice(self.rank * n_rows // self.size, (self.rank + 1) * n_rows // self.size)

    def where(self, true: bool) -> list[int]:
        """Return the ranks in which something is true."""
        flags = torch.zeros(self.size)
        flags[self.rank] = float(true)
        return self.sum(flags).nonzero().ravel().tolist()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Fail in every process if a block fails in one, where the others would wait for it for ever.

        The block must not communicate. ValueError in the processes whose own block went well.
        """
        try:
            yield
        except Exception:
            self.where(True)
            raise
        failed = self.where(False)
        if failed:
            raise ValueError(
                f"expected all of {self.size} processes to go on, got an error in rank {_listed(failed)}; its"
                " own message says what to do"
            )


class _ProcessGroup(Processes):
    def __init__(self) -> None:
        self.rank = torch.distributed.get_rank()
        self.size = torch.distributed.get_world_size()
        nccl = torch.distributed.get_backend() == "nccl"
        self._device = torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")

    def sum(self, tensor: Tensor) -> Tensor:
        return sum_over_processes(tensor.to(self._device)).to(tensor.device)

    def gather_rows(self, local: Tensor, n_rows: int) -> Tensor:
        # A sum of shares padded with zeros would do, at twice the traffic; shares differ by a row at most.
        bounds = [rank * n_rows // self.size for rank in range(self.size + 1)]
        counts = [end - start for start, end in pairwise(bounds)]
        return gather_rows(local.to(self._device), counts).to(local.device)

    def same(self, tensor: Tensor) -> Tensor:
        return same_everywhere(tensor.to(self._device)).to(tensor.device)


ALONE = Processes()


def join_processes(distributed: bool, device: torch.device) -> Processes:
    """Return the processes that `torchrun` started, or this one alone.

    A process group that exists is used; otherwise one is made, NCCL for CUDA devices and gloo for others.

    Raises
    ------
    RuntimeError
        The group has CUDA's backend and the data are elsewhere.
    """
    if not distributed:
        return ALONE
    if not torch.distributed.is_available():
        raise RuntimeError("distributed=True needs a PyTorch built with torch.distributed, this one is not")
    if not torch.distributed.is_initialized():
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return ALONE
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "nccl" if device.type == "cuda" else "gloo"
        torch.distributed.init_process_group(backend, timeout=datetime.timedelta(hours=2))
        close_at_exit()
    return _ProcessGroup() if torch.distributed.get_world_size() > 1 else ALONE


def check_same_data(processes: Processes, fingerprint: NDArray[np.float64]) -> None:
    """Refuse to go on, in every process, when they were handed different data.

    Parameters
    ----------
    fingerprint : NDArray[np.float64]
        (q,) finite numbers that depend on the data, of the same length everywhere.
    """
    if processes.size == 1:
        return
    mine = torch.from_numpy(np.asarray(fingerprint, dtype=np.float64).copy())
    first = processes.same(mine.clone())
    # Sums on machines of other kinds may be rounded otherwise.
    differ = processes.where(bool(((mine - first).abs() > 1e-9 * first.abs()).any()))
    if differ:
        raise ValueError(
            f"expected every process to call fit with the same data and parameters, got others in rank"
            f" {_listed(differ)} than in rank 0; load the whole data in each, they are dealt out inside"
        )


def _listed(ranks: list[int]) -> str:
    return ", ".join(map(str, ranks))
