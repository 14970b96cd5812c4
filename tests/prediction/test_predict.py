import dataclasses

import numpy as np
import pytest
import torch

from eigenstep.analysis import find_rises
from eigenstep.comparison import space_overlap
from eigenstep.images import image_hashes
from eigenstep.prediction import (
    Course,
    NTKConfig,
    PredictConfig,
    config_of_run,
    draw_pairs,
    is_prediction,
    predict,
    read_predicted,
    some_images,
)
from eigenstep.record import RecordWriter, read_record
from eigenstep.report import write_report
from eigenstep.theory import half_times, solve_linear
from eigenstep.training import (
    BarlowTwinsConfig,
    ImagesConfig,
    OptimizerConfig,
    ProjectorConfig,
    TrainConfig,
    learning_rates,
    load_images,
)

SMALL = PredictConfig(
    kernel="linear",
    pairs=40,
    probe=20,
    threads=1,
    images=ImagesConfig(size=8, patches=60),
    projector=ProjectorConfig(dim=4),
)
IN_STEPS = {"course": "steps", "steps": 40, "optimizer": OptimizerConfig(lr=1e-5)}


def changed(**changes):
    return dataclasses.replace(SMALL, **changes)


@pytest.mark.slow
def test_of_the_linear_kernel_it_is_the_solution_of_the_linear_model(tmp_path):
    config = changed(barlow_twins=BarlowTwinsConfig(center=False))
    record = predict(config, tmp_path / "out")
    training = TrainConfig(images=config.images)
    x, y = draw_pairs(some_images(training, 40), training, 40)
    rows = (view.flatten(1).double().numpy() for view in (x, y))
    modes = np.linalg.qr(np.random.default_rng(0).normal(size=(192, 4)))[0]
    solution = solve_linear(*rows, weights=1e-4 * modes.T)
    np.testing.assert_allclose(record.prediction["gamma"], solution.eigenvalues, rtol=1e-6)
    aligned = dataclasses.replace(solution, start_scales=np.full(4, 1e-4))
    np.testing.assert_allclose(record.prediction["half_times"], aligned.half_times, rtol=1e-6)
    np.testing.assert_allclose(record.metrics["loss"], aligned.loss(record.metrics["time"]), atol=1e-5)
    eigenvalues = -np.sort(-aligned.trajectory(record.metrics["time"]), axis=1)
    np.testing.assert_allclose(record.eigenvalues["cross_correlation"], eigenvalues, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"kernel": "rbf", "loss": "simclr"}, {"loss": "vicreg"} | IN_STEPS, {"loss": "lejepa"} | IN_STEPS],
)
def test_it_is_a_run_folder_that_says_that_it_is_a_prediction_and_shows_its_steps(tmp_path, changes):
    record = predict(changed(**changes), tmp_path / "out")
    assert is_prediction(tmp_path / "out")
    assert record.is_prediction
    assert record.summary["state"] == "predicted"
    assert record.config["loss"] == changed(**changes).loss
    assert record.probe.shape == (20, 8, 8, 3)
    assert record.projections["points"].shape == (len(record.metrics["step"]), 20, 4)
    assert np.isfinite(record.metrics["loss"]).all()
    assert (np.diff(record.metrics["step"]) > 0).all()
    text = write_report(tmp_path / "out").read_text()
    assert "A prediction, nothing measured" in text
    assert "kernel of the pixels" in text
    assert "Predicted loss" in text


@pytest.mark.slow
def test_the_recorded_steps_are_at_the_predicted_half_times(tmp_path):
    record = predict(SMALL, tmp_path / "out")
    rises = find_rises(record.eigenvalues["time"], record.eigenvalues["cross_correlation"], plateau=1.0)
    assert len(rises) == 4
    found = [rise.half_time for rise in rises]
    np.testing.assert_allclose(found, np.sort(record.prediction["half_times"]), rtol=0.01)


@pytest.mark.slow
def test_the_images_are_named_by_content_and_their_embeddings_span_the_modes(tmp_path):
    predict(SMALL, tmp_path / "out")
    found = read_predicted(tmp_path / "out")
    images = load_images("photos", SMALL.images, 0).images
    assert found.image_hash.tolist() == image_hashes(images[torch.arange(20) * 3]).tolist()
    assert space_overlap(found.end, found.modes) == pytest.approx(1, abs=1e-5)
    for count, values in zip(found.between_learned, found.between, strict=True):
        assert space_overlap(values, found.modes[:, :count], int(count)) > 0.97


