import json
import shutil
import warnings

import numpy as np
import pytest
import torch

from eigenstep.record import read_record
from eigenstep.spectrum import (
    LogSpaced,
    SpectrumMonitor,
    cross_correlation_eigenvalues,
    principal_projections,
)

FORMS = [
    {"form": "window"},
    {"form": "sliding", "window": 50},
    {"form": "exponential", "half_life": 2.0},
    {"form": "all"},
    {"form": "exponential", "half_life": 4.0, "stride": 3},
]


def batches(count, n=32, dim=5, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        z = scale * torch.randn(n, dim, generator=generator)
        yield z + scale, z + scale + 0.5 * scale * torch.randn(n, dim, generator=generator)


def run(out, pairs, **options):
    monitor = SpectrumMonitor(out, **options)
    for step, (z_a, z_b) in enumerate(pairs):
        monitor.update(z_a, z_b, loss=float(step), learning_rate=0.5)
    return monitor


def joint(pairs):
    return [torch.cat(views) for views in zip(*pairs, strict=True)]


def contents(path):
    """What files hold, but for the lock, which tells the time."""
    files = (file for file in sorted(path.rglob("*")) if file.is_file() and file.name != ".writer.lock")
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.slow
def test_the_record_holds_each_windows_eigenvalues_mean_loss_and_time(tmp_path):
    pairs = list(batches(6))
    monitor = run(tmp_path / "run", pairs, dim=5, every=3)
    record = read_record(tmp_path / "run")
    assert record.metrics["step"].tolist() == [3, 6]
    assert record.metrics["time"].tolist() == [1.5, 3.0]
    assert record.metrics["loss"].tolist() == [1.0, 4.0]
    assert record.metrics["count"].tolist() == [96, 96]
    expected = cross_correlation_eigenvalues(*joint(pairs[3:]), center=True)
    np.testing.assert_allclose(record.eigenvalues["cross_correlation"][1], expected, rtol=1e-9)
    np.testing.assert_array_equal(
        monitor.compute().cross_correlation, record.eigenvalues["cross_correlation"][1]
    )
    assert monitor.last is monitor.compute()
    for name, value in monitor.last.measures.items():
        np.testing.assert_equal(record.metrics[f"measures/{name}"][1], value)


def test_the_configuration_reads_as_json_and_says_how_the_record_came_about(tmp_path):
    run(tmp_path / "a", batches(1), planned_steps=40, layer="projector")
    run(tmp_path / "b", batches(1, dim=3), every=LogSpaced(5), form="all", center=False)
    assert read_record(tmp_path / "a").config == json.loads((tmp_path / "a/config.yaml").read_text())
    settings = read_record(tmp_path / "a").config["monitor"]
    assert {
        name: settings[name] for name in ("dim", "every", "form", "center", "planned_steps", "layer")
    } == {
        "dim": 5,
        "every": 10,
        "form": "window",
        "center": True,
        "planned_steps": 40,
        "layer": "projector",
    }
    assert read_record(tmp_path / "b").config["monitor"]["every"] == {"log_spaced": {"per_decade": 5}}


def test_one_view_has_its_covariance_as_cross_correlation(tmp_path):
    for form in FORMS:
        monitor = SpectrumMonitor(tmp_path, dim=3, **form)
        monitor.update(torch.randn(50, 3))
        values = monitor.compute()
        np.testing.assert_allclose(values.cross_correlation, values.covariance, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_every_form_measures_the_embeddings_with_its_weights(tmp_path, options, background):
    pairs, every = list(batches(9)), 4
    monitor = run(tmp_path, pairs, every=every, background=background, **options)
    monitor.close()
    for row, step in enumerate((4, 8)):
        weights = np.zeros((step, 32))
        if options["form"] == "window":
            weights[step - every :] = 1
        elif options["form"] == "sliding":
            weights.reshape(-1)[-50:] = 1
        else:
            half_life, stride = options.get("half_life", np.inf), options.get("stride", 1)
            steps = np.arange(1, step + 1)
            taken = (steps % stride == 1 % stride) | (steps % every == 0)
            weights[taken] = 0.5 ** ((step - steps[taken, None]) / half_life)
        expected = weighted_eigenvalues(joint(pairs[:step]), weights.reshape(-1))
        found = read_record(tmp_path).eigenvalues["cross_correlation"][row]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def weighted_eigenvalues(views, weights):
    """Of the matrix that is summed pair by pair."""
    a, b = (view.double().numpy() for view in views)
    mean = (weights @ a + weights @ b) / (2 * weights.sum())
    cross = sum(w * np.outer(x - mean, y - mean) for w, x, y in zip(weights, a, b, strict=True))
    return np.linalg.eigvalsh((cross + cross.T) / (2 * weights.sum()))[::-1]


def test_resetting_starts_an_epoch_and_keeps_the_record(tmp_path):
    pairs = list(batches(4))
    monitor = run(tmp_path, pairs[:2], every=2, form="all")
    monitor.reset()
    for z_a, z_b in pairs[2:]:
        monitor.update(z_a, z_b)
    expected = cross_correlation_eigenvalues(*joint(pairs[2:]), center=True)
    np.testing.assert_allclose(monitor.last.cross_correlation, expected, rtol=1e-9)
    assert read_record(tmp_path).metrics["step"].tolist() == [2, 4]


def test_computing_between_two_records_is_over_what_came_since_and_changes_no_record(tmp_path):
    pairs = list(batches(6))
    run(tmp_path / "asked", [], every=4)
    asked = SpectrumMonitor(tmp_path / "asked", every=4)
    for step, (z_a, z_b) in enumerate(pairs):
        asked.update(z_a, z_b, loss=float(step), learning_rate=0.5)
        found = asked.compute(eigenvectors=True)
    expected = cross_correlation_eigenvalues(*joint(pairs[4:]), center=True)
    np.testing.assert_allclose(found.cross_correlation, expected, rtol=1e-9)
    assert (found.step, found.time, found.count) == (6, 3.0, 64)
    asked.close()
    run(tmp_path / "left", pairs, every=4).close()
    assert contents(tmp_path / "asked") == contents(tmp_path / "left")


def test_eigenvectors_of_a_recorded_moment_can_still_be_asked_for(tmp_path):
    pairs = list(batches(4))
    found = run(tmp_path, pairs, every=4).compute(eigenvectors=True)
    a, b = (view.double().numpy() for view in joint(pairs))
    mean = (a.mean(0) + b.mean(0)) / 2
    cross = (a - mean).T @ (b - mean) / len(a)
    np.testing.assert_allclose(
        (cross + cross.T) / 2 @ found.eigenvectors, found.eigenvectors * found.cross_correlation, atol=1e-12
    )


def test_the_last_planned_step_and_log_spaced_ones_are_measured(tmp_path):
    run(tmp_path / "a", batches(7), every=3, planned_steps=7)
    run(tmp_path / "b", batches(12), every=LogSpaced(3))
    assert read_record(tmp_path / "a").metrics["step"].tolist() == [3, 6, 7]
    assert read_record(tmp_path / "b").metrics["step"].tolist() == [1, 3, 5, 10]


def test_monitoring_changes_no_gradient_no_random_state_and_not_the_embeddings(tmp_path):
    z = torch.randn(8, 3, requires_grad=True)
    values, state = z.detach().clone(), torch.get_rng_state()
    for index, form in enumerate(FORMS):
        monitor = SpectrumMonitor(tmp_path / str(index), every=1, **form)
        monitor.update(z, z, loss=z.sum())
        assert not any(tensor.requires_grad for tensor in tensors(monitor.state_dict()))
    z.sum().backward()
    assert torch.equal(z.grad, torch.ones_like(z))
    assert torch.equal(z.detach(), values)
    assert torch.equal(torch.get_rng_state(), state)


def tensors(tree):
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, dict | list):
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from tensors(branch)


def test_embeddings_that_are_overwritten_after_the_update_are_measured_as_they_were(tmp_path):
    (pair,) = batches(1)
    z_a, z_b = (view.clone() for view in pair)
    monitor = SpectrumMonitor(tmp_path)
    monitor.update(z_a, z_b)
    z_a.zero_()
    z_b.zero_()
    expected = cross_correlation_eigenvalues(*pair, center=True)
    np.testing.assert_allclose(monitor.compute().cross_correlation, expected, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("options", FORMS, ids=str)
@pytest.mark.parametrize("at", [3, 4, 6])
def test_a_run_resumed_from_a_checkpoint_is_bit_equal_to_an_uninterrupted_one(tmp_path, options, at):
    pairs, every = list(batches(10)), 4
    run(tmp_path / "whole", pairs, every=every, **options).close()
    monitor = SpectrumMonitor(tmp_path / "cut", every=every, **options)
    for step, (z_a, z_b) in enumerate(pairs[:9]):
        monitor.update(z_a, z_b, loss=float(step), learning_rate=0.5)
        if step + 1 == at:
            torch.save(monitor.state_dict(), tmp_path / "state.pt")
    for name in ("metrics.jsonl", "spectrum/eigenvalues.bin"):  # killed while it wrote
        with open(tmp_path / "cut" / name, "ab") as file:
            file.write(b'{"torn')
    resumed = SpectrumMonitor(tmp_path / "cut", every=every, resume=True, **options)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for step, (z_a, z_b) in list(enumerate(pairs))[at:]:
        resumed.update(z_a, z_b, loss=float(step), learning_rate=0.5)
    resumed.close()
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_iterated_directions_go_on_after_a_resume_and_are_not_moved_by_asking(tmp_path):
    pairs = list(batches(8, dim=40))

    def monitor(out, **options):
        made = SpectrumMonitor(tmp_path / out, every=2, leading=3, **options)
        made._leading.largest_dense = 10  # as if forty dimensions were many
        return made

    whole, asked, cut = monitor("whole"), monitor("asked"), monitor("cut")
    for step, pair in enumerate(pairs):
        whole.update(*pair)
        asked.update(*pair)
        asked.compute()
        if step < 5:
            cut.update(*pair)
    resumed = monitor("cut", resume=True)
    resumed.load_state_dict(cut.state_dict())
    for pair in pairs[5:]:
        resumed.update(*pair)
    assert whole.last.residuals is not None
    assert contents(tmp_path / "whole") == contents(tmp_path / "asked") == contents(tmp_path / "cut")


@pytest.mark.slow
def test_a_folder_cut_at_any_byte_opens_and_goes_on_from_its_last_whole_measurement(tmp_path):
    run(tmp_path / "whole", batches(6), every=2)
    for name in ("metrics.jsonl", "spectrum/eigenvalues.bin"):
        size = (tmp_path / "whole" / name).stat().st_size
        for cut in range(1, size, size // 7):
            out = tmp_path / "cut"
            shutil.copytree(tmp_path / "whole", out)
            with open(out / name, "r+b") as file:
                file.truncate(cut)
            assert read_record(out).summary is None
            monitor = SpectrumMonitor(out, every=2, resume=True)
            assert monitor.step in (0, 2, 4, 6)
            assert monitor.time == monitor.step * 0.5
            first = monitor.step
            for z_a, z_b in list(batches(6))[:4]:
                monitor.update(z_a, z_b)
            record = read_record(out)
            assert record.metrics["step"].tolist() == list(range(2, first + 5, 2))
            assert monitor.step == first + 4
            shutil.rmtree(out)


def test_a_run_resumed_at_a_known_step_forgets_what_came_after_it(tmp_path):
    run(tmp_path, batches(9), every=2)
    monitor = SpectrumMonitor(tmp_path, every=2, resume=5)
    assert (monitor.step, monitor.time) == (5, 2.5)
    (pair,) = batches(1)
    monitor.update(*pair, learning_rate=0.5)
    record = read_record(tmp_path)
    assert record.metrics["step"].tolist() == [2, 4, 6]
    assert record.eigenvalues["step"].tolist() == [2, 4, 6]
    assert record.metrics["time"].tolist() == [1.0, 2.0, 3.0]


def test_a_run_that_was_never_begun_can_be_resumed(tmp_path):
    monitor = run(tmp_path / "new", batches(2), every=2, resume=True)
    assert monitor.step == 2
    assert len(read_record(tmp_path / "new").eigenvalues) == 1


def test_a_state_of_another_dimension_is_refused(tmp_path):
    state = run(tmp_path / "a", batches(1, dim=3)).state_dict()
    with pytest.raises(ValueError, match="monitor of dim 5, got 3"):
        SpectrumMonitor(tmp_path / "b", dim=5).load_state_dict(state)


def test_a_folder_of_another_dimension_is_refused_and_kept(tmp_path):
    run(tmp_path, batches(2, dim=3), every=1)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="use another run folder"):
        run(tmp_path, batches(1, dim=4), every=1, resume=True)
    assert contents(tmp_path) == before


def test_a_record_that_exists_is_refused_and_kept(tmp_path):
    run(tmp_path, batches(1), every=1)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match=r"another folder, or resume=True"):
        SpectrumMonitor(tmp_path, dim=2)
    assert contents(tmp_path) == before


def test_a_record_that_another_monitor_has_begun_meanwhile_is_refused_and_kept(tmp_path):
    first, second = (SpectrumMonitor(tmp_path, every=1) for _ in range(2))
    first.update(*next(batches(1)))
    kept = contents(tmp_path)
    with pytest.raises(FileExistsError, match="holds a record already"):
        second.update(*next(batches(1)))
    assert contents(tmp_path) == kept


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["config.yaml", "summary.json"])
def test_files_that_something_else_has_written_are_refused_and_kept(tmp_path, name, resume):
    (tmp_path / name).write_text('{"lr": 0.1, "model": "mine"}')
    kept = contents(tmp_path)
    with pytest.raises(FileExistsError, match=f"holds a {name} that no monitor has written"):
        SpectrumMonitor(tmp_path, resume=resume)
    assert contents(tmp_path) == kept


