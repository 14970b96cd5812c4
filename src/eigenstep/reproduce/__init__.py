"""The experiments of the source paper, each from data to figures and tables (arXiv:2303.15438)."""

from eigenstep.reproduce._choices import Choices
from eigenstep.reproduce._demo import demonstrate
from eigenstep.reproduce._e2_three_losses import (
    GENTLE_VIEWS,
    loss_configuration,
    losses_figure,
    medium_configuration,
    names_of_runs,
)
from eigenstep.reproduce._e3_initialisation import network_configuration
from eigenstep.reproduce._e4_agreement import kernel_change, within_overlap
from eigenstep.reproduce._e5_directions import participation
from eigenstep.reproduce._e6_meanings import known_step, meanings_configuration
from eigenstep.reproduce._e7_hypothesis import ways_agreement
from eigenstep.reproduce._e7_verdicts import (
    Together,
    WaysAgreement,
    augmentations_sentence,
    course_sentence,
    pixels_sentence,
    together,
)
from eigenstep.reproduce._e7_ways import (
    Way,
    hypothesis_images,
    way_configuration,
    ways_for,
    why_unlabelled,
)
from eigenstep.reproduce._linear_model import LinearModelExperiment, random_crops
from eigenstep.reproduce._outcome import HEADER, Outcome, OutcomeTable, Row, markdown, read_outcome
from eigenstep.reproduce._reproduce import EXPERIMENTS, reproduce
from eigenstep.reproduce._sharpness import (
    measured_crossings,
    predicted_crossings,
    separate_share,
    step_sharpness,
)
from eigenstep.reproduce._two_layer import TwoLayerExperiment, predicted_modes, tangent_kernel

__all__ = [
    "Choices",
    "EXPERIMENTS",
    "GENTLE_VIEWS",
    "HEADER",
    "LinearModelExperiment",
    "Outcome",
    "OutcomeTable",
    "Row",
    "Together",
    "TwoLayerExperiment",
    "Way",
    "WaysAgreement",
    "augmentations_sentence",
    "course_sentence",
    "demonstrate",
    "hypothesis_images",
    "kernel_change",
    "known_step",
    "loss_configuration",
    "losses_figure",
    "markdown",
    "meanings_configuration",
    "measured_crossings",
    "medium_configuration",
    "names_of_runs",
    "network_configuration",
    "participation",
    "pixels_sentence",
    "predicted_crossings",
    "predicted_modes",
    "random_crops",
    "read_outcome",
    "reproduce",
    "separate_share",
    "step_sharpness",
    "tangent_kernel",
    "together",
    "way_configuration",
    "ways_agreement",
    "ways_for",
    "why_unlabelled",
    "within_overlap",
]
