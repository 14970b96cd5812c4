"""The last embeddings of a loop, kept as they came."""

from collections import deque
from typing import Any

import torch
from torch import Tensor


class EmbeddingWindow:
    """The last `capacity` samples' embeddings of one view or two, on their own device and in their own dtype.

    Nothing waits for the device. A batch that is larger than the window is thinned evenly.

    >>> window = EmbeddingWindow(capacity=3)
    >>> for value in (1.0, 2.0):
    ...     window.update(torch.full((2, 1), value))
    >>> window.rows()
    tensor([[[1.],
             [2.],
             [2.]]])
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._nothing: Tensor | None = None  # no samples, of the shape, type and device of those before
        self.clear()

    def clear(self) -> None:
        """Forget all embeddings."""
        self._blocks: deque[Tensor] = deque()
        self.count = 0

    @torch.no_grad()
    def update(self, z_a: Tensor, z_b: Tensor | None = None) -> None:
        """Add a batch (n, d) of one view or two; the values are copied."""
        views = [z_a] if z_b is None else [z_a, z_b]
        stride = -(-len(z_a) // self.capacity)
        block = torch.stack([view[::stride] for view in views])
        if self._blocks:
            last = self._blocks[-1]
            if len(last) != len(block):
                raise ValueError(f"expected {len(last)} views, as before, got {len(block)}")
            if last.device != block.device:  # it was loaded from a checkpoint
                self._blocks = deque(old.to(block.device) for old in self._blocks)
        self._nothing = block.new_empty(len(block), 0, block.shape[2])
        self._blocks.append(block)
        self.count += block.shape[1]
        while self.count - self._blocks[0].shape[1] >= self.capacity:
            self.count -= self._blocks.popleft().shape[1]

    def rows(self) -> Tensor:
        """The window's embeddings, (views, n, d), the newest last.

        Raises ValueError if there have never been any.
        """
        if self._nothing is None:
            raise ValueError("no embeddings seen yet; call update first")
        return torch.cat([self._nothing, *self._blocks], dim=1)[:, -self.capacity :]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on."""
        return {"rows": None if self._nothing is None else self.rows().cpu()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.clear()
        rows = state["rows"]
        self._nothing = None if rows is None else rows[:, :0]
        if rows is not None and rows.shape[1]:
            self._blocks.append(rows)
            self.count = rows.shape[1]