def test_leaving_the_context_tells_how_the_run_ended(tmp_path):
    with SpectrumMonitor(tmp_path / "good", every=2) as monitor:
        for z_a, z_b in batches(3):
            monitor.update(z_a, z_b)
    summary = read_record(tmp_path / "good").summary
    assert (summary["state"], summary["step"], summary["learned_modes"]) == ("finished", 3, 0)
    monitor = run(tmp_path / "bad", batches(1))
    with pytest.raises(ValueError, match="expected embeddings"), monitor:
        monitor.update(torch.randn(4, 2))
    assert read_record(tmp_path / "bad").summary["state"] == "interrupted"
    SpectrumMonitor(tmp_path / "good", resume=True).update(*next(batches(1)))
    assert read_record(tmp_path / "good").summary is None


@pytest.mark.parametrize("options", FORMS[:1] + FORMS[3:4], ids=str)
def test_what_is_not_finite_is_told_once_recorded_and_poisons_nothing(tmp_path, options):
    pairs = list(batches(6))
    pairs[2][0][3, 1] = torch.nan
    pairs[5][1][:] = torch.inf
    with pytest.warns(UserWarning, match=r"step 4: the embeddings of 1 of (64|128) samples") as told:
        run(tmp_path, pairs, every=2, **options)
    assert len(told) == 1
    record = read_record(tmp_path)
    first = {"window": [0, 1, 32], "all": [0, 1, 33]}[options["form"]]
    assert record.metrics["nonfinite"].tolist() == first
    assert np.isfinite(record.eigenvalues["cross_correlation"]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "value", "dim", "form"),
    [
        (torch.float64, 1e200, 4, "window"),
        (torch.float64, 1e200, 4, "all"),
        (torch.float32, 1e20, 2050, "exponential"),
    ],
)
def test_what_is_too_large_to_be_squared_is_left_out_likewise(tmp_path, dtype, value, dim, form):
    good = torch.randn(64, dim, generator=torch.Generator().manual_seed(0), dtype=dtype)
    bad = good.clone()
    bad[7] = value
    monitor = SpectrumMonitor(tmp_path, every=2, form=form, half_life=1e9, leading=4)
    monitor.update(good)
    with pytest.warns(UserWarning, match="1 of 128 samples were not finite"):
        monitor.update(bad)
    expected = SpectrumMonitor(tmp_path / "good", every=2, form=form, half_life=1e9, leading=4)
    expected.update(good)
    expected.update(torch.cat([good[:7], good[8:]]))
    found = monitor.last.covariance
    np.testing.assert_allclose(found, expected.last.covariance, rtol=1e-3 if dim > 4 else 1e-9)


