"""Which of the embeddings seen a measurement is over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.embeddings import as_tensor, wide_type
from eigenstep.machine import gather_later, world_size
from eigenstep.spectrum.moments._across_ranks import joint_moments
from eigenstep.spectrum.moments._leading import LARGEST_DENSE, LeadingDirections
from eigenstep.spectrum.moments._moments import Moments, half_life_decay
from eigenstep.spectrum.moments._pair_moments import PairMoments
from eigenstep.spectrum.moments._two_sides import TwoSides

FORMS = ("window", "sliding", "exponential", "all")
# What a default window holds: enough samples to see the leading modes, and little enough that decomposing
# them costs less than a hundredth of ten training steps of a ResNet-18 on small images.
NUMBERS_IN_WINDOW, FEWEST_SAMPLES = 2**18, 256

# What is left to do with a snapshot of the embeddings: it changes nothing and may run in another thread.
Finish = Callable[[LeadingDirections], PairMoments | TwoSides]


def default_window(dim: int) -> int:
    """Samples in a window unless told: 512 in 512 dimensions, at least 256.

    Examples
    --------
    >>> [default_window(dim) for dim in (16, 512, 2048)]
    [16384, 512, 256]
    """
    return max(FEWEST_SAMPLES, NUMBERS_IN_WINDOW // dim)


class Form(ABC):
    """A way to keep embeddings, or sums of them, from step to step."""

    @abstractmethod
    def update(self, z_a: Tensor, z_b: Tensor | None, step: int) -> None:
        """Add the embeddings (n, d) of a step."""

    @property
    @abstractmethod
    def is_empty(self) -> bool:
        """Whether there is nothing to measure, of this rank."""

    @abstractmethod
    def snapshot(self, *, gather: bool, copy: bool) -> Finish:
        """What has been seen up to now, of all ranks if `gather`; with `copy` later updates do not change it.

        A rank that has nothing for the moment takes part.

        Raises
        ------
        ValueError
            If it has never had anything.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all embeddings."""

    @abstractmethod
    def start_anew(self) -> None:
        """A measurement was recorded: forget what the next one is not over."""


class WindowForm(Form):
    """The last embeddings as they came: those since the last measurement, or, sliding, whatever came last.

    Parameters
    ----------
    samples : int
        The most there are, of all ranks together.
    sliding : bool
        Whether embeddings of before the last measurement stay.
    """

    def __init__(self, samples: int, *, sliding: bool, gather: bool) -> None:
        ranks = world_size() if gather else 1
        self.window = EmbeddingWindow(-(-samples // ranks))
        self.sliding = sliding

    def update(self, z_a: Tensor, z_b: Tensor | None, step: int) -> None:
        self.window.update(z_a, z_b)

    @property
    def is_empty(self) -> bool:
        return not self.window.count

    def snapshot(self, *, gather: bool, copy: bool) -> Finish:
        rows = self.window.rows()
        if not gather:
            return lambda leading: leading.of_rows(rows)
        gathered = gather_later(rows, self.window.capacity)
        return lambda leading: leading.of_rows(gathered())

    def reset(self) -> None:
        self.window.clear()

    def start_anew(self) -> None:
        if not self.sliding:
            self.reset()

    def state_dict(self) -> dict[str, Any]:
        return self.window.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.window.load_state_dict(state)


class MomentsForm(Form):
    """Sums over all embeddings since the start, whose weights may decay from step to step."""

    def __init__(self, decay: float = 1.0) -> None:
        self.decay = decay
        self.moments: Moments | None = None
        self.step = 0
        self._holds_some = False

    def update(self, z_a: Tensor, z_b: Tensor | None, step: int) -> None:
        if self.moments is None or not self._holds_some:
            dim, device = z_a.shape[1], z_a.device
            dtype = torch.float32 if dim > LARGEST_DENSE or device.type == "mps" else torch.float64
            self.moments = Moments(dim, 1 if z_b is None else 2, dtype=dtype, device=device)
        elif self.moments.common.device != z_a.device:  # it was loaded from a checkpoint
            self.moments = self.moments.copy(z_a.device)
        self.moments.update(z_a, z_b, decay=self.decay ** (step - self.step))
        self.step, self._holds_some = step, True

    @property
    def is_empty(self) -> bool:
        return not self._holds_some

    def snapshot(self, *, gather: bool, copy: bool) -> Finish:
        if self.moments is None:
            raise ValueError("no embeddings seen yet; call update first")
        moments = joint_moments(self.moments) if gather else self.moments
        if copy and moments is self.moments:
            moments = moments.copy()
        return lambda leading: leading.of_moments(moments)

    def reset(self) -> None:
        if self.moments is not None:
            sums = self.moments.common
            self.moments = Moments(self.moments.dim, self.moments.views, dtype=sums.dtype, device=sums.device)
        self._holds_some = False

    def start_anew(self) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "moments": self.moments.state_dict() if self.moments is not None else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, held = state["step"], state["moments"]
        self.moments = None if held is None else Moments.from_state_dict(held)
        self._holds_some = self.moments is not None and bool(self.moments.weight + self.moments.nonfinite)


def make_form(form: str, dim: int, *, window: int | None, half_life: float, gather: bool) -> Form:
    """One of FORMS, for embeddings of `dim` dimensions; `half_life` in steps, of "exponential" weights.

    Examples
    --------
    >>> make_form("window", 8, window=512, half_life=100.0, gather=False).__class__.__name__
    'WindowForm'
    """
    if form in ("window", "sliding"):
        return WindowForm(window or default_window(dim), sliding=form == "sliding", gather=gather)
    return MomentsForm(half_life_decay(half_life) if form == "exponential" else 1.0)


class EmbeddingWindow:
    """The last `capacity` samples' embeddings of one view or two, on their own device and in their own dtype.

    Nothing waits for the device. A batch that is larger than the window is thinned evenly.

    Examples
    --------
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
    def update(self, z_a: ArrayLike | Tensor, z_b: ArrayLike | Tensor | None = None) -> None:
        """Add a batch (n, d) of one view or two; the values are copied.

        Views are tensors or arrays of any library, as `eigenstep.embeddings.as_tensor` takes them.
        """
        views = [as_tensor(view) for view in (z_a, z_b) if view is not None]
        stride = max(1, -(-len(views[0]) // self.capacity))
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
        """The window's embeddings, (views, n, d), the newest last; float8 as float32.

        Raises
        ------
        ValueError
            If there have never been any.
        """
        if self._nothing is None:
            raise ValueError("no embeddings seen yet; call update first")
        rows = torch.cat([self._nothing, *self._blocks], dim=1)[:, -self.capacity :]
        return rows.to(wide_type(rows.dtype)) if rows.dtype.itemsize == 1 else rows

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
