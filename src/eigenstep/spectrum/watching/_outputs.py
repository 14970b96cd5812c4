"""What a layer gives before the optimiser steps, in the order of its calls."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from eigenstep.spectrum.watching._model_call import ModelCall

# Numbers of one step that are held, 512 MiB in float32; of more, the first ones are let go.
MOST_HELD = 1 << 27
# Calls of one step that checkpointing may make again; beyond, none is expected.
MOST_EXPECTED = 4096


@dataclass
class Output:
    """The embeddings (n, d) of one call, once they are there, and whether a gradient has reached them."""

    call: ModelCall
    embeddings: Tensor | None = None
    trained: list[bool] = field(default_factory=lambda: [True])


class Compiled:
    """Embeddings that compiled code gave, and those before them.

    A chain, since of a list the compiler would guard the length, and compile anew at each call of a step.
    """

    def __init__(self, embeddings: Tensor, before: "Compiled | None") -> None:
        self.embeddings, self.before = embeddings, before


class Outputs:
    """The outputs of a layer since the last micro-batch ended.

    Attributes
    ----------
    count : int
        How many calls with gradients there were.
    """

    def __init__(self) -> None:
        self.count = 0
        self._outputs: list[Output] = []
        self._held = 0
        self._compiled: Compiled | None = None

    @property
    def is_empty(self) -> bool:
        return self._compiled is None and all(output.embeddings is None for output in self._outputs)

    def add(self, embeddings: Tensor, call: ModelCall, output: Any) -> None:
        """What a call gave."""
        self.count += 1
        self._outputs.append(Output(call, embeddings, _noted_gradient(output)))
        self._held += embeddings.numel()

    def add_compiled(self, embeddings: Tensor) -> None:
        """What a call in compiled code gave."""
        self._compiled = Compiled(embeddings, self._compiled)

    def expect(self, call: ModelCall) -> None:
        """A call without gradients, which activation checkpointing may make again in the backward pass."""
        if len(self._outputs) < MOST_EXPECTED:
            self._outputs.append(Output(call))

    def next_again(self, call: ModelCall) -> Output:
        """Which call is made again now: a backward pass goes from the last one to the first.

        One that was not expected, since the model was not called as a whole, is the last one.
        """
        waiting = (output for output in reversed(self._outputs) if output.embeddings is None)
        if (again := next(waiting, None)) is None:
            again = Output(call)
            self._outputs.append(again)
        return again

    def add_again(self, again: Output, embeddings: Tensor) -> None:
        """What a call gave that was made again."""
        again.embeddings = embeddings
        self._held += embeddings.numel()

    def let_go(self, together: int) -> bool:
        """Forget the first calls, so many at a time, if too much is held; whether any was."""
        if self._held <= MOST_HELD or len(self._outputs) <= together:
            return False
        for output in self._outputs[:together]:
            self._held -= 0 if output.embeddings is None else output.embeddings.numel()
        del self._outputs[:together]
        return True

    def take(self) -> tuple[list[Tensor], list[bool]]:
        """All of them, and which a gradient has reached; none is left."""
        found = [output for output in self._outputs if output.embeddings is not None]
        embeddings = [output.embeddings for output in found if output.embeddings is not None]
        trained = [output.trained[0] for output in found]
        chain = []
        while self._compiled is not None:
            chain.append(self._compiled.embeddings)
            self._compiled = self._compiled.before
        self.count, self._held, self._outputs = 0, 0, []
        return embeddings + chain[::-1], trained + [True] * len(chain)


def _noted_gradient(output: Any) -> list[bool]:
    """Becomes [True] when a gradient reaches an output; of what cannot be told it is so from the start."""
    parts = output if isinstance(output, tuple | list) else (output,)
    with_gradient = [part for part in parts if isinstance(part, Tensor) and part.requires_grad]
    if not with_gradient:
        return [True]
    noted = [False]

    def note(gradient: Tensor) -> None:
        noted[0] = True

    with_gradient[0].register_hook(note)
    return noted
