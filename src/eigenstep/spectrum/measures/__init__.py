"""Measures of rank and collapse: each says in its signature what is centred and how it is normalised.

Each measure takes embeddings; its twin `..._from_eigenvalues` or `..._from_moments` takes what a streaming
monitor has. `measures_from_moments` gives all of them.

A measure is a module of this folder, in which the function that gives it from moments is marked by
`recorded("its name", "what it is")`: the modules are collected here, so that monitors record it and tables
list it, and nothing else need be told.
"""

import importlib
import pkgutil
import warnings
from typing import Any

from eigenstep.spectrum.measures._alpha_req import alpha_req, alpha_req_from_eigenvalues
from eigenstep.spectrum.measures._collapse import (
    cosine_concentration,
    cosine_concentration_from_moments,
    mean_norm,
    normalized_std,
    normalized_std_from_moments,
)
from eigenstep.spectrum.measures._effective_rank import effective_rank, effective_rank_from_eigenvalues
from eigenstep.spectrum.measures._eigenvalues import complete_spectrum
from eigenstep.spectrum.measures._from_moments import measures_from_moments
from eigenstep.spectrum.measures._lidar import lidar, lidar_from_moments
from eigenstep.spectrum.measures._measure import KnownMoments, Measure, in_order, recorded
from eigenstep.spectrum.measures._modes_above_noise import (
    modes_above_noise,
    modes_above_noise_from_eigenvalues,
    noise_edge,
)
from eigenstep.spectrum.measures._modes_past_half import modes_past_half, modes_past_half_from_eigenvalues
from eigenstep.spectrum.measures._participation_ratio import (
    participation_ratio,
    participation_ratio_from_eigenvalues,
)
from eigenstep.spectrum.measures._rank_me import rank_me, rank_me_from_eigenvalues
from eigenstep.spectrum.measures._stable_rank import stable_rank, stable_rank_from_eigenvalues

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

MEASURES: dict[str, Measure] = in_order()

__all__ = [
    "MEASURES",
    "KnownMoments",
    "Measure",
    "alpha_req",
    "alpha_req_from_eigenvalues",
    "complete_spectrum",
    "cosine_concentration",
    "cosine_concentration_from_moments",
    "effective_rank",
    "effective_rank_from_eigenvalues",
    "lidar",
    "lidar_from_moments",
    "mean_norm",
    "measures_from_moments",
    "modes_above_noise",
    "modes_above_noise_from_eigenvalues",
    "modes_past_half",
    "modes_past_half_from_eigenvalues",
    "noise_edge",
    "normalized_std",
    "normalized_std_from_moments",
    "participation_ratio",
    "participation_ratio_from_eigenvalues",
    "rank_me",
    "rank_me_from_eigenvalues",
    "recorded",
    "stable_rank",
    "stable_rank_from_eigenvalues",
]

RENAMED = {
    "learned_modes": "modes_past_half",
    "learned_modes_from_eigenvalues": "modes_past_half_from_eigenvalues",
}


def __getattr__(name: str) -> Any:
    if name not in RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = RENAMED[name]
    warnings.warn(
        f"eigenstep.spectrum.measures.{name} is now {new}; which modes a run has learned is what"
        " eigenstep.analysis.learned_rises says of its record",
        DeprecationWarning,
        stacklevel=2,
    )
    return globals()[new]
