"""Random projections of gradients to a fixed number of features, without bias."""

from __future__ import annotations

import torch
from torch import Tensor

from eigenstep.kernel.ntk._products import outer_sums

# Numbers that are worked on at a time.
_PIECE = 1 << 24
# Seconds on a core of a CPU, of which only ratios count: a flop of a matrix product; to sign a number and add
# it to a feature; and of a transform, for each of its numbers.
_FLOP, _ADDITION, _TRANSFORM = 7e-12, 2.5e-9, 3e-9


class CountSketch:
    """Signed sums of a vector's entries: each entry goes to one feature, with a random sign.

    Inner products are right on average, with a variance of at most (|x|^2 |y|^2 + (x.y)^2) / m. Source:
    Charikar, Chen & Farach-Colton, "Finding frequent items in data streams", 2002.

    Parameters
    ----------
    width : entries of a vector
    features : m
    generator : of signs and places
    like : a tensor of the vectors' dtype and device

    Examples
    --------
    >>> sketch = CountSketch(1000, 16, torch.Generator().manual_seed(0), torch.zeros(1))
    >>> sketch(torch.ones(2, 1000)).shape
    torch.Size([2, 16])
    """

    def __init__(self, width: int, features: int, generator: torch.Generator, like: Tensor) -> None:
        self.features = features
        self.signs = torch.randint(2, (width,), generator=generator).mul_(2).sub_(1).to(like)
        self.places = torch.randint(features, (width,), generator=generator).to(like.device)

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the sketches (b, m) of vectors (b, width)."""
        sums = vectors.new_zeros(len(vectors), self.features)
        return sums.index_add_(1, self.places, vectors * self.signs)


class TensorSketch:
    """The count sketch of sum_t g_t a_t^T whose signs and places are products and sums of those of g and a.

    It is the convolution of both count sketches, so that the product need not be formed: one transform of
    each for each position. Where positions are many, forming it takes less. Its variance is at most four
    times that of a count sketch. Source: Pham & Pagh, "Fast and scalable polynomial kernels via explicit
    feature maps", 2013.

    Parameters
    ----------
    rows, columns : R and c_in
    """

    def __init__(
        self, rows: int, columns: int, features: int, generator: torch.Generator, like: Tensor
    ) -> None:
        self._of_rows = CountSketch(rows, features, generator, like)
        self._of_columns = CountSketch(columns, features, generator, like)

    def __call__(self, gradients: Tensor, columns: Tensor) -> Tensor:
        """Return the sketches (b, m) of gradients (b, R, T) and columns (b, c_in, T)."""
        _, rows, positions = gradients.shape
        width, features = columns.shape[1], self._of_rows.features
        formed = rows * width * (2 * _FLOP * positions + _ADDITION)
        transformed = positions * (_TRANSFORM * features + _ADDITION * (rows + width))
        return (self.formed if formed < transformed else self.transformed)(gradients, columns)

    def transformed(self, gradients: Tensor, columns: Tensor) -> Tensor:
        count, _, positions = gradients.shape
        features = self._of_rows.features
        spectrum = torch.zeros(
            count, features // 2 + 1, dtype=gradients.dtype.to_complex(), device=gradients.device
        )
        step = max(1, _PIECE // (count * features))
        for start in range(0, positions, step):
            both = []
            for part, sketch in ((gradients, self._of_rows), (columns, self._of_columns)):
                vectors = part[..., start : start + step].transpose(1, 2)
                sums = sketch(vectors.flatten(0, 1))
                both.append(torch.fft.rfft(sums).unflatten(0, vectors.shape[:2]))
            spectrum += (both[0] * both[1]).sum(dim=1)
        return torch.fft.irfft(spectrum, features)

    def formed(self, gradients: Tensor, columns: Tensor) -> Tensor:
        count, rows, _ = gradients.shape
        width = columns.shape[1]
        sums = gradients.new_zeros(count, self._of_rows.features)
        step = max(1, _PIECE // (count * width))
        left, right = self._of_rows, self._of_columns
        signed = columns * right.signs[:, None]
        for start in range(0, rows, step):
            part = slice(start, start + step)
            turned = gradients[:, part] * left.signs[part, None]
            product = gradients.new_empty(count, turned.shape[1], width)
            outer_sums(turned, signed, product)
            places = (left.places[part, None] + right.places) % left.features
            sums.index_add_(1, places.flatten(), product.flatten(1))
        return sums
