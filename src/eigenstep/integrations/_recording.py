"""What the callbacks for all libraries have in common: a watch that begins, goes on, has news, and ends."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from eigenstep.spectrum import Spectrum, Watch

# Leading eigenvalues that a logger gets.
LOGGED_EIGENVALUES = 8

T = TypeVar("T")


class Recording:
    """The spectrum of a model's layers while another library trains it.

    Parameters
    ----------
    layer : str | Iterable[str]
        a layer's name, or several.
    out : str | Path | None
        The run folder; None for the one that `begin` is given, or one beside it if that is taken.
    options : dict[str, Any]
        As of `eigenstep.watch`.

    Attributes
    ----------
    folder : Path | None
        The run folder; None before it has begun.
    host_step
        How many steps the host says it has made, by which a state is known to be of this moment.
    """

    def __init__(self, layer: str | Iterable[str], out: str | Path | None, options: dict[str, Any]) -> None:
        self.layers = [layer] if isinstance(layer, str) else list(layer)
        self.out = out
        self.options = options
        self.host_step = 0
        self.folder: Path | None = None
        self._watch: Watch | None = None
        self._state: dict[str, Any] | None = None
        self._told: dict[str, Spectrum] = {}

    def begin(self, model: nn.Module, folder: Path, host_step: int, planned_steps: int | None) -> None:
        """Watch `model`; go on with the record if a state of the host's step is known.

        Raises
        ------
        FileExistsError
            If `out` holds a record that is not gone on with.
        """
        self.end("interrupted")  # a host that failed to fit its batches into memory begins once more
        state = self._state if self._state and self._state["host_step"] == host_step else None
        chosen = Path(self.out or (state["folder"] if state else _free(folder)))
        # The first process may be the only one that sees folder and checkpoint.
        chosen, state = _of_first_process((chosen, state))
        self.folder = chosen
        options = {"resume": state is not None, "planned_steps": planned_steps} | self.options
        self._watch = Watch(model, self.layers, chosen, **options)
        self._told, self.host_step = {}, host_step
        if state:
            self._watch.load_state_dict(state["watch"])

    def end_batch(self, loss: Tensor | None = None) -> None:
        """A micro-batch is over; `loss` is the mean over it, not divided by the number of micro-batches."""
        if self._watch is not None:
            self._watch.end_batch()
            if loss is not None:
                self._watch.log(loss=loss)

    def before_update(self, optimizer: Optimizer, scaler: Any = None) -> None:
        """The optimiser is about to step on the micro-batches that ended, and on the one under way."""
        if self._watch is not None:
            self._watch.before_update(optimizer, scaler)

    def step(self, learning_rate: float, host_step: int) -> None:
        """The optimiser has stepped on the micro-batches that ended since its last step."""
        if self._watch is not None:
            self.host_step = host_step
            self._watch.step(learning_rate=learning_rate)

    def news(self) -> Iterator[tuple[int, dict[str, float]]]:
        """What was measured since the last call: how many steps ago, and values by the names loggers get.

        In a process that does not write the record they are computed for this, but for `learned_modes`, which
        rests on all of the record.
        """
        for layer, monitor in self._watch.monitors.items() if self._watch else ():
            if monitor.dim and monitor.settings.is_due(monitor.step + 1, monitor.dim):
                monitor.wait()  # what is under way now would be replaced before it is told
            found = monitor.last
            if found is not None and found is not self._told.get(layer):
                self._told[layer] = found
                prefix = "spectrum" if len(self.layers) == 1 else f"spectrum/{layer}"
                yield monitor.step - found.step, _named(prefix, found, monitor.learned_modes)

    def wait(self) -> None:
        """Return when no measurement is under way."""
        for monitor in self._watch.monitors.values() if self._watch else ():
            monitor.wait()

    def state(self) -> dict[str, Any]:
        """What a checkpoint should hold; nothing if nothing was watched yet.

        Hosts keep the first process's state for all. So with several processes the embeddings since the last
        measurement are left out, as those of the others are not there.
        """
        if self._watch is not None:
            watch = self._watch.state_dict()
            if _several_processes():
                watch = {layer: state | {"seen": None} for layer, state in watch.items()}
            self._state = {"host_step": self.host_step, "folder": str(self.folder), "watch": watch}
        return self._state or {}

    def load(self, state: dict[str, Any]) -> None:
        """Let the next `begin` go on from what `state` gave, if the host begins at that step."""
        self._state = state

    def end(self, how: str) -> None:
        """Write the summaries and let go of the model; `how` is as of `SpectrumMonitor.close`."""
        if self._watch is not None:
            self.state()
            self._watch.close(how)
            self._watch = None


def _several_processes() -> bool:
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def _named(prefix: str, spectrum: Spectrum, learned_modes: int | None) -> dict[str, float]:
    values = dict(spectrum.measures)
    if learned_modes is not None:
        values["learned_modes"] = float(learned_modes)
    for number, value in enumerate(spectrum.cross_correlation[:LOGGED_EIGENVALUES], start=1):
        values[f"eigenvalue_{number}"] = float(value)
    return {f"{prefix}/{name}": value for name, value in values.items() if math.isfinite(value)}


def _free(folder: Path) -> Path:
    """`folder`, or else folder-2, folder-3, ...: the first in which there is nothing."""
    free, number = folder, 1
    while free.is_dir() and any(free.iterdir()):
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


def _of_first_process(found: T) -> T:
    """The first process's, in all of them."""
    objects = [found]
    if _several_processes():
        distributed.broadcast_object_list(objects)
    return objects[0]
