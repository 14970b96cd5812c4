"""Pairs of a linear problem, and a short run of a network on photographs' patches."""

from pathlib import Path

import numpy as np
import pytest

from eigenstep.training import ImagesConfig, ProjectorConfig, RecordConfig, TrainConfig, train


@pytest.fixture
def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Two views (60, 6) each, whose first directions are the strongest, and which have a mean."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 6)) * [2.0, 1.4, 1.0, 0.7, 0.4, 0.2] + 0.5
    return x, x + 0.1 * rng.normal(size=x.shape)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A run folder: the small convnet on 40 patches of 8 pixels, 4 dimensions, 6 steps."""
    config = TrainConfig(
        steps=6,
        batch_size=20,
        threads=1,
        device="cpu",
        images=ImagesConfig(size=8, patches=40),
        projector=ProjectorConfig(dim=4),
        record=RecordConfig(every=1, probe=20),
    )
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(config, folder)
    return folder
