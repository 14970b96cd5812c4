"""What a monitor measures, over which embeddings, and when."""

from dataclasses import asdict, dataclass
from numbers import Integral
from typing import Any

from eigenstep.spectrum._cadence import LogSpaced
from eigenstep.spectrum._spectrum import Spectrum, spectrum_of
from eigenstep.spectrum.moments import (
    FORMS,
    LARGEST_DENSE,
    Form,
    PairMoments,
    default_window,
    make_form,
)


@dataclass(frozen=True)
class MonitorSettings:
    """The settings of a `SpectrumMonitor` that decide what is in its record; their meaning is told there.

    Raises ValueError for what cannot be.
    """

    every: int | LogSpaced | None
    center: bool
    form: str
    window: int | None
    half_life: float
    stride: int
    leading: int
    plateau: float
    planned_steps: int | None
    directions: int
    layer: str | None

    def __post_init__(self) -> None:
        for name in ("every", "window", "stride", "leading", "planned_steps", "directions"):
            value = getattr(self, name)
            if value is None or (name == "every" and isinstance(value, LogSpaced)):
                continue
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"expected {name} to be a positive integer, got {value!r}")
        if not self.half_life > 0:
            raise ValueError(f"expected a positive half_life, got {self.half_life}")
        if self.form not in FORMS:
            raise ValueError(f"expected form to be one of {', '.join(FORMS)}, got {self.form!r}")

    def is_due(self, step: int, dim: int) -> bool:
        """Whether a measurement is made at that step."""
        every = self._every(dim)
        regular = every.is_due(step) if isinstance(every, LogSpaced) else step % every == 0
        return regular or step == self.planned_steps

    def is_taken(self, step: int, dim: int) -> bool:
        """Whether that step's embeddings enter."""
        return step % self.stride == 1 % self.stride or self.is_due(step, dim)

    def kept(self, dim: int) -> int:
        """How many eigenvalues of `dim` are kept."""
        return dim if dim <= LARGEST_DENSE else min(self.leading, dim)

    def make_form(self, dim: int, *, gather: bool) -> Form:
        """The form that gathers embeddings of `dim` dimensions."""
        return make_form(self.form, dim, window=self.window, half_life=self.half_life, gather=gather)

    def spectrum(
        self, moments: PairMoments, step: int, time: float, *, eigenvectors: bool = False
    ) -> Spectrum:
        """The spectrum of moments, as it is recorded."""
        return spectrum_of(
            moments,
            step=step,
            time=time,
            center=self.center,
            kept=self.kept(moments.dim),
            plateau=self.plateau,
            eigenvectors=eigenvectors,
        )

    def as_config(self, dim: int) -> dict[str, Any]:
        """As they stand in the run's config.yaml."""
        config, every = asdict(self), self._every(dim)
        config["every"] = {"log_spaced": asdict(every)} if isinstance(every, LogSpaced) else every
        config["window"] = (
            (self.window or default_window(dim)) if self.form in ("window", "sliding") else None
        )
        config["half_life"] = self.half_life if self.form == "exponential" else None
        return {"dim": dim, **config}

    def _every(self, dim: int) -> int | LogSpaced:
        return self.every or (10 if dim <= 1024 else 20)
