"""Parameters that meet activations number by number: added, multiplied, repeated for each sample."""

from __future__ import annotations

from torch import Tensor

from eigenstep.kernel.ntk._graph import Meeting
from eigenstep.kernel.ntk.uses._batch_axis import BatchAxis, NoFormula
from eigenstep.kernel.ntk.uses._use import Use


class BroadcastUse(Use):
    """A tensor that is the same for all samples: x + w, x - w, w - x, x w, w.expand(b, ...), prelu(x, w)."""

    def __init__(self, meeting: Meeting, batch: BatchAxis) -> None:
        super().__init__(meeting, batch)
        shape = self.node._input_metadata[0].shape
        full = (1,) * (len(shape) - len(self.shape)) + tuple(self.shape)
        axis = int(batch.own_axis(shape))
        if not full or full[axis] != 1:
            raise NoFormula("a parameter with an entry for each sample")
        self._of_sample = (full[0], *full[2:]) if axis else full

    def gradient(self, of_output: Tensor) -> Tensor:
        factor = self._factor()
        rows = self.batch.split(of_output if factor is None else of_output * factor)
        # Rows of a sample on the axis of samples all meet the same w: it has size 1 there, and they add up.
        return rows.sum_to_size(self.batch.count, *self._of_sample).reshape(self.batch.count, *self.shape)

    def _factor(self) -> Tensor | float | None:
        name, index = self.node.name(), self.meeting.index
        if name == "MulBackward0":
            return self.node._saved_other if index == 0 else self.node._saved_self
        if name in ("AddBackward0", "SubBackward0") and index == 1:
            sign = 1 if name == "AddBackward0" else -1
            return None if sign * self.node._saved_alpha == 1 else float(sign * self.node._saved_alpha)
        if name == "PreluKernelBackward0":
            return self.node._saved_self.clamp(max=0)
        return None