def test_moments_beyond_the_course_have_the_steps_that_its_rate_gives_them(tmp_path):
    record = predict(changed(steps=50), tmp_path / "out")
    rate = record.metrics["learning_rate"][0]
    assert record.metrics["step"][-1] == 50
    half_times = np.array(record.prediction["half_times"])
    assert half_times[-1] > 50 * rate
    np.testing.assert_allclose(record.prediction["half_steps"], half_times / rate, rtol=1e-6)
    found = read_predicted(tmp_path / "out")
    np.testing.assert_allclose(found.between_step, found.between_time / rate, atol=0.5)


@pytest.mark.slow
def test_without_its_own_clock_time_is_gradient_flow_and_said_to_be(tmp_path):
    record = predict(SMALL, tmp_path / "out")
    assert record.prediction["learning_rate"] is None
    assert any("gradient flow" in note for note in record.prediction["notes"])
    assert record.prediction["fit"] is None


@pytest.mark.slow
def test_a_course_in_steps_is_where_the_closed_form_says(tmp_path):
    """Barlow Twins in both ways, the closed form from what the random start has of each mode."""
    two = {"kernel": "rbf", "init_scale": 1e-6, "projector": ProjectorConfig(dim=2)}
    closed = predict(changed(**two), tmp_path / "closed").prediction
    rate = 0.3 / (8 * closed["gamma"][0])
    steps = int(2.5 * max(closed["half_times"]) / rate)
    in_steps = changed(**two, course="steps", steps=steps, optimizer=OptimizerConfig(lr=rate, momentum=0.0))
    record = predict(in_steps, tmp_path / "steps")
    assert record.prediction["course"] == "steps"
    np.testing.assert_allclose(record.prediction["gamma"], closed["gamma"])
    assert record.metrics["step"][-1] == steps
    expected = half_times(closed["gamma"], record.prediction["start_scales"], rate)
    np.testing.assert_allclose(record.prediction["half_times"], expected, rtol=0.02)
    np.testing.assert_allclose(record.prediction["mode_half_times"], expected, rtol=0.05)
    np.testing.assert_allclose(record.eigenvalues["cross_correlation"][-1], 1, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_course_in_steps_goes_on_until_the_last_mode_is_learned(tmp_path, momentum):
    two = {"kernel": "rbf", "projector": ProjectorConfig(dim=2)}
    gamma = predict(changed(**two), tmp_path / "closed").prediction["gamma"]
    optimizer = OptimizerConfig(lr=0.08 * (1 - momentum) / (8 * gamma[0]), momentum=momentum)
    record = predict(changed(**two, course="steps", optimizer=optimizer), tmp_path / "steps")
    assert record.metrics["step"][-1] > 600
    assert None not in record.prediction["half_times"]
    assert record.prediction["half_steps"][-1] < record.metrics["step"][-1]


@pytest.mark.slow
def test_a_course_in_steps_is_no_longer_than_can_be_computed_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("eigenstep.prediction._clock.MOST_STEPS", 350)
    slow = OptimizerConfig(lr=1e-7)
    record = predict(changed(course="steps", optimizer=slow), tmp_path / "cut")
    assert record.metrics["step"][-1] == 350
    (note,) = (note for note in record.prediction["notes"] if "the course ends at step 350" in note)
    assert "--steps" in note
    record = predict(changed(course="steps", optimizer=slow, steps=10), tmp_path / "asked")
    assert not any("the course ends" in note for note in record.prediction["notes"])


@pytest.mark.parametrize(("rate", "steps"), [(1.0, 300), (1e-9, 20_000)])
def test_a_course_in_steps_has_at_least_300_steps_and_at_most_20_000(tmp_path, monkeypatch, rate, steps):
    class Begun(Exception):
        """Raised with how many steps the course would have."""

    def begin(kernel, to_images, start, modes, loss, rates, *given, **options):
        raise Begun(len(rates))

    monkeypatch.setattr("eigenstep.prediction._predict.stepped_moments", begin)
    with pytest.raises(Begun, match=f"^{steps}$"):
        predict(changed(course="steps", optimizer=OptimizerConfig(lr=rate)), tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "recorded"), [(40, 1), (399, 1), (400, 2), (603, 3)])
def test_of_a_course_in_steps_about_200_are_recorded_and_the_last_one(tmp_path, steps, recorded):
    record = predict(changed(**IN_STEPS | {"steps": steps}, pairs=6, probe=4), tmp_path / "out")
    assert record.metrics["step"].tolist() == sorted({*range(0, steps, recorded), steps})


@pytest.mark.slow
def test_gradient_flow_grows_the_fastest_mode_by_a_tenth_a_step_until_a_little_after_the_last(tmp_path):
    record = predict(SMALL, tmp_path / "out")
    (rate,) = set(record.metrics["learning_rate"])
    assert rate * record.prediction["growth_rates"][0] == pytest.approx(0.1)
    assert record.metrics["step"][-1] == np.ceil(1.15 * max(record.prediction["half_times"]) / rate)


