"""A sound loop, and what is changed of it for one check to fail."""

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import nn

from eigenstep.encoders import ProjectorConfig, build_encoder
from eigenstep.losses import BarlowTwinsLoss
from eigenstep.views import TwoViews, ViewsConfig

PAIRS = 48


@dataclass
class Parts:
    """The arguments of `eigenstep.check`; `more` are those by keyword."""

    model: Any
    views: Any
    loss: Any
    optimizer: Any
    more: dict[str, Any] = field(default_factory=dict)

    def arguments(self) -> tuple[Any, ...]:
        return self.model, self.views, self.loss, self.optimizer


def _draw(config: ViewsConfig) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(3 * PAIRS, 3, 6, 6, generator=generator)
    images = nn.functional.interpolate(coarse, (32, 32), mode="bicubic").clamp(0, 1)
    draw = TwoViews(config.for_channels(3), 32)
    return [draw(part, generator) for part in images.split(PAIRS)]


@pytest.fixture(scope="session")
def draw():
    """`draw(ViewsConfig())`: three batches of two such views of clouds of colour."""
    return _draw


@pytest.fixture(scope="session")
def _batches():
    return _draw(ViewsConfig(crop_scale=(0.4, 1.0)))


@pytest.fixture
def sound(_batches):
    """A loop that passes every check that it can be asked."""
    torch.manual_seed(0)
    projector = ProjectorConfig(hidden=(64,), dim=16, batch_norm=True, batch_norm_output=True, init_scale=1.0)
    model = build_encoder("convnet", 32, projector)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005, momentum=0.9)
    return Parts(model, copy.deepcopy(_batches), BarlowTwinsLoss(lambda_param=0.1), optimizer)
