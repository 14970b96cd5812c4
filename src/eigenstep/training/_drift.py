"""How far the features of the probe batch have moved from what they were before the first step."""

import io
from pathlib import Path

import numpy as np
from torch import Tensor

from eigenstep.record import START_FEATURES, TABLE_BYTES, read_bounded
from eigenstep.spectrum.agreement import linear_cka, space_overlap

# Leading directions of which the spaces are compared.
DIRECTIONS = 8


class Drift:
    """Features now beside those of the start, on the same images.

    Parameters
    ----------
    start : np.ndarray
        float32 (n, p), of the probe batch before the first step.

    Examples
    --------
    >>> import torch
    >>> rows = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    >>> found = Drift(rows.numpy()).measure(2 * rows.flip(1))
    >>> round(found["cka"], 6), round(found["overlap"], 6)
    (1.0, 1.0)
    """

    def __init__(self, start: np.ndarray) -> None:
        self.start = start

    @classmethod
    def kept_in(cls, run: Path, images: int) -> "Drift":
        """From the features that a run folder keeps; OSError or ValueError where there are none."""
        content = io.BytesIO(read_bounded(run / START_FEATURES, TABLE_BYTES, run))
        try:
            start = np.lib.format.read_array(content, allow_pickle=False)
        except Exception as error:  # its header may say anything
            raise ValueError(f"{run / START_FEATURES} holds no array ({error})") from error
        if start.ndim != 2 or len(start) != images or start.dtype != np.float32:
            raise ValueError(f"{run / START_FEATURES} holds other things than features of {images} images")
        return cls(start)

    def measure(self, features: Tensor) -> dict[str, float]:
        """`cka`, linear, and `overlap` of the leading spaces, in [0, 1]; NaN where not defined."""
        now = features.detach().float().cpu().numpy()
        return {"cka": self._cka(now), "overlap": self._overlap(now)}

    def _cka(self, now: np.ndarray) -> float:
        try:
            return linear_cka(self.start, now)
        except ValueError:  # not finite, or the same for all images
            return float("nan")

    def _overlap(self, now: np.ndarray) -> float:
        modes = min(DIRECTIONS, now.shape[1], len(now) - 2)
        while modes > 0:
            try:
                return space_overlap(self.start, now, modes)
            except ValueError:  # features of fewer directions than that
                modes //= 2
        return float("nan")
