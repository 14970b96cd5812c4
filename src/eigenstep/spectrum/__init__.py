"""The spectrum of embeddings while they are learned: measuring it, recording it, finding its steps."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.analysis import ModeHistory, Rise, find_rises, follow_modes, separate_steps
    from eigenstep.record import (
        RecordWriter,
        RunRecord,
        StepClock,
        append_line,
        find_runs,
        is_run,
        read_record,
    )
    from eigenstep.spectrum._measure import (
        check_embeddings,
        covariance_eigenvalues,
        cross_correlation_eigenvalues,
        cross_covariance_singular_values,
        principal_projections,
    )
    from eigenstep.spectrum._measure_file import FileSpectrum, measure_file
    from eigenstep.spectrum._monitor import SpectrumMonitor
    from eigenstep.spectrum._monitor_settings import LogSpaced
    from eigenstep.spectrum._rectangular import RectangularSpectrum, rectangular_spectrum_of
    from eigenstep.spectrum._spectrum import Spectrum, spectrum_of
    from eigenstep.spectrum.watching import Hook, Watch, watch
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "FileSpectrum",
    "Hook",
    "LogSpaced",
    "measure_file",
    "ModeHistory",
    "RecordWriter",
    "RectangularSpectrum",
    "Rise",
    "RunRecord",
    "Spectrum",
    "SpectrumMonitor",
    "StepClock",
    "Watch",
    "append_line",
    "check_embeddings",
    "covariance_eigenvalues",
    "cross_correlation_eigenvalues",
    "cross_covariance_singular_values",
    "find_rises",
    "find_runs",
    "follow_modes",
    "is_run",
    "principal_projections",
    "read_record",
    "rectangular_spectrum_of",
    "separate_steps",
    "spectrum_of",
    "watch",
]
