import dataclasses

import numpy as np
import pytest
import torch

from eigenstep.record import read_record
from eigenstep.reproduce import LinearModelExperiment, random_crops
from eigenstep.theory import cross_correlation, gradient_descent, mode_eigenvalues
from eigenstep.training import photo_patches

SMALL = LinearModelExperiment(dim=4, crop=8, subtract_crop_mean=True, records=200, probe=6)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("e1") / "linear"
    return SMALL.run(photo_patches(100, 12), out)


@pytest.mark.slow
def test_predicted_half_times_are_within_three_percent_of_the_trained_models(run):
    measured = [rise["half_time"] for rise in run.summary["rises"]]
    assert len(measured) == 4
    np.testing.assert_allclose(measured, run.prediction["half_times"], rtol=0.03)


@pytest.mark.slow
def test_the_loss_starts_at_d_and_drops_by_one_a_mode(run):
    assert run.metrics["loss"][0] == pytest.approx(4, abs=1e-6)
    assert run.metrics["loss"][-1] < 0.3
    halves = np.array(run.prediction["half_times"])
    wide = np.argmax(np.diff(halves) / halves[:-1])
    middle = (halves[wide] + halves[wide + 1]) / 2
    assert np.interp(middle, run.metrics["time"], run.metrics["loss"]) == pytest.approx(
        4 - (wide + 1), abs=0.1
    )


def test_the_predicted_curves_lie_on_the_measured_eigenvalues(run):
    prediction = run.prediction
    curves = mode_eigenvalues(
        prediction["gamma"], prediction["start_scales"], run.eigenvalues["time"], prediction["learning_rate"]
    )
    distance = np.abs(np.sort(curves)[:, ::-1] - run.eigenvalues["cross_correlation"])
    assert distance.mean() < 0.01


def test_training_by_automatic_differentiation_equals_the_update_of_the_theory(run):
    generator = np.random.default_rng([0, 1])
    patches = photo_patches(100, 12)
    x, y = (random_crops(patches, 8, generator).flatten(1).double() / 127.5 - 1 for _ in range(2))
    x, y = (view - view.mean(1, keepdim=True) for view in (x, y))
    weights = generator.normal(0, 1e-7, (4, 192))
    rate, steps = run.config["optimizer"]["lr"], int(run.metrics["step"][-1])
    twin = gradient_descent(cross_correlation(x.numpy(), y.numpy()), weights, rate, steps, record_every=steps)
    np.testing.assert_allclose(run.eigenvalues["cross_correlation"][-1], twin.eigenvalues[-1], rtol=1e-6)


def test_crops_are_parts_of_their_own_image():
    images = torch.arange(2 * 3 * 5 * 5, dtype=torch.uint8).reshape(2, 3, 5, 5)
    crops = random_crops(images, 3, np.random.default_rng(0))
    for image, crop in zip(images, crops, strict=True):
        windows = image.unfold(1, 3, 1).unfold(2, 3, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
        assert any(torch.equal(crop, window) for window in windows)


def test_images_smaller_than_the_crop_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 8×8"):
        SMALL.run(photo_patches(20, 6), tmp_path)


def test_too_few_images_for_the_modes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="4 modes"):
        SMALL.run(photo_patches(2, 12), tmp_path)


def test_the_run_is_a_record_like_any_other(run):
    again = read_record(run.path)
    assert again.projections["points"].shape[1:] == (6, 4)
    assert again.config["backbone"] == "linear"


def test_images_of_16_bits_are_trained_on_as_the_same_of_8_bits_are(tmp_path):
    patches, small = photo_patches(40, 12), LinearModelExperiment(dim=2, crop=4, records=5, probe=3)
    deep = torch.from_numpy(patches.numpy().astype(np.uint16) * 257)
    first, second = (small.run(images, tmp_path / str(images.dtype)) for images in (patches, deep))
    np.testing.assert_array_equal(first.metrics["loss"], second.metrics["loss"])
    assert second.probe.dtype == np.uint16


@pytest.mark.slow
def test_training_in_float32_learns_modes_when_that_in_float64_does_but_for_rounding(run, tmp_path):
    single = dataclasses.replace(SMALL, dtype="float32").run(photo_patches(100, 12), tmp_path)
    assert not np.array_equal(single.metrics["loss"], run.metrics["loss"])
    measured = [[rise["half_time"] for rise in each.summary["rises"]] for each in (single, run)]
    np.testing.assert_allclose(*measured, rtol=0.02)
    np.testing.assert_array_equal(single.prediction["half_times"], run.prediction["half_times"])
