import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from eigenstep.training import (
    BarlowTwinsConfig,
    CheckpointConfig,
    RecordConfig,
    build_encoder,
    derived_seed,
    photo_patches,
    train,
)
from eigenstep.views import IMAGENET_MEAN, IMAGENET_STD, TwoViews, ViewsConfig

# Which of 64 images a probe batch of 12 holds.
SPREAD = [0, 5, 10, 16, 21, 26, 32, 37, 42, 48, 53, 58]


@pytest.fixture
def measured_run(small_config, tmp_path, load_weights):
    """A run whose last measured step is also a checkpoint; with the encoder as it was at that step."""

    def run(**changes):
        config = small_config(
            steps=10,
            record=RecordConfig(every=5, probe=12, directions=4),
            checkpoint=CheckpointConfig(every=10),
        )
        config = replace(config, **changes)
        record = train(config, tmp_path / "run")
        encoder = build_encoder(config.backbone, config.images.size, config.projector)
        load_weights(encoder, tmp_path / "run/checkpoints/step_00000010")
        return config, record, encoder

    return run


@pytest.fixture
def embed(epoch_order):
    """Features and embeddings of a step's two views, recomputed."""

    def recompute(config, encoder, step):
        images = photo_patches(config.images.patches, config.images.size, config.seed)
        batch = images[torch.from_numpy(epoch_order(config, len(images), step))]
        generator = torch.Generator().manual_seed(derived_seed(config.seed, 1, step))
        views = TwoViews(config.views, config.images.size)(batch, generator)
        with torch.no_grad():
            return [values.double().numpy() for values in encoder.train()(torch.cat(views))]

    return recompute


@pytest.mark.slow
@pytest.mark.parametrize("center", [True, False])
def test_recorded_eigenvalues_are_those_of_the_checkpointed_weights(measured_run, embed, center):
    config, record, encoder = measured_run(barlow_twins=BarlowTwinsConfig(center=center))
    features, embeddings = embed(config, encoder, 10)
    a, b = np.split(embeddings - embeddings.mean(axis=0) if center else embeddings, 2)
    cross = (a.T @ b + b.T @ a) / (2 * len(a))
    row = record.eigenvalues[record.eigenvalues["step"] == 10][0]
    largest = np.abs(np.linalg.eigvalsh(cross)).max()
    expected = np.linalg.eigvalsh(cross)[::-1]
    np.testing.assert_allclose(row["cross_correlation"], expected, rtol=0, atol=1e-6 * largest)
    expected = np.linalg.eigvalsh(np.cov(embeddings.T, bias=True))[::-1]
    np.testing.assert_allclose(row["covariance"], expected, rtol=0, atol=1e-6 * expected[0])
    expected = np.linalg.eigvalsh(np.cov(features.T, bias=True))[::-1][:128]
    np.testing.assert_allclose(row["features"], expected, rtol=0, atol=1e-6 * expected[0])


@pytest.mark.slow
def test_the_recorded_loss_and_its_terms_are_those_of_the_sameepoch_order(measured_run, embed):
    config, record, encoder = measured_run()
    _, embeddings = embed(config, encoder, 10)
    a, b = np.split(embeddings - embeddings.mean(axis=0), 2)
    error = (a.T @ b + b.T @ a) / (2 * len(a)) - np.eye(16)
    np.testing.assert_allclose(record.metrics["loss"][-1], (error**2).sum(), rtol=1e-6)
    terms = [values[-1] for name, values in record.metrics.items() if name.startswith("terms/")]
    np.testing.assert_allclose(sum(terms), (error**2).sum(), rtol=1e-6)


@pytest.mark.slow
def test_the_probe_batch_is_spread_over_the_images_unaugmented_in_evaluation_mode(measured_run, embed):
    config, record, encoder = measured_run()
    images = photo_patches(64, 16, config.seed)[SPREAD]
    assert np.array_equal(record.probe, images.permute(0, 2, 3, 1).numpy())
    embed(config, encoder, 10)  # the step's own batch has moved the running statistics by then
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        embeddings = encoder.eval()((images / 255 - mean) / std)[1].double().numpy()
    left, scale, _ = np.linalg.svd(embeddings - embeddings.mean(axis=0), full_matrices=False)
    points = record.projections[record.projections["step"] == 10][0]["points"]
    expected = (left * scale)[:, :4]
    signs = np.sign((points * expected).sum(axis=0))
    np.testing.assert_allclose(points * signs, expected, rtol=0, atol=1e-5 * scale[0])


@pytest.mark.slow
def test_views_that_are_not_normalised_are_probed_without_normalisation(measured_run, embed):
    config, record, encoder = measured_run(views=ViewsConfig(normalize="none"))
    embed(config, encoder, 10)
    with torch.no_grad():
        embeddings = encoder.eval()(photo_patches(64, 16)[SPREAD] / 255)[1].double().numpy()
    scale = np.linalg.svd(embeddings - embeddings.mean(axis=0), compute_uv=False)
    found = np.linalg.norm(record.projections["points"][-1], axis=0)
    np.testing.assert_allclose(found, scale[:4], rtol=1e-4)


@pytest.mark.slow
def test_without_a_probe_batch_everything_else_is_recorded(measured_run):
    _, record, _ = measured_run(record=RecordConfig(every=5, probe=0))
    assert record.projections is None
    assert record.probe is None
    assert record.eigenvalues["step"].tolist() == [0, 5, 10]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "every", "expected"),
    [(10, 4, [0, 4, 8, 10]), (8, 4, [0, 4, 8]), (1, 50, [0, 1]), (3, 1, [0, 1, 2, 3])],
)
def test_the_first_the_last_and_every_nth_step_is_measured(small_config, tmp_path, steps, every, expected):
    record = train(small_config(steps=steps, record=RecordConfig(every=every)), tmp_path / "run")
    assert record.metrics["step"].tolist() == expected
    assert record.eigenvalues["step"].tolist() == expected
    assert record.projections["step"].tolist() == expected
    rows = [json.loads(line) for line in (tmp_path / "run" / "timings.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == expected
    assert all(0 <= row["record_seconds"] <= row["seconds"] + 1e-3 for row in rows)


@pytest.mark.slow
def test_the_summary_counts_the_modes_and_names_the_broken_images(small_config, tmp_path, encoded):
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(20):
        (folder / f"{seed}.png").write_bytes(encoded(seed))
    (folder / "broken.png").write_text("x")
    config = small_config(data=str(folder), steps=4)
    summary = train(replace(config, images=replace(config.images, size=20)), tmp_path / "run").summary
    assert (summary["state"], summary["step"]) == ("finished", 4)
    assert summary["learned_modes"] == len(summary["rises"])
    assert summary["images"] == {
        "used": 20,
        "broken": 1,
        "broken_names": ["broken.png (its content is of no known format of images)"],
        "enlarged": 20,
        "with_gaps": 0,
        "damaged": 0,
        "damaged_names": [],
        "found": 21,
        "passed_over": {},
        "passed_over_names": [],
        "channels": 3,
        "dtype": "uint8",
        "range": None,
        "notes": [],
    }
