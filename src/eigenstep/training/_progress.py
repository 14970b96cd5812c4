"""What a run tells while it goes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    stage : "reading" (images), "training" (steps) or "probing" (steps)
    done, total : images or steps
    loss : of the last measurement, None before the first
    images_per_second : of the training so far in this process
    learned_modes : how many modes had been learned at the last measurement
    waiting : share of the time that was spent waiting for images
    """

    stage: str
    done: int
    total: int
    loss: float | None = None
    images_per_second: float | None = None
    learned_modes: int | None = None
    waiting: float | None = None
