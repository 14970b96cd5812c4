"""Rotation: each view is turned by a multiple of 90 degrees, and the embedding says by which."""

from typing import TYPE_CHECKING

from eigenstep.methods._method import Method, NoOptions

if TYPE_CHECKING:
    from eigenstep.methods._objective import Objective


def _build(options: NoOptions, dim: int, classes: int) -> "Objective":
    from eigenstep.methods.objectives._rotation import Rotation

    return Rotation(dim)


METHOD = Method(name="rotation", title="rotation prediction", options=NoOptions, build=_build)
