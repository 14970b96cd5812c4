"""Watching a model's layers in anyone's training loop, from hooks alone."""

from eigenstep.spectrum.watching._hooks import Hook
from eigenstep.spectrum.watching._watch import Watch, watch

__all__ = ["Hook", "Watch", "watch"]
