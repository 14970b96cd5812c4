"""A fitted estimator as a run folder."""

import json
import os

import numpy as np
import pytest

from eigenstep import ContrastiveKernelPCA
from eigenstep.analysis import analyse, learned_rises
from eigenstep.record import read_record
from eigenstep.report import write_report


@pytest.fixture(scope="module")
def views():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 6)) * [3.0, 2.0, 1.5, 1.0, 0.5, 0.2]
    return x, x + 0.1 * rng.normal(size=x.shape)


@pytest.fixture(scope="module")
def model(views):
    return ContrastiveKernelPCA(4, kernel="linear", y_is="view").fit(*views)


def test_the_record_is_the_closed_form(model, views, tmp_path):
    record = read_record(model.to_run(tmp_path / "run", views[0], init_scale=1e-3))
    assert record.is_prediction
    times = record.eigenvalues["time"]
    np.testing.assert_allclose(
        record.eigenvalues["cross_correlation"], -np.sort(-model.trajectory(times, 1e-3)), atol=1e-12
    )
    np.testing.assert_allclose(record.metrics["loss"], model.loss_curve(times, 1e-3))
    np.testing.assert_allclose(record.prediction["half_times"], model.learning_times(1e-3))
    np.testing.assert_allclose(times, record.metrics["learning_rate"] * record.metrics["step"])
    assert (np.diff(record.metrics["step"]) > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("row", [0, 60, -1])
def test_projections_are_those_of_the_embeddings_at_that_moment(model, views, tmp_path, row):
    record = read_record(model.to_run(tmp_path / "run", views[0]))
    time = float(record.projections["time"][row])
    embedded = model.transform(views[0], time=time)
    centred = embedded - embedded.mean(axis=0)
    points = record.projections["points"][row].astype(float)
    np.testing.assert_allclose(
        points @ points.T, centred @ centred.T, rtol=1e-4, atol=1e-5 * (points**2).max()
    )
    np.testing.assert_allclose(
        record.eigenvalues["covariance"][row],
        np.linalg.eigvalsh(np.cov(centred.T, bias=True))[::-1],
        rtol=1e-6,
    )


def test_everything_that_speaks_of_it_gives_its_own_half_times(model, tmp_path):
    record = read_record(model.to_run(tmp_path / "run"))
    assert [rise.half_time for rise in learned_rises(record)] == model.learning_times().tolist()
    found = analyse(record)
    assert found.learned == sum(fit.learned for fit in found.history.fits) == 4
    assert [row.gamma for row in found.half_times] == model.eigenvalues_.tolist()
    assert all(row.measured is None for row in found.half_times)
    for rise, curve in zip(found.rises, record.eigenvalues["cross_correlation"].T, strict=True):
        tenth, most = (np.interp(share, curve, record.eigenvalues["time"]) for share in (0.1, 0.9))
        assert rise.width == pytest.approx(most - tenth, rel=0.05)


@pytest.mark.slow
def test_its_report_says_that_nothing_was_measured(model, views, tmp_path):
    folder = model.to_run(tmp_path / "run", views[0], thumbnails=np.zeros((80, 8, 8, 3), np.uint8))
    text = write_report(folder).read_text()
    assert "A prediction, nothing measured: what Barlow Twins learns from 160 views" in text
    assert "by ContrastiveKernelPCA with the linear kernel, 4 embedding dimensions" in text
    assert "When each mode is predicted to be learned" in text


def test_simclr_ends_where_its_modes_do(views, tmp_path):
    model = ContrastiveKernelPCA(3, kernel="linear", objective="simclr", y_is="view").fit(*views)
    record = read_record(model.to_run(tmp_path / "run"))
    np.testing.assert_allclose(record.prediction["plateaus"], model.trajectory(np.inf)[0])
    time = record.prediction["half_times"][1]
    np.testing.assert_allclose(model.trajectory(time)[0][1], record.prediction["plateaus"][1] / 2)


def test_what_is_there_is_replaced_only_where_asked_and_only_its_own(model, tmp_path):
    folder = model.to_run(tmp_path / "run")
    before = (folder / "metrics.jsonl").read_text()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.to_run(folder)
    assert (folder / "metrics.jsonl").read_text() == before
    model.to_run(folder, init_scale=1e-2, overwrite=True)
    assert (folder / "metrics.jsonl").read_text() != before
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="no prediction of an estimator alone"):
        model.to_run(folder, overwrite=True)
    assert (folder / "mine.txt").read_text() == "keep"
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.yaml").write_text(json.dumps({"kind": "prediction"}))
    with pytest.raises(FileExistsError, match="no prediction of an estimator alone"):
        model.to_run(other, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["other", "run"]


def test_what_has_no_closed_form_writes_nothing(views, tmp_path):
    model = ContrastiveKernelPCA(2, kernel="linear", objective="vicreg", y_is="view").fit(*views)
    with pytest.raises(ValueError, match="closed form"):
        model.to_run(tmp_path / "run")
    with pytest.raises(ValueError, match="one thumbnail for each row of X"):
        ContrastiveKernelPCA(2, kernel="linear", y_is="view").fit(*views).to_run(
            tmp_path / "run", thumbnails=np.zeros((3, 8, 8, 3), np.uint8)
        )
    assert not os.listdir(tmp_path)
