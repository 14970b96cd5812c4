"""Cross-entropy: the reference that learns to tell the classes."""

from typing import TYPE_CHECKING

from eigenstep.methods._method import Method, NoOptions

if TYPE_CHECKING:
    from eigenstep.methods._objective import Objective


def _build(options: NoOptions, dim: int, classes: int) -> "Objective":
    from eigenstep.methods.objectives._cross_entropy import CrossEntropy

    return CrossEntropy(dim, classes)


METHOD = Method(
    name="cross_entropy", title="cross-entropy", options=NoOptions, build=_build, needs_labels=True
)
