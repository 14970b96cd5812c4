"""Which formula is for which operation."""

from __future__ import annotations

from eigenstep.kernel.ntk._graph import Meeting
from eigenstep.kernel.ntk.uses._batch_axis import BatchAxis, NoFormula
from eigenstep.kernel.ntk.uses._broadcast import BroadcastUse
from eigenstep.kernel.ntk.uses._convolution import ConvolutionBiasUse, ConvolutionUse
from eigenstep.kernel.ntk.uses._embedding import EmbeddingUse
from eigenstep.kernel.ntk.uses._linear import LinearBiasUse, LinearUse
from eigenstep.kernel.ntk.uses._normalisation import NormalisationUse
from eigenstep.kernel.ntk.uses._use import Use

_BROADCASTS = (
    "AddBackward0",
    "SubBackward0",
    "MulBackward0",
    "ExpandBackward0",
    "RepeatBackward0",
    "PreluKernelBackward0",
)
_NORMALISATIONS = ("NativeBatchNormBackward0", "NativeLayerNormBackward0", "NativeGroupNormBackward0")


def use_of(meeting: Meeting, batch: BatchAxis) -> Use:
    """Return the formula for a parameter's use; NoFormula, which names the operation, if there is none."""
    name, index = meeting.node.name(), meeting.index
    if name == "AddmmBackward0":
        return LinearBiasUse(meeting, batch) if index == 0 else LinearUse(meeting, batch)
    if name == "MmBackward0":
        return LinearUse(meeting, batch)
    if name == "ConvolutionBackward0":
        return ConvolutionBiasUse(meeting, batch) if index == 2 else ConvolutionUse(meeting, batch)
    if name in _NORMALISATIONS:
        return NormalisationUse(meeting, batch)
    if name in _BROADCASTS:
        return BroadcastUse(meeting, batch)
    if name == "EmbeddingBackward0":
        return EmbeddingUse(meeting, batch)
    raise NoFormula(name.removesuffix("Backward0"))
