"""Predictions for images of other than three channels of 8 bits."""

import numpy as np
import pytest

from eigenstep.prediction import PredictConfig, predict
from eigenstep.record import read_tree
from eigenstep.training import ImagesConfig, ProjectorConfig


@pytest.mark.parametrize("kernel", ["rbf", "ntk"])
def test_a_prediction_is_made_of_the_images_as_they_are(tmp_path, kernel):
    stored = np.random.default_rng(0).integers(65536, size=(30, 8, 8, 4)).astype(np.uint16)
    np.save(tmp_path / "stack.npy", stored)
    config = PredictConfig(
        data=str(tmp_path / "stack.npy"),
        kernel=kernel,
        pairs=20,
        probe=10,
        images=ImagesConfig(size=8, layout="NHWC"),
        projector=ProjectorConfig(dim=3),
    )
    record = predict(config, tmp_path / "prediction")
    assert np.array_equal(record.probe, stored[::3])
    written = read_tree(tmp_path / "prediction" / "config.yaml")
    assert written["images"]["channels"] == 4
    assert written["views"]["normalize"] == "data"
    np.testing.assert_allclose(written["views"]["mean"], stored.mean((0, 1, 2)) / 65535, rtol=1e-9)
    np.testing.assert_allclose(written["views"]["std"], stored.std((0, 1, 2)) / 65535, rtol=1e-9)
    assert np.isfinite(record.prediction["gamma"]).all()
