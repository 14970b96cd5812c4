"""Random states, put back after something has drawn from them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


@contextmanager
def random_state_kept(loader: Any = None) -> Iterator[None]:
    """Put back what Python, NumPy and torch draw from, on all devices, and a loader's own generators."""
    parts = [loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)]
    generators = [getattr(part, "generator", None) for part in parts]
    own = [(each, each.get_state()) for each in generators if isinstance(each, torch.Generator)]
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        for generator, state in own:
            generator.set_state(state)
