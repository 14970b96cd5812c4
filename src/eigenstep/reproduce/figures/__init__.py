"""The experiments' figures, as PNG and PDF."""

from eigenstep.reproduce.figures._agreement import agreement_figure
from eigenstep.reproduce.figures._directions import directions_figure
from eigenstep.reproduce.figures._losses import losses_figure
from eigenstep.reproduce.figures._sharpness import SharpnessCurve, sharpness_figure
from eigenstep.reproduce.figures._staircase import staircase_figure

__all__ = [
    "SharpnessCurve",
    "agreement_figure",
    "directions_figure",
    "losses_figure",
    "sharpness_figure",
    "staircase_figure",
]
