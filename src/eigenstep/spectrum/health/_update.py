"""What a step does to the weights of a model's parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

# Of a tensor of weights, by which an update is measured; up to twice as many.
WEIGHTS_SAMPLED = 4096

Parts = Mapping[str, Sequence[Tensor]]


@dataclass(frozen=True)
class BeforeUpdate:
    """What is known of a step when its gradient is: norms by name, and a sample of each part's weights."""

    numbers: dict[str, Tensor]
    weights: dict[str, list[Tensor]]


@torch.no_grad()
def see_before_update(parts: Parts, scale: float | Tensor = 1.0) -> BeforeUpdate:
    """Norms of gradients and weights once the gradients are there, which were multiplied by `scale`.

    Examples
    --------
    >>> weights = torch.nn.Parameter(torch.ones(4))
    >>> weights.sum().backward()
    >>> before = see_before_update({"backbone": [weights]})
    >>> torch.optim.SGD([weights], lr=0.1).step()
    >>> {name: round(float(value), 3) for name, value in of_update({"backbone": [weights]}, before).items()}
    {'gradient_backbone': 2.0, 'weight_backbone': 2.0, 'update_backbone': 0.1}
    """
    numbers, weights = {}, {}
    for name, part in parts.items():
        gradients = [each.grad for each in part if each.grad is not None]
        numbers[f"gradient_{name}"] = get_total_norm(gradients) / scale
        numbers[f"weight_{name}"] = get_total_norm([each.detach() for each in part])
        weights[name] = [_sample(each).clone() for each in part]
    return BeforeUpdate(numbers, weights)


@torch.no_grad()
def of_update(parts: Parts, before: BeforeUpdate) -> dict[str, Tensor]:
    """The same, with what the step changed beside the weights, once it is taken.

    Examples
    --------
    >>> weights = torch.nn.Parameter(torch.ones(4))
    >>> weights.sum().backward()
    >>> before = see_before_update({"projector": [weights]})
    >>> with torch.no_grad():
    ...     _ = weights.sub_(0.1 * weights.grad)
    >>> of_update({"projector": [weights]}, before)["update_projector"]
    tensor(0.1000)
    """
    found = dict(before.numbers)
    for name, was in before.weights.items():
        moved = [_sample(now) - then for now, then in zip(parts[name], was, strict=True)]
        found[f"update_{name}"] = get_total_norm(moved) / get_total_norm(was)
    return found


def _sample(weights: Tensor) -> Tensor:
    flat = weights.detach().flatten()
    return flat[:: max(1, len(flat) // WEIGHTS_SAMPLED)]
