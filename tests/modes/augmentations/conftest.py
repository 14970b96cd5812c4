"""Drawn images whose labels are known by how they are drawn."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor


def draw_hues(count: int, seed: int = 0, size: int = 16) -> tuple[Tensor, Tensor]:
    """Discs of four hues on grey noise, at random places: uint8 (n, 3, S, S), and which hue, (n,)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 4
    colours = torch.tensor([[0.8, 0.35, 0.35], [0.35, 0.8, 0.35], [0.35, 0.35, 0.8], [0.7, 0.7, 0.2]])
    grid = torch.arange(size).float()
    centres = size * (0.3 + 0.4 * torch.rand(count, 2, generator=generator))
    radii = size * (0.2 + 0.15 * torch.rand(count, generator=generator))
    distance = (grid[None, :, None] - centres[:, :1, None]) ** 2 + (
        grid[None, None] - centres[:, 1:, None]
    ) ** 2
    inside = (distance < radii[:, None, None] ** 2)[:, None]
    grey = 0.5 + 0.15 * torch.randn(count, 1, size, size, generator=generator)
    level = 0.7 + 0.6 * torch.rand(count, 1, 1, 1, generator=generator)
    drawn = torch.where(inside, colours[labels][:, :, None, None], grey) * level
    return (255 * drawn.clamp(0, 1)).byte(), labels


@pytest.fixture(scope="session")
def hues() -> tuple[Tensor, Tensor]:
    return draw_hues(160)


@pytest.fixture(scope="session")
def drawn() -> Callable[[int], tuple[Tensor, Tensor]]:
    return draw_hues
