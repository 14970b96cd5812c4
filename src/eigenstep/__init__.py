"""Eigenstep: watch, predict and explain how self-supervised networks learn one eigenmode at a time."""

from importlib import import_module
from typing import Any

from eigenstep._moved import find_moved_modules
from eigenstep.machine import switch_off_telemetry

__version__ = "0.1.0"
__all__ = ["ContrastiveKernelPCA", "SpectrumMonitor", "advise", "check", "load_encoder", "watch"]

# Where the public names are from, and the rooms that are names themselves: all imported when they are used,
# so that `import eigenstep` costs nothing.
_HOMES = {
    "ContrastiveKernelPCA": "kernel",
    "SpectrumMonitor": "spectrum",
    "advise": "advice",
    "check": "advice.checks",
    "load_encoder": "encoders",
    "watch": "spectrum",
}
_ROOMS = (
    *("advice", "analysis", "comparison", "embeddings", "encoders", "export", "images", "integrations"),
    "kernel",
    *("live", "losses", "machine", "methods", "modes", "optim", "pages", "prediction", "probes", "record"),
    *("report", "reproduce", "spectrum", "terminal", "theory", "training", "views"),
)

find_moved_modules()
switch_off_telemetry()  # before any room imports what has some


def __getattr__(name: str) -> Any:
    """Public names and rooms, imported when they are used."""
    if name in _HOMES:
        return getattr(import_module(f"eigenstep.{_HOMES[name]}"), name)
    if name in _ROOMS:
        return import_module(f"eigenstep.{name}")
    raise AttributeError(f"module 'eigenstep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_ROOMS})
