"""The samples a kernel is between, read in batches on the device where they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Samples:
    """One or two sets of samples below each other, as batches of a device and dtype.

    Parameters
    ----------
    parts : Sequence[Any]
        Arrays or tensors (n, ...) of the same sample shape; integers stay integers (tokens).
    device, dtype
        Of batches; the dtype is that of floating-point samples.

    Attributes
    ----------
    single
        Whether there is one sample only, which is then there twice.

    Raises
    ------
    ValueError
        No samples, or other than real numbers.

    Examples
    --------
    >>> samples = Samples([np.zeros((2, 3)), np.ones((2, 3))], torch.device("cpu"), torch.float32)
    >>> [batch.shape[0] for _, batch in samples.batches(2)]
    [2, 2]
    """

    def __init__(self, parts: Sequence[Any], device: torch.device, dtype: torch.dtype) -> None:
        self.parts = [tensor_of(part, name) for part, name in zip(parts, ("X", "Y", "Y", "Y"), strict=False)]
        self.device, self.dtype = device, dtype
        first = self.parts[0]
        for part in self.parts[1:]:
            if (part.shape[1:], part.is_floating_point()) != (first.shape[1:], first.is_floating_point()):
                raise ValueError(
                    f"expected X and Y with samples of one shape and kind, got {_kind(first)} and "
                    f"{_kind(part)}"
                )
        self.single = len(self.parts) == 1 and len(first) == 1
        if self.single:
            # An axis of one sample looks like any other of size 1: two of it tell them apart.
            self.parts = [first.expand(2, *first.shape[1:])]
        self._bounds = np.cumsum([0] + [len(part) for part in self.parts])

    def __len__(self) -> int:
        return int(self._bounds[-1])

    def take(self, start: int, stop: int) -> Tensor:
        """Return samples start to stop, (b, ...); ValueError if one of them is not finite."""
        pieces = []
        for part, first, last in zip(self.parts, self._bounds[:-1], self._bounds[1:], strict=True):
            if start < last and stop > first:
                pieces.append(part[max(start - first, 0) : stop - first].to(self.device))
        batch = torch.cat(pieces) if len(pieces) > 1 else pieces[0]
        if not batch.is_floating_point():
            return batch
        batch = batch.to(self.dtype)
        if not bool(torch.isfinite(batch).all()):
            finite = torch.isfinite(batch).flatten(1).all(dim=1)
            where = start + int((~finite).nonzero()[0])
            raise ValueError(f"expected finite samples, got NaN or infinity in sample {where}")
        return batch

    def batches(self, size: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield (slice, samples) of `size` samples each, the last perhaps of other length.

        No batch is of a single sample.
        """
        start = 0
        while start < len(self):
            stop = min(start + size, len(self))
            stop += stop == len(self) - 1
            yield slice(start, stop), self.take(start, stop)
            start = stop

    def subset(self, *ranges: range) -> Samples:
        """Return the samples of one or two ranges, in that order."""
        parts = []
        for chosen in ranges:
            for part, first, last in zip(self.parts, self._bounds[:-1], self._bounds[1:], strict=True):
                if chosen.start < last and chosen.stop > first:
                    parts.append(part[max(chosen.start - first, 0) : chosen.stop - first])
        return Samples(parts, self.device, self.dtype)

    def probe(self) -> Tensor:
        """Return three samples, (3, ...): the first, one from the middle, and the last."""
        return torch.cat([self.take(at, at + 1) for at in (0, len(self) // 2, len(self) - 1)])


def tensor_of(part: Any, name: str) -> Tensor:
    """Return rows (n, ...) as a tensor; ValueError, with their name, unless they are dense real numbers."""
    if not isinstance(part, Tensor | np.ndarray):
        raise ValueError(f"expected {name} as an array or tensor (n, ...), got {type(part).__name__}")
    if isinstance(part, np.ndarray):
        if part.dtype.kind not in "fiub":
            raise ValueError(f"expected {name} of real numbers, got {part.dtype}")
        # Views with negative strides, and arrays that cannot be written to, are not for torch to share.
        part = torch.from_numpy(np.require(part, requirements=["C", "W"]))
    if part.is_complex() or part.layout is not torch.strided:
        raise ValueError(f"expected {name} as a dense tensor of real numbers, got {part.dtype} {part.layout}")
    if part.ndim < 1 or len(part) < 1:
        raise ValueError(f"expected {name} with at least one row, got shape {tuple(part.shape)}")
    return part.detach()


def _kind(part: Tensor) -> str:
    return f"{tuple(part.shape[1:])} {part.dtype}"
