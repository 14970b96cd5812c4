"""`ntk_features`: explicit features of a tangent kernel, by random projection."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.kernel.ntk._layers import FactoredLayer
from eigenstep.kernel.ntk._sample_gradients import SampleGradients
from eigenstep.kernel.ntk._sketch import CountSketch, TensorSketch
from eigenstep.kernel.ntk._subject import Subject


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
    n_features : m
    random_state : seed of the projection, and of outputs="random", from 0 to 2**32 - 1. The same seed is the
        same map: features of other samples go with it
    model, X, outputs, chunk_size, dtype, device : as in `empirical_ntk`

    Returns
    -------
    (n, m), an array for an array and a tensor on X's device for a tensor, for kernel="linear"

    Raises
    ------
    ValueError : as `empirical_ntk`; n_features or random_state that are no integers in their range

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
        self._sketches: dict[str, Callable[..., Tensor]] = {}
        for at, layer in enumerate(subject.all_layers):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + at)
            if isinstance(layer, FactoredLayer):
                rows = layer.channels * len(like)
                self._sketches[layer.name] = TensorSketch(rows, layer.full_width, features, generator, like)
            else:
                width = layer.size * len(like)
                self._sketches[layer.name] = CountSketch(width, features, generator, like)

    def __call__(self, subject: Subject) -> Tensor:
        """Return the features (n, m) of the subject's samples."""
        features = subject.cotangents.new_zeros(len(subject.samples), self._features)
        gradients = SampleGradients(subject, subject.cotangents)
        for where in gradients.batches():
            for layer in subject.all_layers:
                sketch = self._sketches[layer.name]
                if isinstance(layer, FactoredLayer):
                    features[where] += sketch(*gradients.factors(layer))
                else:
                    rows = [piece for _, piece in gradients.pieces(layer)]
                    features[where] += sketch(torch.cat(rows, dim=1))
        return features


def _is_integer(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
