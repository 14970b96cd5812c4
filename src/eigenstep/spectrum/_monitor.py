"""The spectrum of embeddings in anyone's training loop."""

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from eigenstep.analysis import LossStanding
from eigenstep.embeddings import as_tensor
from eigenstep.machine import gather_objects, is_leader, on_leader, world_size
from eigenstep.spectrum._mean import Mean
from eigenstep.spectrum._measure import check_embeddings, principal_projections
from eigenstep.spectrum._monitor_folder import MonitorFolder, check_folder, resumed_position
from eigenstep.spectrum._monitor_settings import Background, Dim, LogSpaced, MonitorSettings
from eigenstep.spectrum._spectrum import Spectrum
from eigenstep.spectrum._told_loss import told_loss
from eigenstep.spectrum.health import as_numbers, at_start, of_embeddings
from eigenstep.spectrum.moments import Finish, Form, LeadingDirections


class SpectrumMonitor:
    """Follow the spectrum of a loop's embeddings, and record it as a run folder.

    Call `update` with each step's embeddings; at its cadence the monitor writes eigenvalues and measures,
    and `eigenstep report` shows them. It changes no gradient, draws no random numbers, and does not make the
    loop wait for the device. docs/monitor.md tells the forms, what they cost, and how to resume.

    Parameters
    ----------
    out : str | Path
        The run folder to write.
    dim : int | tuple[int, int] | None
        Dimension d of the embeddings, or (d_a, d_b) of those of two encoders; by default that of the first
        ones.
    every : int | LogSpaced | None
        Steps between two measurements, by default 10, above 1,024 dimensions 20, with form "exponential" 40
        above 256 and 200 above 512; or `LogSpaced(per_decade)`.
    center : bool
        Subtract the mean over both views from the embeddings before C is formed.
    form : str
        Which embeddings a measurement is over. "window": those since the last measurement; "sliding": the
        last ones, whenever they came; "exponential": all, with weights that halve every `half_life` steps;
        "all": all since the start or `reset()`, for example of an epoch.
    window : int | None
        Samples that a window holds at most, the last ones; by default 262,144 / d, at least 256.
    half_life : float
        Steps.
    stride : int | None
        Embeddings of every so many steps enter, from the first on, and of those of a measurement; by default
        of all, but with form "exponential" of every 4th above 256 dimensions and every 10th above 512.
    leading : int
        Above 2,048 dimensions, how many eigenvalues are kept.
    plateau : float
        Eigenvalue of a learned mode in theory: 1 for un-normalised Barlow Twins.
    planned_steps : int | None
        How many steps the run will have, where that is known; the last one is measured.
    resume : bool | int
        Go on in a folder that holds a record: True from its last measurement, or from what `load_state_dict`
        says; a number from that step. Later measurements are forgotten.
    take_over : bool
        Write in the folder also if a process of another machine has not given it back.
    probe : Callable[[], Tensor] | None
        Called at each measurement, without gradient; gives a fixed batch's embeddings (n, d), whose principal
        projections are recorded.
    directions : int
        Principal directions of the probe batch that are kept.
    thumbnails : np.ndarray | None
        Pictures of the probe batch, uint8 (n, height, width, 3), for the report.
    layer : str | None
        Name of what is watched, for the record.
    modes : str | None
        "eigenvalues": those of C, of embeddings of one dimension. "singular_values": those of the
        cross-covariance of two encoders' embeddings, each about its own mean; with measures of each side.
        By default singular values where the dimensions of z_a and z_b differ.
    gather_distributed : bool
        If a process group is initialised, measure the joint batch of all ranks, every one of which must call
        the monitor alike; the first one writes.
    background : bool | None
        Measure in a thread beside the loop; by default if the embeddings are not on the CPU.
    loss : str | TwoViewLoss | None
        The loss that the loop minimises, for its values to be placed between chance and the floor: a loss of
        `eigenstep.losses` that takes these embeddings, or a name such as "ntxent", "clip", "moco", "dino" or
        "barlow_twins", whose options, such as temperature=0.5, are given beside it; see
        `eigenstep.losses.named_landmarks`.
    batch_size : int | None
        Pairs that this loss sees at once, over all processes; by default those of the first step, or of a
        micro-batch of it that `watch` has seen.
    loss_options
        Options of the loss by name.

    Attributes
    ----------
    step, time
        Steps so far, and the sum of their learning rates.
    last : Spectrum | None
        The `Spectrum` recorded last, or None.
    loss_standing : LossStanding | None
        Where the loss stands by the last measurement; None where no `loss` is told, and on ranks that do not
        write.

    Raises
    ------
    FileExistsError
        If the folder holds a record and `resume` is not set.
    ValueError
        For settings that cannot be, and for a loss that is not known.
    TypeError
        For what is no setting.

    Examples
    --------
    >>> import tempfile
    >>> monitor = SpectrumMonitor(tempfile.mkdtemp(), dim=4, every=2)
    >>> for _ in range(4):
    ...     z = torch.randn(256, 4)
    ...     monitor.update(z, z + 0.1 * torch.randn(256, 4), loss=0.0, learning_rate=0.1)
    >>> monitor.compute().cross_correlation.round(0)
    array([1., 1., 1., 1.])
    """

    def __init__(
        self,
        out: str | Path,
        dim: Dim | None = None,
        *,
        every: int | LogSpaced | None = None,
        center: bool = True,
        form: str = "window",
        window: int | None = None,
        half_life: float = 10.0,
        stride: int | None = None,
        leading: int = 128,
        plateau: float = 1.0,
        planned_steps: int | None = None,
        resume: bool | int = False,
        take_over: bool = False,
        probe: Callable[[], Tensor] | None = None,
        directions: int = 8,
        thumbnails: np.ndarray | None = None,
        layer: str | None = None,
        modes: str | None = None,
        gather_distributed: bool = True,
        background: bool | None = None,
        loss: Any = None,
        batch_size: int | None = None,
        **loss_options: Any,
    ) -> None:
        self.loss = told_loss(loss, batch_size, loss_options)
        self.settings = MonitorSettings(
            every=every,
            center=center,
            form=form,
            window=window,
            half_life=half_life,
            stride=stride,
            leading=leading,
            plateau=plateau,
            planned_steps=planned_steps,
            directions=directions,
            layer=layer,
            modes=modes,
        )
        self.out = Path(out).absolute()  # the loop may change its folder
        self._goes_on = resume is not False
        self._take_over = take_over
        if is_leader():
            check_folder(self.out, self._goes_on)
        if dim is not None:
            dim = self.settings.checked_dim(dim)
        if resume < 0:
            raise ValueError(f"expected resume to be True, False or a step, got {resume}")
        if probe is not None and not callable(probe):
            raise TypeError(
                f"expected probe to be a function that gives embeddings, got {type(probe).__name__}"
            )
        self.dim: Dim | None = dim
        self.probe = probe
        self.thumbnails = thumbnails
        self.background = background
        self.gather_distributed = gather_distributed
        self.step, self.time = 0, 0.0
        self._resumed = resume is not False
        if self._resumed:
            self.step, self.time = resumed_position(self.out, None if resume is True else resume)
        self._last: Spectrum | None = None
        self._leading = LeadingDirections(leading, center=center)
        self._losses = Mean()
        self._seen: Form | None = None
        self._recorded: tuple[int, float, Finish] | None = None
        self._health: dict[str, Tensor | float] = {}
        self._folder: MonitorFolder | None = None
        self._opened = False
        self._placed = False
        self._device = torch.device("cpu")
        self._worker = Background()
        self._told: set[str] = set()

    def update(
        self,
        z_a: Any,
        z_b: Any = None,
        *,
        loss: Tensor | float = math.nan,
        learning_rate: float = 1.0,
        health: Mapping[str, Tensor | float] | None = None,
    ) -> None:
        """Add one step's embeddings (n, d), of one view or two, on any device and of any floating type.

        Of two encoders they may be (n, d_a) and (n, d_b), row i of both of one pair.

        If measuring or writing then fails, one warning says so, and it is left out.

        Parameters
        ----------
        z_a, z_b : Tensor | array-like
            Tensors, or what `eigenstep.embeddings.as_tensor` takes: NumPy arrays, data frames, arrays of
            other libraries.
        loss : Tensor | float
            The step's loss, for the record.
        learning_rate : float
            Adds to the record's time, t = sum of learning rates; without it t is the step.
        health : Mapping[str, Tensor | float] | None
            What else the step showed, as docs/run-folder.md names it, such as `update_backbone`; recorded of
            the first step and of those that are measured. How far two views agree is seen here.

        Raises
        ------
        TypeError, ValueError
            For embeddings of another shape or type.
        """
        z_a, z_b = as_tensor(z_a, "z_a"), None if z_b is None else as_tensor(z_b, "z_b")
        dim = self.settings.dim_of(z_a, z_b) if self.dim is None else self.dim
        check_embeddings(z_a, z_b, dim)
        _check_rate(learning_rate)
        self._device = z_a.device
        seen = self._begun(z_a) if z_b is None else self._begun(z_a, z_b)
        assert seen is not None, "there are some"
        assert dim is not None, "the check would have refused them"
        self._place(len(z_a), z_b is not None)
        if self.settings.is_taken(self.step + 1, dim):
            seen.update(z_a, z_b, self.step + 1)
        due = self.settings.is_due(self.step + 1, dim)
        if self._folder is not None and (due or not self.step):
            of_one = z_b is not None and not isinstance(dim, tuple)
            signs = {**(self._of_pairs(z_a, z_b) if of_one else {}), **(health or {})}
            self._health |= signs if due else at_start(signs)
        self._count(loss, learning_rate)

    def skip(self, *, loss: Tensor | float = math.nan, learning_rate: float = 1.0) -> None:
        """Count a step without embeddings; a measurement that is due is over those that there are.

        Raises
        ------
        ValueError
            For a learning rate that is not finite.
        """
        _check_rate(learning_rate)
        self._begun()
        self._count(loss, learning_rate)

    @property
    def last(self) -> Spectrum | None:
        """The spectrum recorded last; on ranks that do not write it is computed when asked for.

        While a measurement is under way in the background, the one before.
        """
        if self._last is None and self._folder is None and self._recorded is not None:
            step, time, finish = self._recorded
            self._last = self.settings.spectrum(finish(self._leading), step, time)
        return self._last

    @property
    def learned_modes(self) -> int | None:
        """How many modes the record so far shows to have been learned; None on ranks that do not write it."""
        return None if self._folder is None else self._folder.learned_modes

    @property
    def loss_standing(self) -> LossStanding | None:
        return None if self._folder is None else self._folder.loss_standing

    @property
    def has_measured(self) -> bool:
        """Whether there has been a measurement."""
        return self._recorded is not None

    def wait(self) -> None:
        """Return when no measurement is under way in the background, and all are written."""
        self._worker.wait()

    def compute(self, *, eigenvectors: bool = False) -> Spectrum:
        """The spectrum as of now: after a step that was recorded, that; else of what has come since.

        Under a process group all ranks must call this.

        Raises
        ------
        ValueError
            If nothing has come.
        """
        self._worker.wait()
        if self._recorded is not None and self._recorded[0] == self.step:
            if self.last is not None and not eigenvectors:
                return self.last
            finish = self._recorded[2]
        elif self._seen is None or (self._seen.is_empty and not self._gathers()):
            raise ValueError(
                "no embeddings seen since the last measurement, if there was one; call update first, or read"
                " the monitor's `last`"
            )
        else:
            finish = self._seen.snapshot(gather=self._gathers(), copy=False)
        moments = finish(self._leading.copy())
        return self.settings.spectrum(moments, self.step, self.time, eigenvectors=eigenvectors)

    def reset(self) -> None:
        """Forget all embeddings, so that the form "all" starts over; the record stays."""
        if self._seen is not None:
            self._seen.reset()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint of the loop should hold, for the monitor to go on as if never stopped."""
        self._worker.wait()
        return {
            "step": self.step,
            "time": self.time,
            "dim": self.dim,
            "loss": self._losses.state_dict(),
            "health": as_numbers(self._health),
            "seen": None if self._seen is None else self._seen.state_dict(),
            "directions": self._leading.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave; measurements made after it are forgotten."""
        self._worker.wait()
        if "losses" in state:  # of a version that kept them all
            kept = [float(value) for value in state["losses"]]
            state = state | {"loss": {"sum": sum(kept), "count": len(kept)}}
        if missing := {"step", "time", "dim", "loss", "seen", "directions"} - set(state):
            raise ValueError(f"expected what state_dict gave, got no {', '.join(sorted(missing))}")
        if self.dim is not None and state["dim"] not in (None, self.dim):
            raise ValueError(f"expected the state of a monitor of dim {self.dim}, got {state['dim']}")
        self.step, self.time = int(state["step"]), float(state["time"])
        self.dim = None if state["dim"] is None else self.settings.checked_dim(state["dim"])
        self._last = self._recorded = self._folder = None
        self._opened, self._goes_on = False, True
        self._losses.load_state_dict(state["loss"])
        self._health = dict(state.get("health", {}))  # which earlier versions had not
        self._leading.load_state_dict(state["directions"])
        self._seen = None
        if state["seen"] is not None:
            assert self.dim is not None, "embeddings have one"
            self._seen = self.settings.make_form(self.dim, gather=self._gathers())
            self._seen.load_state_dict(state["seen"])

    def close(self, state: str = "finished") -> None:
        """Write the summary; `state`: "finished", or another word for how the run ended."""
        self._worker.wait()
        if self._folder is not None:
            self._folder.close(state, self.step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close("finished" if kind is None else "interrupted")

    def _count(self, loss: Tensor | float, learning_rate: float) -> None:
        self._losses.add(loss)
        self.step += 1
        self.time += float(learning_rate)
        if self._seen is not None and self.dim is not None and self.settings.is_due(self.step, self.dim):
            self._record(self._seen, learning_rate)

    def _begun(self, *views: Tensor) -> Form | None:
        """The form that takes embeddings, once this rank has some, or, where all are measured, another has.

        Until then the ranks tell each other what they have: one without takes part in what they compute.
        """
        if self._opened:
            return self._seen
        if self._seen is None:
            first = None
            if views:
                dim = self.dim or self.settings.dim_of(*views, *(None,) * (2 - len(views)))
                first = (dim, len(views), views[0].dtype, views[0].device.type)
            alike = next((each for each in gather_objects(first) if each), None) if self._gathers() else first
            if alike is None:
                return None
            known, count, dtype, device = alike
            assert known is not None, "embeddings that are taken have one"
            self.dim = known
            self._seen = self.settings.make_form(known, gather=self._gathers())
            if not views:
                dims = known if isinstance(known, tuple) else (known,) * count
                nothing = [torch.zeros(0, each, dtype=dtype, device=device) for each in dims]
                self._device = nothing[0].device
                self._seen.update(nothing[0], nothing[1] if count == 2 else None, self.step + 1)
        self._opened = True
        if self._gathers():
            if self._resumed:  # only the first rank is sure to see the folder
                self.step, self.time = gather_objects((self.step, self.time))[0]
            on_leader(self._open)
        elif is_leader():
            self._open()
        return self._seen

    def _open(self) -> None:
        """Open the run folder."""
        assert self.dim is not None, "there are embeddings"
        check_folder(self.out, self._goes_on)  # another monitor may have opened it meanwhile
        probe = self._probe_embeddings()
        folder = MonitorFolder(
            self.out,
            self.settings.kept_of(self.dim),
            0 if probe is None else len(probe),
            self.settings.directions,
            self.settings.as_config(self.dim),
            self.step,
            resume=self._goes_on,
            take_over=self._take_over,
        )
        if self.thumbnails is not None:
            folder.write_thumbnails(self.thumbnails)
        self._folder = folder

    def _place(self, rows: int, are_pairs: bool) -> None:
        """Write down what values the loss has by itself, at the first step; what fails there is told."""
        if self.loss is None or self._placed or self._folder is None:
            return
        self._placed = True
        processes = world_size() if self._gathers() else 1
        assert self.dim is not None, "there are embeddings"
        dim = max(self.dim) if isinstance(self.dim, tuple) else self.dim
        try:
            landmarks = self.loss.landmarks(rows, dim, processes)
            pairs = self.loss.pairs(rows, processes)
            self._folder.write_landmarks(self.loss.name, landmarks, pairs=pairs, dim=dim, processes=processes)
        except Exception as error:
            self._tell(self.step + 1, "where the loss stands is not shown", error)
            return
        if not are_pairs and self.loss.batch_size is None:
            warnings.warn(
                f"the loss {self.loss.name} is placed as that of {self.loss.pairs(rows, processes)} pairs,"
                " the rows of one view; if it sees more or fewer at once, set batch_size=",
                stacklevel=3,
            )

    def _of_pairs(self, z_a: Tensor, z_b: Tensor) -> dict[str, Tensor | float]:
        """What this process's pairs tell of the step's health."""
        processes = world_size() if self._gathers() else 1
        try:
            found = of_embeddings(z_a, z_b)
        except Exception as error:
            self._tell(self.step + 1, "it is not recorded how far views agree", error)
            return {}
        return {**found, "batch": len(z_a) * processes, "processes": processes}

    def _gathers(self) -> bool:
        return self.gather_distributed and world_size() > 1

    def _probe_embeddings(self) -> Tensor | None:
        if self.probe is None:
            return None
        with torch.no_grad():
            return self.probe()

    def _record(self, seen: Form, learning_rate: float) -> None:
        if seen.is_empty and not self._gathers():
            return
        if self._folder is None and is_leader():
            try:
                self._open()  # which failed before
            except Exception as error:
                self._tell(self.step, f"nothing is recorded in {self.out}", error)
        device = self._device
        beside = device.type != "cpu" if self.background is None else self.background
        folder = self._folder
        finish = seen.snapshot(gather=self._gathers(), copy=beside or folder is None)
        seen.start_anew()
        step, time, mean_loss = self.step, self.time, self._losses.take()
        health, self._health = self._health, {}
        self._worker.wait()
        self._recorded = (step, time, finish)
        if folder is None:
            self._last = None
            return
        try:
            probe = self._probe_embeddings()
        except Exception as error:
            self._tell(step, "the probe batch was not measured", error)
            probe = None
        # In another thread, too, copies to the CPU come after what the loop has queued.
        stream = torch.cuda.current_stream(device) if device.type == "cuda" else None

        def measure() -> None:
            try:
                with torch.cuda.stream(stream):
                    found = self.settings.spectrum(finish(self._leading), step, time)
                    if not found.count and not found.nonfinite:
                        return  # no rank had any
                    points = None if probe is None else principal_projections(probe, self.settings.directions)
                    loss, signs = float(mean_loss), as_numbers(health)
                folder.append(found, points, loss=loss, learning_rate=learning_rate, health=signs)
                self._last = found
            except Exception as error:
                self._tell(step, "nothing was measured", error)

        self._worker.run(measure, beside=beside)

    def _tell(self, step: int, what: str, error: Exception) -> None:
        """Warn of an error, once of each kind."""
        if (kind := f"{what}: {type(error).__name__}") not in self._told:
            self._told.add(kind)
            reason = str(error).partition("\n")[0]
            warnings.warn(
                f"step {step}: {what} ({type(error).__name__}: {reason}); training goes on", stacklevel=2
            )


def _check_rate(learning_rate: float) -> None:
    if not math.isfinite(learning_rate):
        raise ValueError(f"expected a finite learning rate, got {learning_rate}")
