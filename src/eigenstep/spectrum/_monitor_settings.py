"""What a monitor measures, over which embeddings, when, and beside what."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import Any

from torch import Tensor

from eigenstep.spectrum._rectangular import rectangular_spectrum_of
from eigenstep.spectrum._spectrum import Spectrum, spectrum_of
from eigenstep.spectrum.moments import (
    FORMS,
    LARGEST_DENSE,
    Form,
    PairMoments,
    TwoSides,
    TwoSidesForm,
    default_window,
    make_form,
)

# Of the embeddings: of one encoder, or of two, each with its own.
Dim = int | tuple[int, int]
MODES = ("eigenvalues", "singular_values")


@dataclass(frozen=True)
class LogSpaced:
    """Measure at steps that are evenly spaced on a logarithmic axis: every step at first, rarely later.

    Examples
    --------
    >>> cadence = LogSpaced(per_decade=4)
    >>> [step for step in range(1, 101) if cadence.is_due(step)]
    [1, 2, 4, 6, 10, 18, 32, 57, 100]
    """

    per_decade: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.per_decade <= 200:
            raise ValueError(f"expected 1 to 200 measurements a decade, got {self.per_decade}")

    def is_due(self, step: int) -> bool:
        """Whether `step` is the first one at or after one of the points 10^(i / per_decade)."""
        return step == 1 or self._passed(step) > self._passed(step - 1)

    def _passed(self, step: int) -> int:
        """How many of the points lie at or below `step`, by exact integers: 10^i <= step^per_decade."""
        return len(str(step**self.per_decade)) - 1


@dataclass(frozen=True)
class MonitorSettings:
    """The settings of a `SpectrumMonitor` that decide what is in its record; `SpectrumMonitor` explains them.

    Raises
    ------
    ValueError
        If an option is out of range, or options do not go together.
    """

    every: int | LogSpaced | None
    center: bool
    form: str
    window: int | None
    half_life: float
    stride: int | None
    leading: int
    plateau: float
    planned_steps: int | None
    directions: int
    layer: str | None
    layout: str | None = None
    modes: str | None = None
    views: str | None = None
    parts: Mapping[str, list[str]] | None = None
    optimizer: Mapping[str, Any] | None = None

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
        if self.modes not in (None, *MODES):
            raise ValueError(f"expected modes to be one of {', '.join(MODES)} or None, got {self.modes!r}")

    def checked_dim(self, dim: Any) -> Dim:
        """A dimension that is given, in the form in which it is kept.

        Raises
        ------
        ValueError
            For what is no dimension, and for one or two that do not go with `modes`.
        """
        two = isinstance(dim, tuple | list)
        dims = tuple(dim) if two else (dim,)
        if len(dims) != 1 + two or not all(isinstance(each, Integral) and int(each) >= 1 for each in dims):
            expected = "two positive numbers as dim, (d_a, d_b)" if two else "a positive dim"
            raise ValueError(f"expected {expected}, got {dim!r}")
        if self.modes == ("eigenvalues" if two else "singular_values"):
            expected = "one dimension d" if two else "two dimensions (d_a, d_b)"
            raise ValueError(f"expected {expected} as dim with modes={self.modes!r}, got {dim}")
        return (int(dims[0]), int(dims[1])) if two else int(dims[0])

    def dim_of(self, z_a: Tensor, z_b: Tensor | None) -> Dim | None:
        """The dimension of embeddings, or of each side's where singular values are measured; None: unknown.

        Raises
        ------
        ValueError
            For one view where singular values are asked for.
        """
        if z_a.ndim != 2 or (z_b is not None and z_b.ndim != 2):
            return None
        if z_b is None:
            if self.modes == "singular_values":
                raise ValueError("expected z_a and z_b, whose singular values are asked for, got z_a alone")
            return z_a.shape[1]
        dims = z_a.shape[1], z_b.shape[1]
        if self.modes == "singular_values" or (self.modes is None and dims[0] != dims[1]):
            return dims
        return None if dims[0] != dims[1] else dims[0]

    def is_due(self, step: int, dim: Dim) -> bool:
        """Whether a measurement is made at that step."""
        every = self._every(dim)
        regular = every.is_due(step) if isinstance(every, LogSpaced) else step % every == 0
        return regular or step == self.planned_steps

    def is_taken(self, step: int, dim: Dim) -> bool:
        """Whether that step's embeddings enter."""
        stride = self._stride(dim)
        return step % stride == 1 % stride or self.is_due(step, dim)

    def kept(self, dim: int) -> int:
        """How many eigenvalues of `dim` are kept."""
        return dim if dim <= LARGEST_DENSE else min(self.leading, dim)

    def kept_of(self, dim: Dim) -> Dim:
        """The same of each side."""
        return (self.kept(dim[0]), self.kept(dim[1])) if isinstance(dim, tuple) else self.kept(dim)

    def make_form(self, dim: Dim, *, gather: bool) -> Form:
        """The form that gathers embeddings of `dim` dimensions."""
        if isinstance(dim, tuple):
            return TwoSidesForm(self.form, dim, window=self.window, half_life=self.half_life, gather=gather)
        return make_form(self.form, dim, window=self.window, half_life=self.half_life, gather=gather)

    def spectrum(
        self, moments: PairMoments | TwoSides, step: int, time: float, *, eigenvectors: bool = False
    ) -> Spectrum:
        """The spectrum of moments, as it is recorded."""
        if isinstance(moments, TwoSides):
            first, second = moments.dims
            return rectangular_spectrum_of(
                moments,
                step=step,
                time=time,
                center=self.center,
                kept=(self.kept(first), self.kept(second)),
                plateau=self.plateau,
                eigenvectors=eigenvectors,
            )
        return spectrum_of(
            moments,
            step=step,
            time=time,
            center=self.center,
            kept=self.kept(moments.dim),
            plateau=self.plateau,
            eigenvectors=eigenvectors,
        )

    def as_config(self, dim: Dim) -> dict[str, Any]:
        """As they stand in the run's config.yaml."""
        config, every = asdict(self), self._every(dim)
        del config["modes"]  # eigenvalues, unless they are said to be singular values
        for name in ("parts", "optimizer"):  # which a monitor that is fed by hand does not know
            if config[name] is None:
                del config[name]
        config["every"] = {"log_spaced": asdict(every)} if isinstance(every, LogSpaced) else every
        config["stride"] = self._stride(dim)
        config["window"] = (
            (self.window or default_window(_width(dim))) if self.form in ("window", "sliding") else None
        )
        config["half_life"] = self.half_life if self.form == "exponential" else None
        config |= {"modes": "singular_values"} if isinstance(dim, tuple) else {}
        return {"dim": dim, **config}

    def _every(self, dim: Dim) -> int | LogSpaced:
        if self.every is not None:
            return self.every
        if self.form == "exponential":
            return _streamed_pace(_width(dim))[0]
        return 10 if _width(dim) <= 1024 else 20

    def _stride(self, dim: Dim) -> int:
        if self.stride is not None:
            return self.stride
        if self.form != "exponential":
            return 1
        # What enters less often than weights halve would hardly enter at all.
        return max(1, min(_streamed_pace(_width(dim))[1], int(self.half_life)))


def _streamed_pace(width: int) -> tuple[int, int]:
    """Steps between measurements, and between embeddings that enter, of sums that are d×d.

    An update costs the dimension's second power and a measurement its third: so often that both together take
    0.5 % of a ResNet-18's step on small images up to 512 dimensions, 2 % at 2,048, 5 % at 8,192.
    """
    if width <= 256:
        return 10, 1
    return (40, 4) if width <= 512 else (200, 10)


def _width(dim: Dim) -> int:
    """Of what is measured together: both sides of a pair in a row."""
    return sum(dim) if isinstance(dim, tuple) else dim


class Background:
    """Runs one job after the other, each in a thread beside the caller or, if not `beside`, at once.

    A second job waits for the first, so at most one is under way; an error of a job is raised at the next
    call. A process that ends normally finishes its job first.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._job: Future[None] | None = None

    def run(self, job: Callable[[], None], *, beside: bool) -> None:
        """Do the job, when the one before is done."""
        self.wait()
        if not beside:
            job()
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="eigenstep-monitor")
        self._job = self._pool.submit(job)

    def wait(self) -> None:
        """Return when nothing is under way. Raises what the job raised."""
        job, self._job = self._job, None
        if job is not None:
            job.result()
