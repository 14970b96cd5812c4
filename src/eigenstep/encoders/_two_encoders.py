"""Two encoders of two kinds of data, trained together as one."""

import torch
from torch import Tensor, nn

from eigenstep.encoders._config import ProjectorConfig
from eigenstep.encoders._encoder import Encoder, build_encoder
from eigenstep.spelling import PYTHON, nearest, python_name

# Of the hidden layer of "mlp".
MLP_WIDTH = 256
OF_VECTORS = ("linear", "mlp")

Sides = tuple[Tensor, Tensor]


class TwoEncoders(nn.Module):
    """An encoder for each side of pairs (x, y), whose embeddings have one width.

    Parameters
    ----------
    first, second : nn.Module | str
        A module that gives embeddings (B, d), or features (B, p) and embeddings (B, d), and which is trained
        itself; or a name, which `build` makes a module of: "convnet" or a model of timm for square images
        (C, H, W), "linear" or "mlp" (one hidden layer) for vectors (k,), each with a projector.

    Attributes
    ----------
    first, second : nn.Module
        The encoders; of names only once they are built, which `train` does.

    Raises
    ------
    TypeError
        For what is no module and no name.

    Examples
    --------
    >>> pair = TwoEncoders(nn.Linear(5, 3), nn.Linear(7, 3))
    >>> features, (z_a, z_b) = pair((torch.zeros(2, 5), torch.zeros(2, 7)))
    >>> z_a.shape, z_b.shape
    (torch.Size([2, 3]), torch.Size([2, 3]))
    """

    first: nn.Module
    second: nn.Module

    def __init__(self, first: nn.Module | str, second: nn.Module | str) -> None:
        super().__init__()
        self._named: dict[str, str] = {}
        names = []
        for place, side in (("first", first), ("second", second)):
            if isinstance(side, nn.Module):
                self.add_module(place, side)
            elif isinstance(side, str):
                self._named[place] = side
            else:
                raise TypeError(
                    f"encoder: expected a torch.nn.Module or a name as the {place} of two, got"
                    f" {type(side).__name__}"
                )
            names.append(side if isinstance(side, str) else python_name(side).removeprefix(PYTHON))
        self.__name__ = f"TwoEncoders({', '.join(names)})"

    @property
    def has_names(self) -> bool:
        """Whether `build` has made, or is to make, one of them."""
        return bool(self._named)

    def build(
        self, shapes: tuple[tuple[int, ...], tuple[int, ...]], projector: ProjectorConfig, seed: int = 0
    ) -> None:
        """Make those that were named and are not made yet, from the seed; modules stay as they are.

        Parameters
        ----------
        shapes : tuple[tuple[int, ...], tuple[int, ...]]
            Of one item of each side, (C, H, W) or (k,).

        Raises
        ------
        ValueError
            In one line for an unknown name, naming the nearest, and for one that is not for such items.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for place, shape in zip(("first", "second"), shapes, strict=True):
                if place in self._named and not hasattr(self, place):
                    self.add_module(place, _built(self._named[place], shape, projector))

    def forward(self, views: Sides) -> tuple[Sides, Sides]:
        """Features and embeddings of both sides, each (B, p) and (B, d) of either."""
        passed = [encoder(view) for encoder, view in zip((self.first, self.second), views, strict=True)]
        (f_a, z_a), (f_b, z_b) = (each if isinstance(each, tuple) else (each, each) for each in passed)
        return (f_a, f_b), (z_a, z_b)


def _built(name: str, shape: tuple[int, ...], projector: ProjectorConfig) -> Encoder:
    if len(shape) == 1:
        if name not in OF_VECTORS:
            raise ValueError(
                f"encoder: expected {' or '.join(OF_VECTORS)} by name for vectors {shape}, or a module, got"
                f" {name!r}." + nearest(name, OF_VECTORS)
            )
        if name == "linear":
            return Encoder(nn.Identity(), shape[0], _without_hidden(projector))
        hidden = nn.Sequential(nn.Linear(shape[0], MLP_WIDTH), nn.ReLU())
        return Encoder(hidden, MLP_WIDTH, _without_hidden(projector))
    if name in OF_VECTORS or len(shape) != 3 or shape[1] != shape[2]:
        kind = "vectors (k,)" if name in OF_VECTORS else "square images (C, H, W)"
        raise ValueError(
            f"encoder: {name} by name is for {kind}, got items {shape}; give a module that takes them"
        )
    return build_encoder(name, shape[1], projector, channels=shape[0])


def _without_hidden(projector: ProjectorConfig) -> ProjectorConfig:
    return ProjectorConfig(
        hidden=(),
        dim=projector.dim,
        batch_norm_output=projector.batch_norm_output,
        init_scale=projector.init_scale,
    )
