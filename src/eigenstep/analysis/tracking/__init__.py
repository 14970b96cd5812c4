"""Modes over time: followed through crossings, their rises fitted, the next one forecast."""

from eigenstep.analysis.tracking._fit import Estimate, ModeFit, fit_mode, log_rise_curve
from eigenstep.analysis.tracking._forecast import Forecast, forecast_next
from eigenstep.analysis.tracking._growth import Delay, Growth, Risen, delay_of, measure_growth
from eigenstep.analysis.tracking._history import ModeHistory, follow_modes
from eigenstep.analysis.tracking._tracks import Track, track_modes
from eigenstep.analysis.tracking._upcoming import Upcoming, forecast_modes

__all__ = [
    "Delay",
    "Estimate",
    "Forecast",
    "Growth",
    "ModeFit",
    "ModeHistory",
    "Risen",
    "Track",
    "Upcoming",
    "delay_of",
    "fit_mode",
    "follow_modes",
    "forecast_modes",
    "forecast_next",
    "log_rise_curve",
    "measure_growth",
    "track_modes",
]
