"""Random numbers as a function of a seed for each image: the same in any part of a batch, on any device."""

import math

import torch
from torch import Tensor

# SplitMix64 (Steele, Lea, Flood 2014), its constants as signed 64-bit numbers; products wrap around.
_GOLDEN, _FIRST, _SECOND = -7046029254386353131, -4658895280553007687, -7723592293110705685
# Odd numbers that spread the drawn ones over 64 bits before they are mixed.
_SPREAD = (-2643881736870682267, 2685821657736338717, -3335678366873096957, 7809847782465536323, _GOLDEN)

# Where the counters of normal numbers begin, which are far more than any uniforms.
_NORMALS = 2**48


def image_seeds(uniforms: Tensor) -> Tensor:
    """(B,) int64, a seed for each row of drawn uniforms (B, 5 or more); whoever knows the row knows it."""
    bits = (uniforms[:, : len(_SPREAD)] * 2**24).long()
    spread = torch.tensor(_SPREAD, device=uniforms.device)
    return _mixed((bits * spread).sum(1))


def hashed_uniforms(seeds: Tensor, counters: range) -> Tensor:
    """(B, len(counters)) uniform in [0, 1), independent for every seed and counter."""
    return ((_hashes(seeds, counters) >> 40) & 0xFFFFFF) / 2**24


def hashed_normals(seeds: Tensor, count: int) -> Tensor:
    """(B, count) standard normal numbers, float32, by Box and Muller's transformation of uniforms."""
    pairs = _hashes(seeds, range(_NORMALS, _NORMALS + (count + 1) // 2))
    # In (0, 1], so that its logarithm is finite.
    radius = (((pairs >> 40) & 0xFFFFFF) + 1).float().mul_(2**-24).log_().mul_(-2).sqrt_()
    angle = ((pairs >> 8) & 0xFFFFFF).float().mul_(2 * math.pi * 2**-24)
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :count]


def _hashes(seeds: Tensor, counters: range) -> Tensor:
    steps = torch.arange(counters.start + 1, counters.stop + 1, device=seeds.device)
    return _mixed(seeds[:, None] + steps * _GOLDEN)


def _mixed(values: Tensor) -> Tensor:
    """SplitMix64's finaliser; shifts of signed numbers keep their sign, which is masked off."""
    values = (values ^ ((values >> 30) & (2**34 - 1))) * _FIRST
    values = (values ^ ((values >> 27) & (2**37 - 1))) * _SECOND
    return values ^ ((values >> 31) & (2**33 - 1))
