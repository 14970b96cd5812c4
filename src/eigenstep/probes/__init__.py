"""How good are frozen features? Classifiers that train in seconds on them, and their accuracy on a test set.

Pure functions of features and labels, without random numbers: the same input gives the same answer.
"""

from eigenstep.probes._knn import knn_probe
from eigenstep.probes._logistic import LOGISTIC_STRENGTHS, logistic_probe
from eigenstep.probes._probe import probe
from eigenstep.probes._result import ProbeResult
from eigenstep.probes._ridge import RIDGE_STRENGTHS, ridge_probe

__all__ = [
    "LOGISTIC_STRENGTHS",
    "RIDGE_STRENGTHS",
    "ProbeResult",
    "knn_probe",
    "logistic_probe",
    "probe",
    "ridge_probe",
]
