"""How good are frozen features? Classifiers that train in seconds on them, and their accuracy on a test set.

Pure functions of features and labels, without random numbers: the same input gives the same answer. Their
parts are here too: standardised features, their principal axes, and the fits of the linear probes.
"""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.probes._file import FileProbes, probe_file
    from eigenstep.probes._knn import knn_probe
    from eigenstep.probes._linear import PrincipalAxes, principal_axes, standardise
    from eigenstep.probes._logistic import LOGISTIC_STRENGTHS, LogisticFit, fit_logistic, logistic_probe
    from eigenstep.probes._probe import probe
    from eigenstep.probes._ridge import RIDGE_STRENGTHS, RidgeFit, fit_ridge, ridge_probe
    from eigenstep.probes._task import ProbeResult, chance, every_fifth, score
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "LOGISTIC_STRENGTHS",
    "RIDGE_STRENGTHS",
    "FileProbes",
    "LogisticFit",
    "PrincipalAxes",
    "ProbeResult",
    "RidgeFit",
    "chance",
    "every_fifth",
    "fit_logistic",
    "fit_ridge",
    "knn_probe",
    "logistic_probe",
    "principal_axes",
    "probe",
    "probe_file",
    "ridge_probe",
    "score",
    "standardise",
]