def test_a_window_without_a_finite_embedding_is_recorded_as_unknown(tmp_path):
    pairs = [(torch.full((8, 3), torch.nan),) * 2, *batches(1, dim=3)]
    with pytest.warns(UserWarning, match="8 of 8 samples"):
        run(tmp_path, pairs, every=1)
    record = read_record(tmp_path)
    assert np.isnan(record.eigenvalues["covariance"][0]).all()
    assert np.isfinite(record.eigenvalues["covariance"][1]).all()
    assert json.loads((tmp_path / "metrics.jsonl").read_text().split("\n")[0])["measures"]["rank_me"] is None


def test_the_probe_batchs_projections_are_recorded_without_gradient(tmp_path):
    weight = torch.randn(6, 4, requires_grad=True)
    inputs = torch.randn(10, 6)
    graphs = []

    def probe():
        z = inputs @ weight
        graphs.append(z.requires_grad)
        return z

    thumbnails = np.full((10, 4, 4, 3), 9, np.uint8)
    run(tmp_path, batches(4), every=2, probe=probe, directions=3, thumbnails=thumbnails)
    record = read_record(tmp_path)
    expected = principal_projections(inputs @ weight, 3)
    assert record.projections["points"].shape == (2, 10, 3)
    np.testing.assert_allclose(record.projections["points"][1], expected, atol=1e-5)
    assert not any(graphs)
    np.testing.assert_array_equal(record.probe, thumbnails)