@pytest.mark.slow
@pytest.mark.parametrize("dim", [4, 34])
def test_moments_are_even_in_time_and_dense_around_the_first_32_half_times(tmp_path, dim):
    record = predict(changed(kernel="rbf", projector=ProjectorConfig(dim=dim)), tmp_path / "out")
    rate, end = record.metrics["learning_rate"][0], record.metrics["time"][-1]
    half_times, growth = (np.array(record.prediction[name]) for name in ("half_times", "growth_rates"))
    assert len(half_times) == dim
    widths = np.log(0.9 / 0.1) / growth  # from 10 to 90 %
    around = half_times[:32] + widths[:32] * np.linspace(-1.5, 1.5, 15)[:, None]
    wanted = np.concatenate([np.linspace(0, end, 200), around[(around >= 0) & (around <= end)]])
    steps = record.metrics["step"]
    assert len(steps) == pytest.approx(len(set((wanted / rate).round())), abs=1)
    assert all(np.abs(steps - step).min() < 0.51 for step in wanted / rate)


@pytest.mark.slow
def test_embeddings_are_kept_between_the_first_32_steps(tmp_path):
    config = changed(kernel="rbf", projector=ProjectorConfig(dim=40), init_scale=1e-140)
    prediction = predict(config, tmp_path / "out").prediction
    names = ("gamma", "start_scales", "growth_rates", "plateaus", "half_times")
    moments = Course(*(np.array(prediction[name]) for name in names)).moments_between()
    assert len(moments) > 32
    found = read_predicted(tmp_path / "out")
    assert found.between_learned.tolist() == [learned for learned, _ in moments[:32]]
    np.testing.assert_allclose(found.between_time, [time for _, time in moments[:32]])


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "stride"), [(10**6, 1), (4 * 10**6, 4)])
def test_time_is_summed_up_over_a_million_steps_at_most(tmp_path, steps, stride):
    """Of a rate that falls to zero a sum over every so many steps is too large, by half a stride less one."""
    optimizer = OptimizerConfig(lr=0.01, schedule="cosine")
    config = changed(kernel="ntk", pairs=4, probe=3, steps=steps, optimizer=optimizer)
    time = predict(config, tmp_path / "out").metrics["time"][-1]
    assert (time - learning_rates(optimizer, steps).sum()) / 0.01 == pytest.approx((stride - 1) / 2, abs=1e-3)


@pytest.mark.slow
def test_where_neither_run_nor_number_says_256_images_are_embedded(tmp_path):
    images = dataclasses.replace(SMALL.images, patches=300)
    assert len(predict(changed(probe=None, images=images), tmp_path / "out").probe) == 256


@pytest.mark.slow
def test_a_run_gives_its_data_its_probe_batch_and_its_networks_own_start(trained, tmp_path):
    config = dataclasses.replace(config_of_run(trained), kernel="rbf", pairs=30)
    assert (config.loss, config.projector.dim, config.images.patches) == ("barlow_twins", 4, 40)
    record = predict(config, tmp_path / "out", run=trained)
    np.testing.assert_array_equal(record.probe, read_record(trained).probe)
    assert record.config["run"] == str(trained)
    scales = np.array(record.prediction["start_scales"])
    assert len(set(scales)) == 4
    assert (scales < 1e-2).all()


@pytest.mark.slow
def test_a_runs_tangent_kernel_is_taken_when_asked_and_the_start_is_the_same(trained, tmp_path):
    config = dataclasses.replace(config_of_run(trained), kernel="ntk", pairs=20)
    first = predict(config, tmp_path / "init", run=trained)
    final = dataclasses.replace(config, ntk=NTKConfig(at="final"))
    last = predict(final, tmp_path / "final", run=trained)
    assert first.prediction["learning_rate"] == 0.005
    assert first.prediction["momentum"] == 0.9
    assert first.metrics["step"][-1] == 6
    np.testing.assert_allclose(first.metrics["time"][-1], 6 * 0.005)
    assert not np.allclose(first.prediction["gamma"], last.prediction["gamma"], rtol=1e-3)
    assert any(
        "batch normalisation is taken in evaluation mode" in note for note in first.prediction["notes"]
    )
    # The same initial embeddings: what they have of the first mode is nearly the same.
    sizes = [each.prediction["gamma"][0] * each.prediction["start_scales"][0] ** 2 for each in (first, last)]
    np.testing.assert_allclose(*sizes, rtol=0.5)
    text = write_report(tmp_path / "init").read_text()
    assert "tangent kernel of a small convolutional network" in text


