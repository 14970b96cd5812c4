"""Signs that were found, as the record has them."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

# What signs are called that are compared with what they were at the start.
COMPARED = ("agreement", "weight")


def as_numbers(found: Mapping[str, Tensor | float]) -> dict[str, float]:
    """As numbers, in one transfer from the device; those that are not finite are not told.

    Examples
    --------
    >>> as_numbers({"a": torch.tensor(0.5), "b": torch.tensor(math.inf), "c": 2})
    {'a': 0.5, 'c': 2.0}
    """
    tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    told: dict[str, float] = {}
    if tensors:
        device = next((value.device for value in tensors.values() if value.device.type != "cpu"), None)
        stacked = torch.stack([value.detach().to(device).float() for value in tensors.values()])
        told = dict(zip(tensors, stacked.tolist(), strict=True))
    numbers = {name: told.get(name, value) for name, value in found.items()}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


def at_start(found: Mapping[str, Tensor | float]) -> dict[str, Tensor | float]:
    """What of a first step is kept until the first measurement, by the names that it has there.

    Examples
    --------
    >>> at_start({"weight_backbone": 2.0, "views_std": 1.0})
    {'start_weight_backbone': 2.0}
    """
    kept = {name: value for name, value in found.items() if any(word in name for word in COMPARED)}
    return {f"start_{name}": value for name, value in kept.items()}
