"""How far embeddings of the same images agree, and predicted learning times with measured ones.

NumPy functions of arrays, in float64: subspaces, CKA, Procrustes, nearest neighbours, each with what chance
would give and a bootstrap interval. What is compared with what, and on which images, is said elsewhere
(`eigenstep.side_by_side`).
"""

from eigenstep.comparison._agreement import Agreement, compare_embeddings, overlap_of_modes
from eigenstep.comparison._alignment import cka_by_chance, linear_cka, procrustes_similarity
from eigenstep.comparison._intervals import bootstrap_intervals
from eigenstep.comparison._learned_modes import learned_modes
from eigenstep.comparison._neighbours import neighbour_agreement
from eigenstep.comparison._permutations import permutation_chance
from eigenstep.comparison._spaces import overlap_by_chance, principal_angles, space_overlap
from eigenstep.comparison._times import TimeComparison, compare_times

__all__ = [
    "Agreement",
    "TimeComparison",
    "bootstrap_intervals",
    "cka_by_chance",
    "compare_embeddings",
    "compare_times",
    "learned_modes",
    "linear_cka",
    "neighbour_agreement",
    "overlap_by_chance",
    "overlap_of_modes",
    "permutation_chance",
    "principal_angles",
    "procrustes_similarity",
    "space_overlap",
]
