"""Which of a layer's outputs are two views of the same samples."""

from dataclasses import dataclass

import torch
from torch import Tensor

# So many steps of the other kind, one after the other, and the loop is taken to give that kind from now on.
STEPS_OF_CHANGE = 3


@dataclass(frozen=True)
class Views:
    """How `watch` was told to find two views among the calls of a layer; the meaning is told there.

    Raises
    ------
    ValueError
        For what cannot be.
    """

    views: int | tuple[int, int] | None = None
    calls: int | None = None

    def __post_init__(self) -> None:
        views, calls = self.views, self.calls
        if isinstance(views, tuple):
            if len(views) != 2 or views[0] == views[1] or min(views) < 0:
                raise ValueError(f"expected views to be two numbers of calls, such as (0, 1), got {views}")
        elif views is not None and views < 1:
            raise ValueError(f"expected views to be None, 1 or more, or two numbers of calls, got {views}")
        least = max(views) + 1 if isinstance(views, tuple) else 1
        if calls is not None and calls < least:
            raise ValueError(f"expected calls to be {least} or more, got {calls}")

    @property
    def is_guessed(self) -> bool:
        """Whether equal shapes alone decide which calls are two views."""
        return self.views is None and self.calls is None

    @property
    def last_needed(self) -> int | None:
        """After which call of a step no other is needed, where that is known."""
        return max(self.views) if isinstance(self.views, tuple) and self.calls is None else None

    def counted(self, outputs: list[Tensor], trained: list[bool]) -> list[Tensor]:
        """Which outputs of a layer count, by which of them a gradient has reached.

        All, unless only those with one pair up: then a dry run or the like has given the others.
        """
        kept = [output for output, with_gradient in zip(outputs, trained, strict=True) if with_gradient]
        return kept if self.is_guessed and _pair_up(kept) and not _pair_up(outputs) else outputs

    def samples_of(self, output: Tensor) -> int:
        """How many samples one call is of, which a loss sees at once."""
        return len(output) // (self.views if isinstance(self.views, int) else 1)

    def of_step(self, outputs: list[Tensor], layer: str) -> "Batch":
        """One micro-batch or several, from the outputs (n, d) of a layer.

        Raises
        ------
        ValueError
            For calls that do not split into the views or the micro-batches.
        """
        size = self.calls or len(outputs)
        if len(outputs) % size:
            raise ValueError(
                f"layer {layer!r} was called {len(outputs)} times, expected a multiple of calls={size}"
            )
        parts = [outputs[start : start + size] for start in range(0, len(outputs), size)]
        return join([self._pair(part, layer) for part in parts])

    def _pair(self, outputs: list[Tensor], layer: str) -> "Batch":
        views = self.views
        if isinstance(views, tuple):
            if max(views) >= len(outputs):
                raise ValueError(
                    f"layer {layer!r} was called {len(outputs)} times, expected views={views} among its calls"
                )
            z_a, z_b = (outputs[number] for number in views)
            if z_a.shape != z_b.shape:
                raise ValueError(
                    f"layer {layer!r} gave {tuple(z_a.shape)} and {tuple(z_b.shape)} in its calls"
                    f" {views[0]} and {views[1]}, expected two views of equal shape"
                )
            return z_a, z_b
        if views is not None and views > 1:
            if any(len(output) % views for output in outputs):
                raise ValueError(
                    f"layer {layer!r} gave {len(outputs[0])} embeddings, expected {views} views of equal size"
                )
            chunks = [output.chunk(views) for output in outputs]
            return torch.cat([chunk[0] for chunk in chunks]), torch.cat([chunk[1] for chunk in chunks])
        if views is None and _pair_up(outputs):
            return torch.cat(outputs[::2]), torch.cat(outputs[1::2])
        return torch.cat(outputs), None


Batch = tuple[Tensor, Tensor | None]


def join(batches: list[Batch]) -> Batch:
    """Micro-batches as one batch; of two views only if all of them are."""
    second = [b for _, b in batches if b is not None]
    if len(second) == len(batches):
        return torch.cat([a for a, _ in batches]), torch.cat(second)
    return torch.cat([part for batch in batches for part in batch if part is not None]), None


class Kind:
    """Whether a layer's steps are of two views or of one, as most of the last ones were."""

    def __init__(self) -> None:
        self.paired: bool | None = None
        self._others = 0

    def changes(self, paired: bool) -> bool:
        """Take up a step; True if with it the kind becomes another one than before."""
        if self.paired is None or paired == self.paired:
            self.paired, self._others = paired, 0
            return False
        self._others += 1
        if self._others < STEPS_OF_CHANGE:
            return False
        self.paired, self._others = paired, 0
        return True


def _pair_up(outputs: list[Tensor]) -> bool:
    shapes = [output.shape for output in outputs]
    return len(shapes) % 2 == 0 and shapes[::2] == shapes[1::2] and bool(shapes)
