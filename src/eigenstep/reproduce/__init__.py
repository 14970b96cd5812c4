"""The experiments of the source paper, each from data to a run folder (arXiv:2303.15438)."""

from eigenstep.reproduce._linear_model import LinearModelExperiment, random_crops

__all__ = ["LinearModelExperiment", "random_crops"]
