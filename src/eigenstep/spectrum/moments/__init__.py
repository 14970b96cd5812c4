"""Streaming moments of two views' or two encoders' embeddings, and what spectra are computed from."""

from eigenstep.spectrum.moments._across_ranks import joint_moments
from eigenstep.spectrum.moments._forms import FORMS, EmbeddingWindow, Finish, Form, default_window, make_form
from eigenstep.spectrum.moments._leading import LARGEST_DENSE, LeadingDirections, LeadingPairs, leading_pairs
from eigenstep.spectrum.moments._moments import Moments, full_precision, half_life_decay
from eigenstep.spectrum.moments._packed import pack, unpack
from eigenstep.spectrum.moments._pair_moments import PairMoments, pair_moments, pair_moments_of_rows
from eigenstep.spectrum.moments._two_sides import TwoSides, two_sides_of_rows
from eigenstep.spectrum.moments._two_sides_form import TwoSidesForm

__all__ = [
    "FORMS",
    "LARGEST_DENSE",
    "EmbeddingWindow",
    "Finish",
    "Form",
    "LeadingDirections",
    "LeadingPairs",
    "Moments",
    "PairMoments",
    "TwoSides",
    "TwoSidesForm",
    "default_window",
    "full_precision",
    "half_life_decay",
    "joint_moments",
    "leading_pairs",
    "make_form",
    "pack",
    "pair_moments",
    "pair_moments_of_rows",
    "two_sides_of_rows",
    "unpack",
]
