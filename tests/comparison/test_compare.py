import json
import shutil

import numpy as np
import pytest
import torch

from eigenstep.comparison import compare, compare_embeddings, overlap_of_modes
from eigenstep.encoders import load_encoder
from eigenstep.prediction import measured_mode_times, measured_times, read_predicted
from eigenstep.record import RecordWriter, read_record
from eigenstep.training import load_images

QUICK = {"resamples": 5}


@pytest.mark.slow
def test_runs_are_compared_by_what_their_encoders_make_of_the_same_images(made):
    found = compare([made / "bt", made / "simclr@3"], images=30, **QUICK)
    images = load_images("photos", load_encoder(made / "bt").config.images).images[torch.arange(30) * 2]
    with torch.no_grad():
        rows = [
            encoder(encoder.prepare(images))[1].numpy()
            for encoder in (load_encoder(made / "bt", 6), load_encoder(made / "simclr", 3))
        ]
    expected = compare_embeddings(*rows, resamples=5)
    (pair,) = found.pairs
    for name, agreement in expected.items():
        assert pair.whole[name].value == pytest.approx(agreement.value, abs=1e-4), name
    assert found.moments == ["step 6", "step 3"]
    assert (found.images, found.dims, pair.times) == (30, [4, 4], None)


@pytest.mark.slow
def test_the_same_input_twice_agrees_wholly(made):
    for name in ("bt", "bt@init", "foreseen", "bt.npz"):
        found = compare([made / name, made / name], images=30, **QUICK)
        for measure, agreement in found.pairs[0].whole.items():
            assert agreement.value == pytest.approx(0 if measure == "angle" else 1, abs=1e-3), (name, measure)


@pytest.mark.slow
def test_a_file_of_a_runs_embeddings_is_that_run_in_any_order_of_its_rows(made, tmp_path):
    arrays = dict(np.load(made / "bt.npz"))
    order = np.random.default_rng(0).permutation(60)
    shuffled = {
        name: values[order] if values.ndim and len(values) == 60 else values
        for name, values in arrays.items()
    }
    np.savez(tmp_path / "shuffled.npz", **shuffled)
    found = compare([made / "bt", made / "bt.parquet", tmp_path / "shuffled.npz"], **QUICK)
    assert found.images == 60
    assert all(pair.whole["cka"].value == pytest.approx(1, abs=1e-6) for pair in found.pairs)


@pytest.mark.slow
def test_a_predictions_images_are_those_that_others_are_compared_on(made):
    found = compare([made / "bt.npz", made / "foreseen", made / "bt"], **QUICK)
    assert found.images == 20
    by_pair = {(pair.first, pair.second): pair.whole["overlap"].value for pair in found.pairs}
    assert by_pair[0, 2] == pytest.approx(1, abs=1e-4)
    assert by_pair[0, 1] == pytest.approx(by_pair[1, 2], abs=1e-4)


@pytest.mark.slow
def test_a_file_that_names_no_images_is_taken_row_by_row_and_that_is_said(made, tmp_path):
    values = np.load(made / "bt.npz")["embedding"]
    np.save(tmp_path / "rows.npy", values)
    found = compare([made / "bt", tmp_path / "rows.npy"], **QUICK)
    assert found.pairs[0].whole["cka"].value == pytest.approx(1, abs=1e-6)
    assert "names no images" in found.notes[0]
    np.save(tmp_path / "fewer.npy", values[:50])
    with pytest.raises(ValueError, match=r"expected as many images as the files have rows, 50, got 60"):
        compare([made / "bt", tmp_path / "fewer.npy"], **QUICK)
    with pytest.raises(ValueError, match=r"same images, got 50 rows in .*fewer.npy.* for 60 images"):
        compare([made / "bt.npz", tmp_path / "fewer.npy"], **QUICK)


@pytest.mark.slow
def test_features_are_refused_where_there_are_none(made):
    with pytest.raises(ValueError, match="is a prediction, which has embeddings and no features"):
        compare([made / "bt", made / "foreseen"], what="features", **QUICK)


@pytest.mark.slow
def test_more_features_than_images_are_compared_by_what_can_tell(made):
    found = compare([made / "bt", made / "simclr"], what="features", **QUICK)
    assert list(found.pairs[0].whole) == ["cka", "procrustes", "neighbours"]
    spaces, crowded = found.notes[-2:]
    assert "their spaces are not compared: expected more images than modes" in spaces
    assert (
        "60 images are not more than 256 dimensions, where anything agrees by linear CKA, biased" in crowded
    )


