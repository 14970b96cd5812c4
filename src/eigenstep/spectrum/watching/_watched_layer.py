"""What one watched layer gives, from its calls to the steps of its monitor."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from eigenstep.machine import world_size
from eigenstep.spectrum._monitor import SpectrumMonitor
from eigenstep.spectrum.watching._model_call import ModelCall
from eigenstep.spectrum.watching._outputs import MOST_HELD, Outputs
from eigenstep.spectrum.watching._pairing import Batch, Kind, Views, join
from eigenstep.spectrum.watching._pooling import Pooling
from eigenstep.spectrum.watching._step_health import StepHealth


class WatchedLayer:
    """The outputs of a layer since the last step, and the monitor that gets them.

    Attributes
    ----------
    count : int
        How many calls there were since the last micro-batch ended.
    has_given : bool
        Whether any micro-batch had any.
    """

    def __init__(
        self, name: str, pooling: Pooling, views: Views, monitor: SpectrumMonitor, health: StepHealth
    ) -> None:
        self.name, self.pooling, self.views, self.monitor = name, pooling, views, monitor
        self.health = health
        self.has_given = False
        self._outputs = Outputs()
        self._batches: list[Batch] = []
        self._held = 0
        self._kind = Kind()
        self._stacked, self._at_once = 1, 0
        self._spoiled = False
        self._told: set[str] = set()

    @property
    def count(self) -> int:
        return self._outputs.count

    @property
    def waits(self) -> bool:
        """Whether anything has come since the last step."""
        return bool(self._batches or self._spoiled) or not self._outputs.is_empty

    def take(self, output: Any, call: ModelCall, keywords: Mapping[str, Any]) -> None:
        """Keep what a call of the layer gave. Raises as `Pooling`."""
        self.health.layer_called()
        if self.views.last_needed is not None and self.count > self.views.last_needed:
            self._outputs.count += 1
            return
        embeddings = self.pooling(output, call, keywords)
        if torch.compiler.is_compiling():
            self._outputs.add_compiled(embeddings)
            return
        self._outputs.add(embeddings, call, output)
        if self.views.is_guessed and self.count == 1:
            self._stacked = call.stacked(len(embeddings))
        if self._outputs.let_go(self.views.size or 2):
            self._tell_held()

    def expect(self, call: ModelCall) -> None:
        """A call came without gradients, which checkpointing may make again."""
        self.health.layer_called()
        self._outputs.expect(call)

    def take_again(self, output: Any, call: ModelCall, keywords: Mapping[str, Any]) -> None:
        """Keep what a call gave that the backward pass made again, unless it is kept already."""
        if self.count:
            return
        again = self._outputs.next_again(call)
        self._outputs.add_again(again, self.pooling(output, again.call, keywords))

    def end_batch(self) -> None:
        """What came since the last call is a micro-batch. Raises as `Views.of_step`."""
        outputs, trained = self._outputs.take()
        if not outputs:
            return
        self.has_given = True
        if self.pooling.doubt:
            self.tell("rows", self.pooling.doubt)
        given, outputs = outputs, self.views.counted(outputs, trained)
        if outputs and self.monitor.loss is not None:
            self.monitor.loss.at_once = self.views.samples_of(outputs[0])
        batch = self.views.of_step(outputs, self.name)
        if not len(batch[0]):  # an empty batch
            return
        self.health.end_batch(
            [len(output) for output in given],
            lambda calls: self.views.of_step(self.views.counted(calls, trained), self.name),
        )
        self._at_once = min(len(batch[0]), self.views.samples_of(outputs[0]))
        if self.monitor.settings.views is None:
            self.monitor.settings = replace(self.monitor.settings, views=self.views.in_words(outputs))
        if self.views.is_guessed:
            self._tell_guessed(len(outputs), batch[1] is not None)
        self._batches.append(batch)
        self._held += sum(part.numel() for part in batch if part is not None)
        while self._held > MOST_HELD and len(self._batches) > 1:
            self._held -= sum(part.numel() for part in self._batches.pop(0) if part is not None)
            self._tell_held()

    def step(self, loss: Tensor | float, learning_rate: float) -> None:
        """What came since the last step is the next one's; a step in which nothing did is counted alone.

        Raises as `SpectrumMonitor.update`.
        """
        batches, self._batches, self._held = self._batches, [], 0
        spoiled, self._spoiled = self._spoiled, False
        health = self.health.take()
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
                " here on; if its calls are other views, set views=..., calls=...",
            )
        if self._kind.paired and z_b is None:
            self.tell(
                "unpaired",
                f"step {self.monitor.step + 1}: layer {self.name!r} gave no pairs of views as before; such"
                " steps are left out. If its calls are not two views of the same samples, set views=1",
            )
            self.monitor.skip(loss=loss, learning_rate=learning_rate)
            return
        if z_b is not None and not self._kind.paired:
            z_a, z_b = torch.cat([z_a, z_b]), None
        if self.pooling.layout != self.monitor.settings.layout:
            self.monitor.settings = replace(self.monitor.settings, layout=self.pooling.layout)
        if z_b is not None:
            health["batch"] = self._at_once * world_size()
        self.monitor.update(z_a, z_b, loss=loss, learning_rate=learning_rate, health=health)

    def spoil(self) -> None:
        """Leave the step under way out, since some of its embeddings are missing."""
        self._outputs.take()
        self._batches, self._held, self._spoiled = [], 0, True

    def tell_of(self, error: Exception, step: int) -> None:
        """Warn of what failed, once of each kind."""
        self.tell(
            type(error).__name__,
            f"step {step}: layer {self.name!r} is not measured ({error}); training goes on, and such steps"
            " are left out",
        )

    def tell(self, kind: str, message: str) -> None:
        """Warn, once of each kind."""
        if kind not in self._told:
            self._told.add(kind)
            warnings.warn(message, stacklevel=2)

    def _tell_guessed(self, calls: int, paired: bool) -> None:
        """Which outputs are taken for two views, where there are several and nothing was said."""
        choice = "say which are two views of the same samples, such as the global crops: views=(0, 1)"
        gave = f"layer {self.name!r} gave {calls} outputs before the step"
        if paired and calls > 2:
            self.tell(
                "guessed",
                f"{gave}, taken for {calls // 2} micro-batches of two views, (0, 1), (2, 3)"
                f"{', ...' if calls > 4 else ''}; set calls=2 if they are, or {choice}",
            )
        elif not paired and calls > 1:
            self.tell(
                "guessed",
                f"{gave}, which do not pair up by their shapes, and all are taken for samples of one view;"
                f" set views=1 if they are, or {choice}, and with per_call how many views each call holds",
            )
        elif not paired and self._stacked > 1:
            self.tell(
                "guessed",
                f"{gave}, with {self._stacked} rows for each sample of the model, and all are taken for"
                f" samples of one view; set views=1 if they are, or {choice}, per_call={self._stacked}",
            )

    def _tell_held(self) -> None:
        self.tell(
            "held",
            f"step {self.monitor.step + 1}: layer {self.name!r} gave more than {MOST_HELD:,} numbers in one"
            " step; only the last of them are measured",
        )
