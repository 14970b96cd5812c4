"""The experiments of the source paper, each from data to figures and tables (arXiv:2303.15438)."""

from eigenstep.reproduce._choices import Choices
from eigenstep.reproduce._e2_three_losses import GENTLE_VIEWS
from eigenstep.reproduce._linear_model import LinearModelExperiment, random_crops
from eigenstep.reproduce._outcome import HEADER, Outcome, OutcomeTable, Row
from eigenstep.reproduce._reproduce import EXPERIMENTS, reproduce
from eigenstep.reproduce._sharpness import (
    measured_crossings,
    predicted_crossings,
    separate_share,
    step_sharpness,
)
from eigenstep.reproduce._two_layer import TwoLayerExperiment

__all__ = [
    "Choices",
    "EXPERIMENTS",
    "GENTLE_VIEWS",
    "HEADER",
    "LinearModelExperiment",
    "Outcome",
    "OutcomeTable",
    "Row",
    "TwoLayerExperiment",
    "measured_crossings",
    "predicted_crossings",
    "random_crops",
    "reproduce",
    "separate_share",
    "step_sharpness",
]
