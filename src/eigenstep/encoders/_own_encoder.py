"""An encoder of one's own: any module that gives embeddings, tried on two samples before it is trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch import distributed as dist

from eigenstep.encoders._config import ProjectorConfig
from eigenstep.encoders._encoder import Encoder
from eigenstep.spelling import PYTHON, python_name


class OwnEncoder(Encoder):
    """A module as an encoder, without a projector; it is the module itself that is trained.

    Parameters
    ----------
    module : nn.Module
        Gives embeddings (B, d), which are then the features too, or features (B, p) and embeddings (B, d).
    num_features : int
        p; 0 where it is not known.

    Examples
    --------
    >>> features, embeddings = OwnEncoder(nn.Linear(5, 3))(torch.zeros(2, 5))
    >>> embeddings.shape
    torch.Size([2, 3])
    """

    def __init__(self, module: nn.Module, num_features: int = 0) -> None:
        nn.Module.__init__(self)
        self.backbone = module
        self.num_features = num_features
        self.projector = nn.Sequential()


def own_projector(dim: int) -> ProjectorConfig:
    """What a configuration says of the projector of an encoder that has none: the embedding's dimension.

    Examples
    --------
    >>> own_projector(32).dim
    32
    """
    return ProjectorConfig(hidden=(), dim=dim, init_scale=1.0)


def try_encoder(module: nn.Module, sample: Tensor) -> tuple[OwnEncoder, int]:
    """The module as an encoder, and the dimension d of its embeddings, by one pass of a few samples.

    Buffers, gradients and random states are afterwards what they were; the module is in training mode.

    Parameters
    ----------
    sample : Tensor
        (n, ...) views, both of each item.

    Raises
    ------
    TypeError
        For what is no module.
    ValueError
        In one line if the samples do not pass, and for embeddings of a wrong shape, that are not finite, or
        that do not depend on a parameter that can be trained.

    Examples
    --------
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    >>> encoder, dim = try_encoder(network, torch.zeros(2, 3, 2, 2))
    >>> dim
    5
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"encoder: expected a torch.nn.Module, got {type(module).__name__}")
    features, embeddings = try_network(OwnEncoder(module), sample, _bare(module))
    return OwnEncoder(module, features.shape[1]), embeddings.shape[1]


def try_network(encoder: Encoder, sample: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Features and embeddings of a few samples, as `try_encoder` checks them; `name` stands in errors.

    Examples
    --------
    >>> features, embeddings = try_network(OwnEncoder(nn.Linear(5, 3)), torch.zeros(2, 5), "mine")
    >>> embeddings.shape, embeddings.requires_grad
    (torch.Size([2, 3]), False)
    """
    trained = [each for each in encoder.parameters() if each.requires_grad]
    if not trained:
        raise ValueError(f"encoder: {name} has no parameter that can be trained")
    encoder.train()
    with _left_as_it_was(encoder), torch.enable_grad():
        try:
            passed = encoder(as_input(sample.to(trained[0].device), trained[0].dtype))
        except Exception as error:  # a module may raise anything
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"encoder: {name} does not take views of shape {tuple(sample.shape)}"
                f" ({type(error).__name__}: {reason}); give an encoder that does by encoder="
            ) from error
        features, embeddings = _checked(passed, len(sample), name)
        if not embeddings.requires_grad:
            raise ValueError(f"encoder: {name} gives embeddings without a gradient; compute them with one")
        total = embeddings.float().square().sum()
        gradients = torch.autograd.grad(total, trained, allow_unused=True)
    if all(gradient is None for gradient in gradients):
        raise ValueError(f"encoder: no parameter of {name} has a part in its embeddings")
    if dist.is_initialized() and any(gradient is None for gradient in gradients):  # torch would wait for it
        names = {id(parameter): key for key, parameter in encoder.named_parameters()}
        idle = next(each for each, gradient in zip(trained, gradients, strict=True) if gradient is None)
        raise ValueError(
            f"encoder: {names[id(idle)].removeprefix('backbone.')} of {name} has no part in its embeddings;"
            " in several processes such parameters must have requires_grad=False"
        )
    return features.detach(), embeddings.detach()


def as_input(views: Tensor, dtype: torch.dtype) -> Tensor:
    """Views as a network takes them: numbers with a point in its type, images in channels-last order.

    Examples
    --------
    >>> as_input(torch.zeros(2, 3, 8, 8), torch.bfloat16).dtype
    torch.bfloat16
    """
    views = views.to(dtype) if views.is_floating_point() else views
    return views.contiguous(memory_format=torch.channels_last) if views.ndim == 4 else views


def _checked(passed: object, rows: int, name: str) -> tuple[Tensor, Tensor]:
    expected = f"encoder: {name} must return embeddings ({rows}, d) or (features, embeddings), got"
    parts = passed if isinstance(passed, tuple) else None
    if parts is None or len(parts) != 2:
        raise ValueError(f"{expected} {_described(passed)}")
    for what, part in zip(("features", "embeddings"), parts, strict=True):
        if not isinstance(part, Tensor) or part.ndim != 2 or len(part) != rows or not part.shape[1]:
            raise ValueError(f"{expected} {what} {_described(part)}")
        if not part.is_floating_point():
            raise ValueError(f"encoder: {name} must return {what} of real numbers, got {part.dtype}")
        if not bool(torch.isfinite(part).all()):
            raise ValueError(f"encoder: {name} gives {what} that are not finite, of two items of the data")
    features, embeddings = parts
    return features, embeddings


@contextmanager
def _left_as_it_was(module: nn.Module) -> Iterator[None]:
    """Buffers and torch's random states are afterwards what they were."""
    # Lazy modules have no buffers before their first pass.
    buffers = [each for each in module.buffers() if not isinstance(each, nn.UninitializedBuffer)]
    before = [each.clone() for each in buffers]
    devices = [each.device for each in module.parameters() if each.device.type == "cuda"][:1]
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        with torch.no_grad():
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)


def _bare(module: nn.Module) -> str:
    return python_name(module).removeprefix(PYTHON)


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"of shape {tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} of {len(value)}"
    return "nothing" if value is None else type(value).__name__