def slower_run(predicted, folder, factor):
    """Write the record of a run that learns as predicted, but slower."""
    rows = predicted.eigenvalues
    writer = RecordWriter(folder, rows["cross_correlation"].shape[1])
    for row in rows:
        values = {name: row[name] for name in ("cross_correlation", "covariance")}
        writer.append(int(row["step"]), factor * float(row["time"]), values, loss=0.0)
    return folder


@pytest.mark.slow
def test_a_fit_is_written_beside_the_prediction_and_changes_nothing_of_it(tmp_path):
    plain = predict(SMALL, tmp_path / "plain")
    slow = slower_run(plain, tmp_path / "slow", 2.5)
    fitted = predict(SMALL, tmp_path / "fitted", fit=slow).prediction
    assert fitted["half_times"] == plain.prediction["half_times"]
    assert fitted["fit"]["time_factor"] == pytest.approx(2.5, rel=0.01)
    assert fitted["fit"]["run"] == str(slow)
    expected = 2.5 * np.array(plain.prediction["half_times"])
    np.testing.assert_allclose(fitted["fit"]["half_times"], expected, rtol=0.01)


@pytest.mark.slow
def test_fitted_times_are_those_of_the_modes_beside_them_in_whatever_order_these_are_learned(
    trained, tmp_path, monkeypatch
):
    starts = np.array([1e-12, 1e-3, 1e-6, 1e-4])
    monkeypatch.setattr("eigenstep.prediction._predict.scales_of_start", lambda modes, embeddings: starts)
    config = dataclasses.replace(config_of_run(trained), kernel="rbf", pairs=30)
    plain = predict(config, tmp_path / "plain", run=trained)
    half_times = np.array(plain.prediction["half_times"])
    assert (np.diff(half_times) < 0).any()
    slow = slower_run(plain, tmp_path / "slow", 2.5)
    fit = predict(config, tmp_path / "fitted", run=trained, fit=slow).prediction["fit"]
    np.testing.assert_allclose(fit["half_times"], fit["time_factor"] * half_times)
    assert fit["time_factor"] == pytest.approx(2.5, rel=0.02)
    # What the constant is fitted to is told by rank.
    assert fit["modes"] == [0, 1, 2, 3]
    np.testing.assert_allclose(fit["measured"], 2.5 * np.sort(half_times), rtol=0.02)


@pytest.mark.slow
def test_what_times_cannot_be_fitted_to_is_refused_before_anything_is_computed(tmp_path):
    predict(SMALL, tmp_path / "foreseen")
    RecordWriter(tmp_path / "begun", 4)
    (tmp_path / "begun" / "metrics.jsonl").touch()
    told = []
    for name, error, message in (
        ("foreseen", ValueError, "foreseen, a prediction itself; expected a run"),
        ("begun", ValueError, "begun, which has measured no eigenvalues yet"),
        ("nowhere", FileNotFoundError, "nowhere is not a run folder"),
    ):
        with pytest.raises(error, match=message):
            predict(SMALL, tmp_path / "out", fit=tmp_path / name, progress=told.append)
    assert told == []
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": 1}, "pairs is too small: expected at least 2, got 1"),
        ({"init_scale": 0.0}, "init_scale: expected a positive number"),
        ({"rbf_gamma": -1.0}, "rbf_gamma: expected a positive number, got -1"),
        ({"loss": "vicreg"}, "needs a learning rate: expected --optimizer.lr, or --kernel ntk"),
        ({"loss": "vicreg", "course": "closed"}, "vicreg has no closed form"),
        ({"loss": "lejepa", "course": "closed"}, "lejepa has no closed form"),
        ({"ntk": NTKConfig(at="final")}, r"ntk\.at final is about the tangent kernel: expected --kernel ntk"),
        ({"kernel": "ntk", "ntk": NTKConfig(at="9")}, r"ntk\.at 9 is a moment of a run"),
        ({"kernel": "ntk", "ntk": NTKConfig(outputs="all")}, "outputs"),
        ({"data": "cifar"}, "unknown data set 'cifar'"),
        ({"pairs": 10**7}, "set a smaller --pairs"),
    ],
)
def test_what_cannot_be_predicted_is_refused_and_nothing_is_written(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        predict(changed(**changes), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_runs_that_cannot_be_predicted_are_refused(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no run in"):
        config_of_run(tmp_path)
    predict(SMALL, tmp_path / "out")
    with pytest.raises(ValueError, match="out is a prediction itself"):
        config_of_run(tmp_path / "out")
    other = tmp_path / "byol"
    other.mkdir()
    (other / "config.yaml").write_text("loss: byol\n")
    with pytest.raises(ValueError, match="byol is trained by byol, whose learning is not predicted"):
        config_of_run(other)
    with pytest.raises(ValueError, match="has learned none of the modes yet"):
        predict(SMALL, tmp_path / "fitted", fit=trained)
    assert not (tmp_path / "fitted").exists()