def test_embeddings_of_different_images_are_refused(made, tmp_path):
    arrays = dict(np.load(made / "bt.npz"))
    arrays["image_hash"] = np.array([f"{row:016x}" for row in range(60)])
    np.savez(tmp_path / "others.npz", **arrays)
    with pytest.raises(ValueError, match=r"same images, got 60 in .* and 60 in .*, of which 0 are the same"):
        compare([made / "bt.npz", tmp_path / "others.npz"], **QUICK)
    with pytest.raises(ValueError, match=r"same images, got 60 in .*others.npz and 20 in .*foreseen"):
        compare([made / "foreseen", tmp_path / "others.npz"], **QUICK)
    with pytest.raises(ValueError, match="photos does not hold the 60 images that are compared"):
        compare([made / "bt", tmp_path / "others.npz"], **QUICK)


@pytest.mark.slow
def test_embeddings_that_are_not_finite_and_runs_without_checkpoints_are_refused(made, tmp_path):
    arrays = dict(np.load(made / "bt.npz"))
    arrays["embedding"][3, 1] = np.nan
    np.savez(tmp_path / "broken.npz", **arrays)
    with pytest.raises(
        ValueError, match=r"broken.npz, embedding: expected finite numbers throughout, found .* in row 3,"
    ):
        compare([made / "bt.npz", tmp_path / "broken.npz"], **QUICK)
    with pytest.raises(ValueError, match="expected from 1 to 10 neighbours of 12 images, got 11"):
        compare([made / "bt", made / "simclr"], images=12, neighbours=11, **QUICK)
    shutil.copytree(made / "bt", tmp_path / "bare", ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(FileNotFoundError, match="keeps no checkpoints"):
        compare([made / "bt", tmp_path / "bare"], **QUICK)
    with pytest.raises(ValueError, match="at least two inputs to compare, got 1"):
        compare([made / "bt"])


def test_first_modes_are_compared_at_the_last_moment_when_just_they_had_been_learned_and_stand_out(
    made, tmp_path
):
    shutil.copytree(made / "foreseen", tmp_path / "foreseen")
    path = tmp_path / "foreseen" / "predicted.npz"
    arrays = dict(np.load(path))
    functions = np.random.default_rng(0).normal(size=arrays["end"].shape)
    functions = np.linalg.qr(functions - functions.mean(axis=0))[0]
    moments = [  # time, how many were learned, how large each is
        (0.1, 0, [1e-3, 1e-4, 1e-4, 1e-4]),
        (0.2, 1, [1.0, 1e-2, 1e-3, 1e-3]),
        (0.3, 1, [1.0, 2e-2, 1e-3, 1e-3]),
        (0.4, 1, [1.0, 0.9, 1e-3, 1e-3]),  # not apart
        (0.5, 2, [1.0, 0.5, 0.45, 1e-3]),  # not apart
    ]
    times, learned, sizes = zip(*moments, strict=True)
    changed = {
        "between": np.stack([functions * size for size in sizes]).astype(np.float32),
        "between_time": np.array(times),
        "between_learned": np.array(learned),
    }
    assert set(changed) < set(arrays)
    np.savez(path, **arrays | changed | {"between_step": np.arange(5)})
    (pair,) = compare([tmp_path / "foreseen", tmp_path / "foreseen"], **QUICK).pairs
    assert [(each.modes, each.moments) for each in pair.by_modes] == [(1, ("t = 0.3", "t = 0.3"))]


def test_a_predictions_snapshots_serve_for_its_first_modes(made):
    found = compare([made / "foreseen", made / "foreseen"], **QUICK)
    predicted = read_predicted(made / "foreseen")
    assert [each.modes for each in found.pairs[0].by_modes] == predicted.between_learned.tolist()
    for each in found.pairs[0].by_modes:
        assert each.overlap.value == pytest.approx(1, abs=1e-6)
        assert each.moments[0].startswith("t = ")
    first = predicted.between[0]
    expected = overlap_of_modes(first, first, 1, resamples=5).chance
    assert found.pairs[0].by_modes[0].overlap.chance == pytest.approx(expected)


@pytest.fixture
def slower(made, tmp_path):
    """A run that follows the prediction, slowed by 3, with the first two of its modes in the other order."""
    shutil.copytree(made / "bt", tmp_path / "slower")
    run, predicted, entries = (
        tmp_path / "slower",
        read_predicted(made / "foreseen"),
        read_record(made / "foreseen"),
    )
    shutil.rmtree(run / "spectrum")
    (run / "metrics.jsonl").unlink()
    half_times = 3 * np.array(entries.prediction["half_times"])
    half_times[[0, 1]] = half_times[[1, 0]]
    rates = np.array(entries.prediction["growth_rates"]) / 3
    writer = RecordWriter(run, 4, probe=20, directions=4)
    writer.write_probe(entries.probe)
    modes = predicted.modes - predicted.modes.mean(0)
    modes /= np.sqrt((modes**2).mean(0))
    for step, time in enumerate(np.linspace(0, 3 * half_times.max(), 1500)):
        values = 1 / (1 + np.exp(-2 * rates * (time - half_times)))
        writer.append(
            step,
            time,
            {"cross_correlation": np.sort(values)[::-1], "covariance": np.sort(values)[::-1]},
            modes * np.sqrt(values),
            loss=float(((1 - values) ** 2).sum()),
            learning_rate=1.0,
        )
    return run


@pytest.mark.slow
def test_predicted_times_are_compared_with_measured_ones_by_rank_and_mode_by_mode(made, slower):
    found = compare([made / "foreseen", slower], **QUICK)
    times = found.pairs[0].times
    assert times.by_rank.time_factor == pytest.approx(3, rel=0.02)
    np.testing.assert_allclose(times.by_rank.fitted_errors, 0, atol=0.02)
    assert times.by_rank.rank_correlation == 1
    # Modes as functions are those of the prediction, of which the first two are swapped.
    assert times.by_mode.rank_correlation == pytest.approx(0.8)
    measured = measured_mode_times(read_record(slower), read_predicted(made / "foreseen"))
    assert measured[1] < measured[0] < measured[2]


@pytest.mark.slow
@pytest.mark.parametrize("learned_at_once", [1, 4])
def test_modes_that_are_foretold_from_the_start_have_no_time_and_the_rest_is_compared(
    made, slower, tmp_path, learned_at_once
):
    shutil.copytree(made / "foreseen", tmp_path / "foreseen")
    path = tmp_path / "foreseen" / "prediction.json"
    prediction = json.loads(path.read_text())
    for name in ("half_times", "mode_half_times"):
        prediction[name][:learned_at_once] = [-0.5] * learned_at_once
    path.write_text(json.dumps(prediction))
    (pair,) = compare([tmp_path / "foreseen", slower], **QUICK).pairs
    assert pair.whole
    for times in (pair.times.by_rank, pair.times.by_mode):
        assert (times is None) == (learned_at_once == 4)
        assert times is None or len(times.modes) == 3


@pytest.mark.slow
def test_how_many_modes_a_run_had_learned_at_a_checkpoint_is_read_from_its_record(slower):
    record = read_record(slower)
    times = measured_times(record, np.full(4, np.nan))
    around = [factor * time for time in times for factor in (0.95, 1.05)]
    steps = np.interp(around, record.metrics["time"], record.metrics["step"]).round().astype(int)
    for step in steps:
        shutil.copytree(slower / "checkpoints/step_00000006", slower / f"checkpoints/step_{step:08d}")
    found = compare([f"{slower}@{step}" for step in steps], images=30, resamples=2)
    assert found.learned == [learned + after for learned in range(len(times)) for after in (0, 1)]


def test_times_under_another_loss_are_not_compared(made):
    assert compare([made / "foreseen", made / "simclr"], **QUICK).pairs[0].times is None


@pytest.mark.slow
def test_all_of_it_is_json(made, slower):
    found = compare([made / "foreseen", slower, made / "bt@init"], **QUICK)
    content = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert [each["kind"] for each in content["inputs"]] == ["prediction", "run", "run"]
    assert [(pair["first"], pair["second"]) for pair in content["pairs"]] == [(0, 1), (0, 2), (1, 2)]
    assert set(content["pairs"][0]["whole"]["cka"]) == {"value", "low", "high", "chance"}
    fitted = content["pairs"][0]["times"]["by_rank"]["fitted"]
    assert fitted["time_factor"] == pytest.approx(3, rel=0.02)
