"""Which of a layer's outputs are two views of the same samples."""

from dataclasses import dataclass

import torch
from torch import Tensor

# So many steps of the other kind, one after the other, and the loop is taken to give that kind from now on.
STEPS_OF_CHANGE = 3


@dataclass(frozen=True)
class Views:
    """How `watch` finds two views among the calls of a layer; `watch` explains these options.

    Raises
    ------
    ValueError
        If an option is out of range, or options do not go together.
    """

    views: int | tuple[int, int] | None = None
    calls: int | None = None
    per_call: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        views, calls = self.views, self.calls
        if isinstance(views, tuple):
            if len(views) != 2 or views[0] == views[1] or min(views) < 0:
                raise ValueError(f"expected views to be two numbers of calls, such as (0, 1), got {views}")
        elif views is not None and (not isinstance(views, int) or views < 1):
            raise ValueError(
                f"expected views to be None, 1 or more, or a tuple of two numbers of calls, got {views!r}"
            )
        if self.per_call is not None:
            self._check_per_call(self.per_call)
        least = max(views) + 1 if isinstance(views, tuple) and self.per_call is None else 1
        if calls is not None and calls < least:
            raise ValueError(f"expected calls to be {least} or more, got {calls}")

    def _check_per_call(self, per_call: int | tuple[int, ...]) -> None:
        counts = per_call if isinstance(per_call, tuple) else (per_call,)
        if not counts or not all(isinstance(count, int) and count >= 1 for count in counts):
            raise ValueError(
                "expected per_call to say how many views a call holds, such as 8, or a tuple of numbers by"
                f" call, such as (2, 6), got {per_call!r}"
            )
        if not isinstance(self.views, tuple):
            raise ValueError(f"per_call={per_call} goes with views=(i, j), such as (0, 1), got {self.views}")
        if not isinstance(per_call, tuple):
            return
        if self.calls not in (None, len(per_call)):
            raise ValueError(
                f"expected calls={len(per_call)}, or none, with per_call={per_call}, got {self.calls}"
            )
        if max(self.views) >= sum(per_call):
            raise ValueError(
                f"expected views below {sum(per_call)}, of per_call={per_call}, got {self.views}"
            )

    @property
    def is_guessed(self) -> bool:
        """Whether equal shapes alone decide which calls are two views."""
        return self.views is None and self.calls is None

    @property
    def size(self) -> int | None:
        """How many calls make a micro-batch, where that was told."""
        return len(self.per_call) if isinstance(self.per_call, tuple) else self.calls

    @property
    def last_needed(self) -> int | None:
        """After which call of a step no other is needed, where that is known."""
        if not isinstance(self.views, tuple) or self.size is not None:
            return None
        return max(self.views) // (self.per_call if isinstance(self.per_call, int) else 1)

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
        size = self.size or len(outputs)
        if len(outputs) % size:
            raise ValueError(
                f"layer {layer!r} was called {len(outputs)} times, expected a multiple of calls={size}"
            )
        parts = [outputs[start : start + size] for start in range(0, len(outputs), size)]
        return join([self._pair(part, layer) for part in parts])

    def in_words(self, outputs: list[Tensor]) -> str:
        """What was taken for views among the outputs of a micro-batch, for the record."""
        if isinstance(self.views, tuple):
            among = "calls" if self.per_call is None else f"views, {self.per_call} a call"
            return f"{self.views[0]} and {self.views[1]} of the {among}"
        if self.views is not None and self.views > 1:
            return f"0 and 1 of {self.views} in each call"
        if self.views is None and _pair_up(outputs):
            return (
                ", ".join(f"({number}, {number + 1})" for number in range(0, len(outputs), 2))
                + " of the calls"
            )
        return "one view"

    def _pair(self, outputs: list[Tensor], layer: str) -> "Batch":
        views = self.views
        if isinstance(views, tuple):
            return self._chosen(views, outputs, layer)
        if views is not None and views > 1:
            chunks = [_split(output, views, layer) for output in outputs]
            return torch.cat([chunk[0] for chunk in chunks]), torch.cat([chunk[1] for chunk in chunks])
        if views is None and _pair_up(outputs):
            return torch.cat(outputs[::2]), torch.cat(outputs[1::2])
        return torch.cat(outputs), None

    def _chosen(self, views: tuple[int, int], outputs: list[Tensor], layer: str) -> "Batch":
        """Two of the calls, or of the views that the calls hold."""
        among, what = outputs, "calls"
        if self.per_call is not None:
            per_call = self.per_call if isinstance(self.per_call, tuple) else (self.per_call,) * len(outputs)
            held = [_split(output, count, layer) for output, count in zip(outputs, per_call, strict=True)]
            among, what = [view for part in held for view in part], "views"
        if max(views) >= len(among):
            raise ValueError(
                f"layer {layer!r} was called {len(outputs)} times, expected views={views} among its {what}"
            )
        z_a, z_b = (among[number] for number in views)
        if z_a.shape != z_b.shape:
            raise ValueError(
                f"layer {layer!r} gave {tuple(z_a.shape)} and {tuple(z_b.shape)} in its {what}"
                f" {views[0]} and {views[1]}, expected two views of equal shape"
            )
        return z_a, z_b


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


def _split(output: Tensor, views: int, layer: str) -> tuple[Tensor, ...]:
    """The views (n, d) that a call holds one after the other."""
    if len(output) % views:
        raise ValueError(
            f"layer {layer!r} gave {len(output)} embeddings, expected {views} views of equal size"
        )
    return output.chunk(views) if len(output) else (output,) * views


def _pair_up(outputs: list[Tensor]) -> bool:
    shapes = [output.shape for output in outputs]
    return len(shapes) % 2 == 0 and shapes[::2] == shapes[1::2] and bool(shapes)
