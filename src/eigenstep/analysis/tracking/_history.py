"""The modes of a run: followed, fitted and forecast."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eigenstep.analysis._learned import known_plateau, learned_rises
from eigenstep.analysis._rises import LOGISTIC_WIDTH, Rise, find_rises
from eigenstep.analysis._run_clock import RunClock
from eigenstep.analysis.tracking._fit import PLATEAU_SPREAD, Estimate, ModeFit, fit_mode
from eigenstep.analysis.tracking._forecast import NONE, Forecast, forecast_next
from eigenstep.analysis.tracking._tracks import Track, track_modes
from eigenstep.analysis.tracking._upcoming import CANDIDATES, GUESSED_PLATEAU_SPREAD, Upcoming, forecast_modes
from eigenstep.record import RunRecord

# The largest eigenvalues are followed, so many or a few more than have been learned.
MODES_FOLLOWED = 64
# Where the first mode settles, and the standard deviation of its logarithm: with un-normalised Barlow Twins
# at 1, in the linear model exactly and in networks nearly; with other losses anywhere.
FIRST_OF_BARLOW_TWINS, FIRST_OF_OTHERS = (1.0, 0.2), (2.0, 0.8)


@dataclass(frozen=True)
class ModeHistory:
    """What a record tells of its modes, which are numbered in the order in which they were learned.

    Attributes
    ----------
    steps, times : np.ndarray
        (T,), of the records.
    identified_by : Literal['overlap', 'rank']
        "overlap" on the probe batch, or "rank" of the eigenvalues where the record has none.
    tracks : list[Track]
        The modes over time; those not learned are in the order of their last eigenvalues.
    fits : list[ModeFit]
        The modes that have risen, and those in the middle of their rise, in the order of their half-times.
    upcoming : list[Upcoming]
        When each of the next ones will, the soonest first.
    forecast : Forecast
        When the next one will, in words.
    """

    steps: np.ndarray
    times: np.ndarray
    identified_by: Literal["overlap", "rank"]
    tracks: list[Track]
    fits: list[ModeFit]
    upcoming: list[Upcoming]
    forecast: Forecast


def follow_modes(
    record: RunRecord, planned_time: float | None = None, *, rises: list[Rise] | None = None
) -> ModeHistory:
    """Follow, fit and forecast the modes of a run, finished or not.

    As many are learned as `learned_rises` says. A folder that is a prediction tells itself when each is, with
    nothing to be fitted or forecast.

    Parameters
    ----------
    planned_time : float | None
        When the run ends, t = learning rate × step; default: as its configuration says, by the steps of
        `eigenstep train` or the monitor's planned_steps.
    rises : list[Rise] | None
        What `learned_rises` found, where that is known; of all records, if these are not all.
    """
    clock = RunClock(record, planned_time)
    rises = learned_rises(record) if rises is None else rises
    steps, times, eigenvalues, points = _columns(record, max(MODES_FOLLOWED, len(rises) + CANDIDATES))
    tracks = track_modes(eigenvalues, points)
    plateau = known_plateau(record)
    upcoming: list[Upcoming] = []
    if record.is_prediction and record.prediction:
        tracks, fits = _in_order(tracks, [_told(rise) for rise in rises])
        forecast = _of_a_prediction(fits, eigenvalues.shape[1], clock)
    else:
        fits = _fit(times, eigenvalues, tracks, plateau, rises) if len(times) else []
        tracks, fits = _in_order(tracks, fits)
        upcoming = _upcoming(record, times, tracks, fits, plateau)
        forecast = forecast_next(
            upcoming,
            float(times[-1]) if len(times) else float("nan"),
            planned_time=clock.planned_time,
            rising=next((fit.mode for fit in fits if not fit.learned), None),
            step_at=clock.step_at,
        )
    identified_by: Literal["overlap", "rank"] = "rank" if points is None else "overlap"
    return ModeHistory(steps, times, identified_by, tracks, fits, upcoming, forecast)


def _columns(record: RunRecord, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Steps, times, eigenvalues and the probe batch's projections, of the records that have all of them.

    What has no finite time is left out.
    """
    rows, probe = record.eigenvalues, record.projections
    if rows is None:
        return np.zeros(0, int), np.zeros(0), np.zeros((0, 0)), None
    points = None
    if probe is not None and probe["points"].size:
        count = min(len(rows), len(probe))  # one may have been written to since the other was read
        if len(rows) - count <= 1 and np.array_equal(rows["step"][:count], probe["step"][:count]):
            rows, points = rows[:count], probe["points"][:count]
    known = np.isfinite(rows["time"])
    rows, points = rows[known], None if points is None else points[known]
    return rows["step"], rows["time"], rows["cross_correlation"][:, :most], points


