"""How far two embeddings of the same images agree: linear CKA, Procrustes, the spaces that they span."""

from eigenstep.spectrum.agreement._alignment import cka_by_chance, linear_cka, procrustes_similarity
from eigenstep.spectrum.agreement._pairs import Matrix, checked_pair, weighted
from eigenstep.spectrum.agreement._spaces import (
    TooFewImages,
    bases,
    overlap_by_chance,
    principal_angles,
    space_overlap,
)

__all__ = [
    "Matrix",
    "TooFewImages",
    "bases",
    "checked_pair",
    "cka_by_chance",
    "linear_cka",
    "overlap_by_chance",
    "principal_angles",
    "procrustes_similarity",
    "space_overlap",
    "weighted",
]
