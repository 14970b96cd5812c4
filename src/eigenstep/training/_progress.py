"""What a run tells while it goes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    stage : str
        "starting" (what `said` says), "reading" (images), "training" (steps) or "probing" (steps).
    done, total : int
        Images or steps.
    loss : float | None
        Of the last measurement, None before the first.
    images_per_second : float | None
        Of the training so far in this process.
    learned_modes : int | None
        How many modes had been learned at the last measurement.
    waiting : float | None
        Share of the time that was spent waiting for images.
    said : str
        A line on what the run starts from.
    standing : str
        Where the loss stands between chance and its floor, in a few words; empty where that is not known.
    """

    stage: str
    done: int
    total: int
    loss: float | None = None
    images_per_second: float | None = None
    learned_modes: int | None = None
    waiting: float | None = None
    said: str = ""
    standing: str = ""
