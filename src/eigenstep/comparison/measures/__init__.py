"""Measures of agreement of two embeddings of the same images, their conventions in their names.

A measure is a module of this folder, in which a function that prepares one embedding is marked by
`agreement("its_name", "its title")`: the modules are collected here in `AGREEMENTS`, so that calibrated
comparisons, maps and the tables of `eigenstep compare` know it, and nothing else need be told.
"""

import importlib
import pkgutil

from eigenstep.comparison.measures._cka import debiased_cka, rbf_cka
from eigenstep.comparison.measures._cknna import cknna
from eigenstep.comparison.measures._measure import AgreementMeasure, Undefined, agreement, in_order
from eigenstep.comparison.measures._neighbours import jaccard_knn, mutual_knn, neighbour_agreement
from eigenstep.comparison.measures._procrustes import procrustes_angle, procrustes_distance
from eigenstep.comparison.measures._rsa import rsa

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

AGREEMENTS: dict[str, AgreementMeasure] = in_order()

__all__ = [
    "AGREEMENTS",
    "AgreementMeasure",
    "Undefined",
    "agreement",
    "cknna",
    "debiased_cka",
    "jaccard_knn",
    "mutual_knn",
    "neighbour_agreement",
    "procrustes_angle",
    "procrustes_distance",
    "rbf_cka",
    "rsa",
]
