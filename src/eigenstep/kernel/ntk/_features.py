"""`ntk_features`: explicit features of a tangent kernel, by random projection."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.kernel.ntk._layers import FactoredLayer, Layer
from eigenstep.kernel.ntk._products import outer_sums
from eigenstep.kernel.ntk._subject import SampleGradients, Subject

# Numbers that are worked on at a time.
_PIECE = 1 << 24
# Seconds on a core of a CPU, of which only ratios count: a flop of a matrix product; to sign a number and add
# it to a feature; and of a transform, for each of its numbers.
_FLOP, _ADDITION, _TRANSFORM = 7e-12, 2.5e-9, 3e-9


def ntk_features(
    model: nn.Module,
    X: Any,
    n_features: int,
    *,
    outputs: str | int = "mean",
    chunk_size: int | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    random_state: int = 0,
) -> Any:
    """Return random features Phi (n, m) of a model's empirical tangent kernel, with E[Phi Phi^T] = Theta.

    Sketches J R of the Jacobian, layer by layer: count sketches of per-sample gradients, and tensor sketches
    of inputs and output gradients, which do not form the gradient where that is cheaper. The standard error
    of a kernel value relative to sqrt(Theta(x, x) Theta(x', x')) is about 1 / sqrt(m), and at most
    sqrt(8 / m), whatever the number of parameters. Time and memory are linear in n.

    Parameters
    ----------
    n_features : int
        m.
    random_state : int
        Seed of the projection, and of outputs="random", from 0 to 2**32 - 1. The same seed is the same map:
        features of other samples go with it.
    model, X, outputs, chunk_size, dtype, device
        As in `empirical_ntk`.

    Returns
    -------
    Any
        (n, m), an array for an array and a tensor on X's device for a tensor, for kernel="linear"

    Raises
    ------
    ValueError
        As `empirical_ntk`; n_features or random_state that are no integers in their range.

    Examples
    --------
    >>> model = nn.Linear(3, 2)
    >>> features = ntk_features(model, torch.eye(3), 10_000)
    >>> torch.allclose(features @ features.T, torch.eye(3) + 1, atol=0.1)
    True
    """
    if not _is_integer(n_features) or n_features < 1:
        raise ValueError(f"expected n_features as an integer >= 1, got {n_features!r}")
    # torch's generator reads 32 bits of its seed: larger ones would repeat the maps of others.
    if not _is_integer(random_state) or not 0 <= random_state < 2**32:
        raise ValueError(f"expected random_state as an integer from 0 to 2**32 - 1, got {random_state!r}")
    subject = Subject(
        model,
        [X],
        outputs=outputs,
        chunk_size=chunk_size,
        dtype=dtype,
        device=device,
        random_state=random_state,
    )
    projection = Projection(subject, int(n_features), int(random_state))
    features = projection(subject)
    return subject.returned(features[:1] if subject.samples.single else features)


class Projection:
    """A sketch for every layer of a subject; their sum is the features."""

    def __init__(self, subject: Subject, features: int, seed: int) -> None:
        like = subject.cotangents
        self._features = features
        self._sketches: dict[Layer, Callable[..., Tensor]] = {}
        for at, layer in enumerate(subject.all_layers):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + at)
            if isinstance(layer, FactoredLayer):
                rows = layer.channels * len(like)
                self._sketches[layer] = TensorSketch(rows, layer.full_width, features, generator, like)
            else:
                width = layer.size * len(like)
                self._sketches[layer] = CountSketch(width, features, generator, like)

    def __call__(self, subject: Subject) -> Tensor:
        """Return the features (n, m) of the subject's samples."""
        features = subject.cotangents.new_zeros(len(subject.samples), self._features)
        gradients = SampleGradients(subject, subject.cotangents)
        for where in gradients.batches():
            for layer in subject.all_layers:
                sketch = self._sketches[layer]
                if isinstance(layer, FactoredLayer):
                    features[where] += sketch(*gradients.factors(layer))
                else:
                    rows = [piece for _, piece in gradients.pieces(layer)]
                    features[where] += sketch(torch.cat(rows, dim=1))
        return features


def _is_integer(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


class CountSketch:
    """Signed sums of a vector's entries: each entry goes to one feature, with a random sign.

    Inner products are right on average, with a variance of at most (|x|^2 |y|^2 + (x.y)^2) / m. Source:
    Charikar, Chen & Farach-Colton, "Finding frequent items in data streams", 2002.

    Parameters
    ----------
    width : int
        Entries of a vector.
    features : int
        m.
    generator : torch.Generator
        Of signs and places.
    like : Tensor
        a tensor of the vectors' dtype and device.

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
    rows, columns : int
        R and c_in.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> gradients = torch.randn(1, 3, 5, generator=generator)
    >>> columns = torch.randn(1, 4, 5, generator=generator)
    >>> sketch = TensorSketch(3, 4, 4096, generator, gradients)
    >>> product = torch.einsum("brt,bct->brc", gradients, columns)
    >>> bool((sketch(gradients, columns).norm() / product.norm() - 1).abs() < 0.05)
    True
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
