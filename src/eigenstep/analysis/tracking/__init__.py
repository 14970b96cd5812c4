"""Modes over time: followed through crossings, their rises fitted, the next one forecast."""

from eigenstep.analysis.tracking._estimate import Estimate
from eigenstep.analysis.tracking._fit import ModeFit, fit_mode
from eigenstep.analysis.tracking._forecast import Forecast, forecast_next
from eigenstep.analysis.tracking._history import ModeHistory, follow_modes
from eigenstep.analysis.tracking._tracks import Track, track_modes
from eigenstep.analysis.tracking._upcoming import Upcoming, forecast_modes

__all__ = [
    "Estimate",
    "Forecast",
    "ModeFit",
    "ModeHistory",
    "Track",
    "fit_mode",
    "follow_modes",
    "forecast_modes",
    "forecast_next",
    "track_modes",
    "Upcoming",
]
