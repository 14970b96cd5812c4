"""What a parameter's shape decides under Muon: whether it is a weight matrix, and how far it moves."""

import functools
import math
from collections.abc import Iterable
from typing import Literal

from torch import nn

MuonScale = Literal["original", "match_rms_adamw", "rms_to_rms"]

# What is no use to orthogonalise, in timm's bounds: few rows, or rows far longer than they are many.
_LEAST_SIDE, _LARGEST_RATIO = 4, 128


def rate_scale(shape: tuple[int, ...], scale: MuonScale = "original") -> float:
    """What the learning rate of a matrix is multiplied by, so that one rate fits matrices of all shapes.

    Parameters
    ----------
    shape : tuple[int, ...]
        (m, n): outputs by inputs, a convolution's places counted with the inputs.
    scale : MuonScale
        original: sqrt(max(1, m/n)), K. Jordan's. match_rms_adamw: 0.2 sqrt(max(m, n)), which moves weights
        by 0.2 lr in root mean square, as AdamW does (Liu et al. 2025, arXiv:2502.16982). rms_to_rms:
        sqrt(m/n), which changes outputs by as much whatever the shape (Bernstein 2025).

    Raises
    ------
    ValueError
        For an unknown scale.

    Examples
    --------
    >>> rate_scale((64, 16)), rate_scale((16, 64))
    (2.0, 1.0)
    """
    outputs, inputs = shape
    if scale == "original":
        return math.sqrt(max(1.0, outputs / inputs))
    if scale == "match_rms_adamw":
        return 0.2 * math.sqrt(max(outputs, inputs))
    if scale == "rms_to_rms":
        return math.sqrt(outputs / inputs)
    raise ValueError(f"scale: expected original, match_rms_adamw or rms_to_rms, got {scale!r}")


@functools.lru_cache(maxsize=1024)  # asked of every parameter at every step
def fallback_reason(shape: tuple[int, ...]) -> str | None:
    """Why `Muon` leaves a parameter of this shape to AdamW, or None where it orthogonalises it.

    These are timm's bounds. A leading 1, or one in the second place, is what depthwise convolutions and
    embeddings of positions have; the first convolution of images of one channel has it too.

    Examples
    --------
    >>> fallback_reason((64,)), fallback_reason((64, 3, 3, 3))
    ('one dimension', None)
    >>> fallback_reason((10, 2048))
    'sides of 10 and 2048, more than 128 times apart'
    """
    if sum(size > 1 for size in shape) < 2:
        return "one dimension"
    if shape[0] == 1 or shape[1] == 1:
        return "a single row or channel"
    small, large = sorted(matrix_shape(shape))
    if small < _LEAST_SIDE:
        return f"a side of {small}, less than {_LEAST_SIDE}"
    if large > _LARGEST_RATIO * small:
        return f"sides of {small} and {large}, more than {_LARGEST_RATIO} times apart"
    return None


def fallback_reasons(parameters: Iterable[tuple[str, nn.Parameter]]) -> dict[str, str]:
    """The trained parameters that `Muon` leaves to AdamW, by name, with the reason.

    Parameters
    ----------
    parameters : Iterable[tuple[str, nn.Parameter]]
        Such as `model.named_parameters()`.

    Examples
    --------
    >>> fallback_reasons(nn.Linear(64, 64).named_parameters())
    {'bias': 'one dimension'}
    """
    reasons = {name: fallback_reason(each.shape) for name, each in parameters if each.requires_grad}
    return {name: reason for name, reason in reasons.items() if reason}


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Outputs by inputs times places."""
    return shape[0], math.prod(shape[1:])