def test_above_2048_dimensions_the_leading_eigenvalues_are_kept(tmp_path):
    z = torch.randn(12, 3000, generator=torch.Generator().manual_seed(0))
    monitor = SpectrumMonitor(tmp_path, every=1, leading=7)
    monitor.update(z, z)
    expected = cross_correlation_eigenvalues(z, z, center=True)[:7]
    found = read_record(tmp_path).eigenvalues["cross_correlation"]
    assert found.shape == (1, 7)
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)
    assert monitor.last.residuals is None  # 24 rows span 24 directions: these are exact


def test_a_batch_larger_than_the_window_is_thinned_evenly(tmp_path):
    z = torch.arange(100.0)[:, None] ** torch.tensor([1.0, 2.0])
    monitor = SpectrumMonitor(tmp_path, window=20)
    monitor.update(z, z)
    assert monitor.compute().count == 20
    expected = cross_correlation_eigenvalues(z[::5], z[::5], center=True)
    np.testing.assert_allclose(monitor.compute().cross_correlation, expected)


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ([torch.zeros(2, 3)], r"\(n, 4\), got \(2, 3\)"),
        ([torch.zeros(2, 4), torch.zeros(3, 4)], r"\(n, 4\), got \(2, 4\) and \(3, 4\)"),
        ([torch.zeros(4)], r"\(n, 4\), got \(4,\)"),
        ([torch.zeros(0, 4)], r"\(n, 4\), got \(0, 4\)"),
        ([torch.zeros(2, 4, dtype=torch.int64)], r"floating-point type, got torch.int64"),
    ],
)
def test_what_are_no_embeddings_is_refused_with_what_came(tmp_path, views, message):
    with pytest.raises(ValueError, match=message):
        SpectrumMonitor(tmp_path, dim=4).update(*views)
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.parametrize("form", ["window", "all"])
def test_a_change_of_the_number_of_views_is_refused(tmp_path, form):
    monitor = SpectrumMonitor(tmp_path, form=form)
    monitor.update(torch.randn(4, 2))
    with pytest.raises(ValueError, match="expected 1 views, as before, got 2"):
        monitor.update(torch.randn(4, 2), torch.randn(4, 2))


