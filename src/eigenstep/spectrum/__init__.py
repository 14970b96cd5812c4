"""The spectrum of embeddings while they are learned: measuring it, recording it, finding its steps."""

from eigenstep.spectrum._cadence import LogSpaced
from eigenstep.spectrum._measure import (
    covariance_eigenvalues,
    cross_correlation_eigenvalues,
    principal_projections,
)
from eigenstep.spectrum._monitor import SpectrumMonitor
from eigenstep.spectrum._record import RunRecord, find_runs, is_run, read_record
from eigenstep.spectrum._rises import Rise, find_rises, separate_steps
from eigenstep.spectrum._spectrum import Spectrum, spectrum_of
from eigenstep.spectrum._step_clock import StepClock
from eigenstep.spectrum._watch import Watch, watch
from eigenstep.spectrum._writer import RecordWriter, append_line
from eigenstep.spectrum.tracking import ModeHistory, follow_modes

__all__ = [
    "LogSpaced",
    "ModeHistory",
    "RecordWriter",
    "Rise",
    "RunRecord",
    "Spectrum",
    "SpectrumMonitor",
    "StepClock",
    "Watch",
    "append_line",
    "covariance_eigenvalues",
    "cross_correlation_eigenvalues",
    "find_rises",
    "find_runs",
    "follow_modes",
    "is_run",
    "principal_projections",
    "read_record",
    "separate_steps",
    "spectrum_of",
    "watch",
]