def _fit(
    times: np.ndarray,
    eigenvalues: np.ndarray,
    tracks: list[Track],
    plateau: float | None,
    by_rank: list[Rise],
) -> list[ModeFit]:
    """As many fits as there are eigenvalues that are learned: of the modes that rose the highest.

    A mode that is learned by rank, but whose course through exchanges does not look like a rise, is fitted by
    the eigenvalues of its rank.
    """
    spread = PLATEAU_SPREAD if plateau is None else 0.0
    curves = np.stack([track.eigenvalues for track in tracks], axis=1)
    by_mode = sorted(find_rises(times, curves, plateau=plateau), key=lambda rise: -rise.plateau)
    risen = [(rise, curves[:, rise.mode]) for rise in by_mode[: len(by_rank)]]
    found = {rise.mode for rise, _ in risen}
    mode_of = {int(track.ranks[-1]): track.mode for track in tracks}
    for rise in by_rank:
        mode = mode_of[rise.mode]
        if len(risen) < len(by_rank) and mode not in found:
            risen.append((dataclasses.replace(rise, mode=mode), eigenvalues[:, rise.mode]))
    fits = [fit_mode(times, curve, rise, plateau_spread=spread) for rise, curve in risen]
    return fits + (_rising(times, tracks, fits) if plateau is None and fits else [])


def _told(rise: Rise) -> ModeFit:
    """What a prediction says of a mode, to the digit."""
    rate = LOGISTIC_WIDTH / rise.width if rise.width > 0 else np.nan
    half_time, width, plateau, growth_rate, gamma, acceleration = (
        Estimate(number, number, number)
        for number in (rise.half_time, rise.width, rise.plateau, rate, rate / 8, 0.0)
    )
    return ModeFit(rise.mode, half_time, width, plateau, growth_rate, gamma, acceleration, learned=True)


def _of_a_prediction(fits: list[ModeFit], dim: int, clock: RunClock) -> Forecast:
    """That nothing is to be forecast where all has been predicted."""
    text = f"{len(fits)} of {dim} dimensions are predicted to be learned"
    text += f", the last at step {clock.step_at(fits[-1].half_time.value):,.0f}." if fits else "."
    return Forecast(NONE, None, None, None, clock.planned_time, text)


def _rising(times: np.ndarray, tracks: list[Track], fits: list[ModeFit]) -> list[ModeFit]:
    """The modes past half of what the latest one settled at, that have not settled themselves."""
    level = max(fits, key=lambda fit: fit.half_time.value).plateau.value
    learned, rising = {fit.mode for fit in fits}, []
    for track in tracks:
        if track.mode not in learned and np.median(track.eigenvalues[-3:]) > level / 2:
            for rise in find_rises(times, track.eigenvalues[:, None], plateau=level):
                found = dataclasses.replace(rise, mode=track.mode)
                rising.append(
                    fit_mode(
                        times, track.eigenvalues, found, learned=False, plateau_spread=GUESSED_PLATEAU_SPREAD
                    )
                )
    return rising


def _in_order(tracks: list[Track], fits: list[ModeFit]) -> tuple[list[Track], list[ModeFit]]:
    """The same, numbered by half-time, and then by the last eigenvalue."""
    fits = sorted(fits, key=lambda fit: fit.half_time.value)
    risen = [fit.mode for fit in fits]
    others = [track for track in tracks if track.mode not in set(risen)]
    others.sort(key=lambda track: -np.nan_to_num(track.eigenvalues[-1:], nan=-np.inf).sum())
    order = [tracks[mode] for mode in risen if mode < len(tracks)] + others
    return (
        [dataclasses.replace(track, mode=mode) for mode, track in enumerate(order)],
        [dataclasses.replace(fit, mode=mode) for mode, fit in enumerate(fits)],
    )


def _upcoming(
    record: RunRecord, times: np.ndarray, tracks: list[Track], fits: list[ModeFit], plateau: float | None
) -> list[Upcoming]:
    if not len(times):
        return []
    unknown = np.full(len(times), np.nan)
    variances = [unknown if track.variances is None else track.variances for track in tracks]
    options = record.config.get("barlow_twins")
    normalize = options.get("normalize") if isinstance(options, dict) else None
    theirs = record.config.get("loss") == "barlow_twins" and normalize in (None, "none")
    first_plateau, first_spread = FIRST_OF_BARLOW_TWINS if theirs else FIRST_OF_OTHERS
    return forecast_modes(
        times,
        np.stack([track.eigenvalues for track in tracks], axis=1),
        fits,
        variances=np.stack(variances, axis=1),
        plateau=plateau,
        first_plateau=first_plateau,
        first_spread=first_spread,
    )
