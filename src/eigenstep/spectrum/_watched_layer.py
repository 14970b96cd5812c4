"""What one watched layer gives, from its calls to the steps of its monitor."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from eigenstep.spectrum._layout import ModelCall, Pooling
from eigenstep.spectrum._monitor import SpectrumMonitor
from eigenstep.spectrum._pairing import Batch, Kind, Views, join

# Numbers of one step that are held, 512 MiB in float32; of more, the first ones are let go.
MOST_HELD = 1 << 27


class WatchedLayer:
    """The outputs of a layer since the last step, and the monitor that gets them.

    Attributes
    ----------
    outputs : int
        How many came since the last micro-batch ended.
    has_given : bool
        Whether any ever came.
    """

    def __init__(self, name: str, pooling: Pooling, views: Views, monitor: SpectrumMonitor) -> None:
        self.name, self.pooling, self.views, self.monitor = name, pooling, views, monitor
        self.outputs = 0
        self.has_given = False
        self._given: list[tuple[Tensor, list[bool]]] = []
        self._batches: list[Batch] = []
        self._kind = Kind()
        self._spoiled = False
        self._told: set[str] = set()

    @property
    def waits(self) -> bool:
        """Whether anything has come since the last step."""
        return bool(self._given or self._batches or self._spoiled)

    def take(self, output: Any, call: ModelCall, keywords: Mapping[str, Any]) -> None:
        """Keep what a call of the layer gave. Raises as `Pooling`."""
        embeddings = self.pooling(output, call, keywords)
        self._given.append((embeddings, _noted_gradient(output)))
        self.outputs += 1
        self.has_given = True
        self._let_go_of_the_first()

    def end_batch(self) -> None:
        """What came since the last call is a micro-batch. Raises as `Views.of_step`."""
        given, self._given, self.outputs = self._given, [], 0
        if given:
            outputs = self.views.counted([output for output, _ in given], [noted[0] for _, noted in given])
            batch = self.views.of_step(outputs, self.name)
            if self.views.is_guessed and batch[1] is not None and len(outputs) > 2:
                self.tell(
                    "guessed",
                    f"layer {self.name!r} gave {len(outputs)} outputs before the step, taken for"
                    f" {len(outputs) // 2} micro-batches of two views; say calls=2 if they are, or which of"
                    " the calls are two views of the same samples: views=(0, 1)",
                )
            self._batches.append(batch)

    def step(self, loss: Tensor | float, learning_rate: float) -> None:
        """What came since the last step is the next one's; a step in which nothing did is counted alone.

        Raises as `SpectrumMonitor.update`.
        """
        batches, self._batches = self._batches, []
        spoiled, self._spoiled = self._spoiled, False
        if spoiled or not batches:
            self.monitor.skip(loss=loss, learning_rate=learning_rate)
            return
        z_a, z_b = join(batches)
        if self._kind.changes(z_b is not None):
            self.monitor.reset()
            self.tell(
                "changed",
                f"step {self.monitor.step + 1}: layer {self.name!r} gives"
                f" {'two views' if self._kind.paired else 'no pairs of views'} now, and is measured so from"
                " here on; if its calls are other views than that, say so: views=..., calls=...",
            )
        if self._kind.paired and z_b is None:
            self.tell(
                "unpaired",
                f"step {self.monitor.step + 1}: layer {self.name!r} gave no pairs of views as before; such"
                " steps are left out. If its calls are not two views of the same samples, say so: views=1",
            )
            self.monitor.skip(loss=loss, learning_rate=learning_rate)
            return
        if z_b is not None and not self._kind.paired:
            z_a, z_b = torch.cat([z_a, z_b]), None
        if self.pooling.layout != self.monitor.settings.layout:
            self.monitor.settings = replace(self.monitor.settings, layout=self.pooling.layout)
        self.monitor.update(z_a, z_b, loss=loss, learning_rate=learning_rate)

    def spoil(self, error: Exception) -> None:
        """Leave the step under way out, since of its embeddings some are missing; it is told once."""
        self._given, self._batches, self._spoiled = [], [], True
        self.tell(
            type(error).__name__,
            f"step {self.monitor.step + 1}: layer {self.name!r} is not measured ({error}); training goes on,"
            " and such steps are left out",
        )

    def tell(self, kind: str, message: str) -> None:
        """Warn, once of each kind."""
        if kind not in self._told:
            self._told.add(kind)
            warnings.warn(message, stacklevel=2)

    def _let_go_of_the_first(self) -> None:
        sizes = [output.numel() for output, _ in self._given]
        held = sum(sizes) + sum(a.numel() + (0 if b is None else b.numel()) for a, b in self._batches)
        if held <= MOST_HELD:
            return
        together = self.views.calls or 2
        if self._batches:
            del self._batches[0]
        elif len(self._given) > together:
            del self._given[:together]
        self.tell(
            "held",
            f"step {self.monitor.step + 1}: layer {self.name!r} gave more than {MOST_HELD:,} numbers in one"
            " step; only the last of them are measured",
        )


def _noted_gradient(output: Any) -> list[bool]:
    """Becomes [True] when a gradient reaches an output; of what cannot be told it is so from the start."""
    parts = output if isinstance(output, tuple | list) else (output,)
    with_gradient = [part for part in parts if isinstance(part, Tensor) and part.requires_grad]
    if torch.compiler.is_compiling() or not with_gradient:
        return [True]
    noted = [False]

    def note(gradient: Tensor) -> None:
        noted[0] = True

    with_gradient[0].register_hook(note)
    return noted
