"""Eigenstep: watch, predict and explain how self-supervised networks learn one eigenmode at a time."""

__version__ = "0.1.0"
