"""Coarse or fine: how the variance of grey is shared among spatial frequencies."""

import math

import torch
from torch import Tensor

from eigenstep.modes.statistics._block import Block, Found, share

# Cycles per image from which each band begins; the last one has no end.
BANDS = {"coarse structure": 1, "medium structure": 3, "fine structure": 6, "finest structure": 12}
# Rings of whole frequencies that a slope is read from at least.
LEAST_RINGS = 3
# Of the variance: power below this is rounding, and its logarithm would say nothing.
FLOOR = 1e-6


def frequencies(block: Block) -> Found:
    """Shares of four bands, and the slope of power over frequency in logarithms."""
    height, width = block.grey.shape[1:]
    power = torch.fft.fft2(block.departure).abs().square()
    rows, columns = (torch.fft.fftfreq(length) * length for length in (height, width))
    radius = torch.hypot(rows[:, None], columns[None, :])
    total = power.sum(dim=(1, 2))
    found: Found = {}
    highest, ends = float(radius.max()), [*list(BANDS.values())[1:], math.inf]
    for (name, low), high in zip(BANDS.items(), ends, strict=True):
        inside = ((radius >= low) & (radius < high)).to(power)
        if highest < low:
            found[name] = f"needs {low} cycles an image, and images of {height} x {width} have {int(highest)}"
        else:
            found[name] = share((power * inside).sum(dim=(1, 2)), total)
    rings = min(height, width) // 2
    if rings < LEAST_RINGS:
        found["spectral slope"] = f"needs {2 * LEAST_RINGS} pixels a side, got {height} x {width}"
    else:
        found["spectral slope"] = _slope(power, radius.to(power.device), total, rings)
    return found


def _slope(power: Tensor, radius: Tensor, total: Tensor, rings: int) -> Tensor:
    """Least squares of log mean power on log frequency, over rings of whole frequencies 1, 2, ..."""
    ring = torch.round(radius).long()
    means = torch.stack([power[:, ring == k].mean(dim=1) for k in range(1, rings + 1)], dim=1)
    floor = FLOOR * total[:, None] / radius.numel() + torch.finfo(power.dtype).tiny
    logs = torch.log(means.clamp_min(0) + floor)
    at = torch.log(torch.arange(1, rings + 1).to(power))
    at = at - at.mean()
    return (logs @ at) / (at @ at)