def test_nothing_can_be_computed_before_the_first_update(tmp_path):
    with pytest.raises(ValueError, match="update first"):
        SpectrumMonitor(tmp_path, dim=4).compute()


def test_nothing_can_be_computed_where_nothing_has_come_since_the_last_measurement(tmp_path):
    monitor = run(tmp_path, batches(2), every=2)
    assert monitor.compute() is monitor.last
    monitor.skip()
    with pytest.raises(ValueError, match=r"since the last measurement.*`last`"):
        monitor.compute()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every": 2.5}, ValueError, "every to be a positive integer, got 2.5"),
        ({"every": "10"}, ValueError, "every to be a positive integer, got '10'"),
        ({"every": 0}, ValueError, "every to be a positive integer, got 0"),
        ({"window": 3.5}, ValueError, "window to be a positive integer, got 3.5"),
        ({"window": 0}, ValueError, "window to be a positive integer, got 0"),
        ({"stride": 0}, ValueError, "stride to be a positive integer, got 0"),
        ({"planned_steps": -1}, ValueError, "planned_steps to be a positive integer, got -1"),
        ({"half_life": 0}, ValueError, "positive half_life, got 0"),
        ({"resume": -5}, ValueError, "resume to be True, False or a step, got -5"),
        ({"probe": [torch.zeros(2, 4)]}, TypeError, "probe to be a function .*got list"),
        ({"dim": 0}, ValueError, "positive dim, got 0"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused_in_one_line(tmp_path, options, error, message):
    with pytest.raises(error, match=message) as caught:
        SpectrumMonitor(tmp_path, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rate", [np.nan, np.inf])
def test_a_learning_rate_that_is_no_number_is_refused_before_anything_changes(tmp_path, rate):
    monitor = SpectrumMonitor(tmp_path, every=1)
    with pytest.raises(ValueError, match=r"finite learning rate, got (nan|inf)"):
        monitor.update(*next(batches(1)), learning_rate=rate)
    assert monitor.step == 0
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_state_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"what state_dict gave, got no .*step"):
        SpectrumMonitor(tmp_path).load_state_dict({"dim": 4})


def test_closing_a_monitor_that_saw_nothing_writes_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SpectrumMonitor(tmp_path / "run").close()
    assert not (tmp_path / "run").exists()
