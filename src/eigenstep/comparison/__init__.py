"""Runs, predictions and files of embeddings side by side, and the measures of how far embeddings agree.

The measures are NumPy functions of arrays, in float64: subspaces, CKA, Procrustes, nearest neighbours,
dissimilarities (`AGREEMENTS` names them), each with what chance would give: `compare_embeddings` by a
bootstrap interval, `calibrated_agreement` by z and p. `compare` says what is compared, and on which images.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from eigenstep.analysis import TimeComparison, compare_times, variance_along
from eigenstep.comparison._agreement import Agreement, compare_embeddings, overlap_of_modes
from eigenstep.comparison._agreement_map import AgreementMap, agreement_map, came_first
from eigenstep.comparison._calibration import Calibrated, calibrated_agreement
from eigenstep.comparison._modes_over_training import (
    ModesBeside,
    RunModes,
    SameMode,
    modes_within,
    run_modes,
    same_modes,
)
from eigenstep.comparison._resampling import bootstrap_intervals, permutation_chance
from eigenstep.comparison.measures import (
    AGREEMENTS,
    AgreementMeasure,
    agreement,
    cknna,
    debiased_cka,
    jaccard_knn,
    mutual_knn,
    neighbour_agreement,
    procrustes_angle,
    procrustes_distance,
    rbf_cka,
    rsa,
)
from eigenstep.spectrum.agreement import (
    cka_by_chance,
    linear_cka,
    overlap_by_chance,
    principal_angles,
    procrustes_similarity,
    space_overlap,
)

if TYPE_CHECKING:
    from eigenstep.comparison._calibrated_pair import InputMap
    from eigenstep.comparison._compare import compare
    from eigenstep.comparison._inputs import Input, parse_input
    from eigenstep.comparison._matrices import AgreementMatrix, draw_matrices, matrices, write_page
    from eigenstep.comparison._result import ModeOverlap, Pair, SideBySide, Times
    from eigenstep.comparison._speedup import SpanOverlap, Speedup, SpeedupRow
    from eigenstep.comparison._text_table import TextTable

__all__ = [
    "AGREEMENTS",
    "Agreement",
    "AgreementMap",
    "AgreementMatrix",
    "AgreementMeasure",
    "Calibrated",
    "Input",
    "InputMap",
    "ModeOverlap",
    "ModesBeside",
    "Pair",
    "RunModes",
    "SameMode",
    "SideBySide",
    "SpanOverlap",
    "Speedup",
    "SpeedupRow",
    "TextTable",
    "TimeComparison",
    "Times",
    "agreement",
    "agreement_map",
    "bootstrap_intervals",
    "calibrated_agreement",
    "came_first",
    "cka_by_chance",
    "cknna",
    "compare",
    "compare_embeddings",
    "compare_times",
    "debiased_cka",
    "draw_matrices",
    "jaccard_knn",
    "linear_cka",
    "matrices",
    "modes_within",
    "mutual_knn",
    "neighbour_agreement",
    "overlap_by_chance",
    "overlap_of_modes",
    "parse_input",
    "permutation_chance",
    "principal_angles",
    "procrustes_angle",
    "procrustes_distance",
    "procrustes_similarity",
    "rbf_cka",
    "rsa",
    "run_modes",
    "same_modes",
    "space_overlap",
    "variance_along",
    "write_page",
]


# What runs embed images for, which takes the training extra: imported when it is used.
_SIDE_BY_SIDE = {
    **dict.fromkeys(("InputMap",), "_calibrated_pair"),
    **dict.fromkeys(("compare",), "_compare"),
    **dict.fromkeys(("Input", "parse_input"), "_inputs"),
    **dict.fromkeys(("AgreementMatrix", "draw_matrices", "matrices", "write_page"), "_matrices"),
    **dict.fromkeys(("ModeOverlap", "Pair", "SideBySide", "Times"), "_result"),
    **dict.fromkeys(("TextTable",), "_text_table"),
    **dict.fromkeys(("SpanOverlap", "Speedup", "SpeedupRow"), "_speedup"),
}


def __getattr__(name: str) -> Any:
    if name in _SIDE_BY_SIDE:
        return getattr(import_module(f"eigenstep.comparison.{_SIDE_BY_SIDE[name]}"), name)
    if name != "learned_modes":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "eigenstep.comparison.learned_modes is now variance_along", DeprecationWarning, stacklevel=2
    )
    return variance_along
