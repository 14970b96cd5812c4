"""The modes of a run: followed, fitted and forecast."""

from dataclasses import dataclass

import numpy as np

from eigenstep.spectrum._record import RunRecord
from eigenstep.spectrum._rises import find_rises
from eigenstep.spectrum.tracking._estimate import Estimate
from eigenstep.spectrum.tracking._fit import ModeFit, fit_mode
from eigenstep.spectrum.tracking._forecast import Forecast, forecast_mode
from eigenstep.spectrum.tracking._tracks import Track, track_modes

FOLLOWED = 64


@dataclass(frozen=True)
class ModeHistory:
    """What a record tells of its modes.

    Attributes
    ----------
    steps, times : (T,), of the records
    identified_by : "overlap" on the probe batch, or "rank" where the record holds no probe batch
    tracks : the modes' eigenvalues over time
    fits : the modes that have risen, in the order of their half-times
    forecast : when the next one will
    """

    steps: np.ndarray
    times: np.ndarray
    identified_by: str
    tracks: list[Track]
    fits: list[ModeFit]
    forecast: Forecast


def follow_modes(record: RunRecord, planned_time: float | None = None) -> ModeHistory:
    """Follow, fit and forecast the modes of a run.

    Parameters
    ----------
    planned_time : when the run ends, t = learning rate × step; default: as the run's configuration says
    """
    rows = record.eigenvalues
    if rows is None or not len(rows):
        empty = np.zeros(0)
        unknown = Forecast("not yet to be told", None, None, None, planned_time, "Nothing is recorded yet.")
        return ModeHistory(empty.astype(int), empty, "rank", [], [], unknown)
    steps, times = rows["step"], rows["time"]
    tracks = track_modes(rows["cross_correlation"][:, :FOLLOWED])
    curves = np.stack([track.eigenvalues for track in tracks], axis=1)
    plateau = 1.0 if record.prediction else None
    rises = find_rises(times, curves, plateau=plateau)
    fits = [fit_mode(times, curves[:, rise.mode], rise) for rise in rises]
    fits.sort(key=lambda fit: fit.half_time.value)
    forecast = _forecast(steps, times, curves, fits, planned_time)
    return ModeHistory(steps, times, "rank", tracks, fits, forecast)


def _forecast(steps, times, curves, fits, planned_time) -> Forecast:
    learned = {fit.mode for fit in fits}
    mode = next((mode for mode in range(curves.shape[1]) if mode not in learned), None)
    if mode is None:
        return Forecast(
            "none within the planned run", None, None, None, planned_time, "Every mode has been learned."
        )
    plateau = float(np.median([fit.plateau.value for fit in fits])) if fits else 1.0
    half_time = forecast_mode(times, curves[:, mode], plateau)
    if half_time is None:
        return Forecast("not yet to be told", mode, None, None, planned_time, "When is not yet to be told.")
    rate = (steps[-1] - steps[-2]) / (times[-1] - times[-2])
    step = Estimate(*(float(steps[-1] + (end - times[-1]) * rate) for end in half_time))
    sentence = (
        f"Mode {mode + 1} is expected at step {step.value:,.0f} ({step.low:,.0f} to {step.high:,.0f}), "
        f"t = {half_time.value:.3g}."
    )
    return Forecast("expected", mode, half_time, step, planned_time, sentence)
