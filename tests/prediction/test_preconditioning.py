"""Predictions of runs whose gradient is preconditioned, or orthogonalised."""

import dataclasses

import numpy as np
import pytest
import torch

from eigenstep.analysis import ClosedForm
from eigenstep.losses import BarlowTwinsLoss
from eigenstep.optim import EmbeddingPreconditioner, EmbeddingPreconditionerConfig
from eigenstep.prediction import (
    Descent,
    PredictConfig,
    closed_course,
    config_of_run,
    find_modes,
    predict,
    train_linear_model,
)
from eigenstep.theory import Preconditioner, half_times, mode_eigenvalues, rise_widths
from eigenstep.training import ImagesConfig, OptimizerConfig, ProjectorConfig, TrainConfig, train

GAMMA = np.array([2.0, 1.0, 0.3])
SCALES = np.array([1e-3, 2e-3, 1e-4])
LOSS = BarlowTwinsLoss(1.0, normalize="none", center=False, symmetrize=True)
RULE = Preconditioner(0.5, 1e-3)
SMALL = PredictConfig(
    kernel="linear",
    pairs=40,
    probe=20,
    threads=1,
    images=ImagesConfig(size=8, patches=60),
    projector=ProjectorConfig(dim=4),
)


def closed(descent=None, rule=RULE, plateaus=1.0):
    return closed_course(GAMMA, SCALES, 4 * GAMMA, np.full(3, plateaus), descent, rule)


def trained(steps, descent, preconditioner):
    """Times, and each mode's eigenvalue of C, of a linear model with Gamma = diag(gamma) trained in steps."""
    views = np.kron([[1], [1]], np.sqrt(3 * GAMMA)[:, None] * np.eye(3))
    rates = np.full(steps, descent.learning_rate)
    moments = train_linear_model(views @ views.T, views * SCALES, LOSS, rates, descent, preconditioner)
    times, curves = [], []
    for moment in moments:
        z = moment.embeddings.numpy()
        times.append(moment.time)
        curves.append(np.diag(z[:3].T @ z[3:]) / 3)
    return np.array(times), np.array(curves)


def test_under_gradient_flow_the_closed_course_is_the_theorys():
    course, times = closed(), np.linspace(0, 3, 50)
    np.testing.assert_allclose(course.half_times, half_times(GAMMA, SCALES, rule=RULE), rtol=1e-12)
    np.testing.assert_allclose(
        course.eigenvalues(times), mode_eigenvalues(GAMMA, SCALES, times, rule=RULE), rtol=1e-10
    )
    np.testing.assert_allclose(np.log(81) / (2 * course.growth_rates), rise_widths(GAMMA, rule=RULE))
    np.testing.assert_array_equal(
        closed(rule=Preconditioner(0.0, 0.1)).half_times, closed(rule=None).half_times
    )


def test_what_the_preconditioner_sees_grows_with_the_plateau():
    # c = p x: the same curve of x as of plateau 1 with a damping p times smaller, p^power times slower.
    course = closed_course(GAMMA, 2 * SCALES, 4 * GAMMA, np.full(3, 4.0), None, Preconditioner(0.5, 4e-3))
    np.testing.assert_allclose(course.half_times, 2 * closed().half_times, rtol=1e-12)
    np.testing.assert_allclose(course.eigenvalues(np.array([np.inf])), [[4.0] * 3])


def test_without_lag_training_in_steps_passes_the_halves_when_the_closed_course_says():
    descent = Descent(1e-3)
    course = closed(descent)
    steps = int(1.2 * course.half_times.max() / 1e-3)
    preconditioner = EmbeddingPreconditioner(0.5, 1e-3, decay=0.0, center=False)
    times, curves = trained(steps, descent, preconditioner)
    measured = [np.interp(0.5, curve, times) for curve in curves.T]
    np.testing.assert_allclose(course.half_times, measured, rtol=0.01)


@pytest.mark.parametrize(
    ("power", "damping", "momentum", "most"),
    [(0.5, 1e-3, 0.0, 1.3), (0.5, 1e-3, 0.9, 1.9), (1.0, 1e-2, 0.9, 2.3)],
)
def test_the_running_covariance_and_momentum_bring_modes_sooner_as_the_notes_say(
    power, damping, momentum, most
):
    descent = Descent(1e-3, momentum)
    course = closed(descent, Preconditioner(power, damping))
    steps = int(1.2 * course.half_times.max() / 1e-3)
    preconditioner = EmbeddingPreconditioner(power, damping, decay=0.9, center=False)
    times, curves = trained(steps, descent, preconditioner)
    sooner = course.half_times / [np.interp(0.5, curve, times) for curve in curves.T]
    assert (sooner > 1).all()
    assert (sooner < most).all()
    assert sooner.max() > 0.85 * most


def test_steps_are_those_of_torchs_sgd_on_the_gradient_at_the_embeddings_times_the_running_power(pairs):
    """By definition: the running covariance with bias correction, its power by its eigenvectors."""
    views = np.concatenate(pairs)
    weights = torch.from_numpy(1e-2 * np.random.default_rng(1).normal(size=(3, 6)))
    loss, rates = BarlowTwinsLoss(1.0, normalize="none", symmetrize=True), np.full(15, 1e-3)
    x = torch.from_numpy(views)
    mean, velocity, expected = torch.zeros(3, 3, dtype=torch.float64), 0.0, []
    for step, rate in enumerate(rates, start=1):
        z = (x @ weights.T).requires_grad_()
        expected.append(z.detach())
        (gradient,) = torch.autograd.grad(loss(*z.chunk(2)), z)
        centred = z.detach() - z.detach().mean(dim=0)
        mean = 0.9 * mean + 0.1 * centred.T @ centred / len(z)
        values, vectors = torch.linalg.eigh(mean / (1 - 0.9**step))
        gradient = gradient @ (vectors * (values + 1e-2) ** -0.7) @ vectors.T
        velocity = 0.8 * velocity + gradient.T @ x
        weights = weights - rate * velocity
    start = views @ (1e-2 * np.random.default_rng(1).normal(size=(3, 6))).T
    preconditioner = EmbeddingPreconditioner(0.7, 1e-2, decay=0.9, center=True)
    moments = train_linear_model(views @ views.T, start, loss, rates, Descent(1.0, 0.8), preconditioner)
    for moment, embeddings in zip(moments, [*expected, x @ weights.T], strict=True):
        np.testing.assert_allclose(moment.embeddings, embeddings, rtol=1e-7, atol=1e-10)


def test_between_two_modes_is_where_their_shares_of_their_plateaus_sum_to_one():
    course = closed()
    moments = course.moments_between()
    assert [count for count, _ in moments] == [1, 2]
    for count, time in moments:
        values = course.eigenvalues(np.array([time]))[0]
        assert values[count - 1 : count + 1].sum() == pytest.approx(1)


def preconditioned(**changes):
    options = {"embedding_preconditioner": EmbeddingPreconditionerConfig(power=0.5)} | changes
    return dataclasses.replace(SMALL, **options)


def test_a_prediction_takes_the_rule_and_each_modes_variance_on_the_views(tmp_path, monkeypatch):
    found = []

    def keep(*given):
        found.append(find_modes(*given))
        return found[0]

    monkeypatch.setattr("eigenstep.prediction._predict.find_modes", keep)
    record = predict(preconditioned(), tmp_path / "out")
    prediction = record.prediction
    assert prediction["rule"] == "preconditioned"
    assert record.config["embedding_preconditioner"]["power"] == 0.5
    gamma, variances = np.array(prediction["gamma"]), (found[0].views ** 2).mean(axis=0)
    assert (gamma < variances).all()
    rule = Preconditioner(0.5, 1e-3, gamma / variances)
    np.testing.assert_allclose(prediction["half_times"], half_times(gamma, 1e-4, rule=rule), rtol=1e-9)
    assert Preconditioner(**prediction["preconditioner"]) == rule
    # Read again, its curves pass their halves when it says.
    form, halves = ClosedForm(prediction), np.array(prediction["half_times"])
    np.testing.assert_allclose(np.diag(form.eigenvalues(np.sort(halves))), 0.5, rtol=1e-6)
    plain = predict(SMALL, tmp_path / "plain").prediction
    assert (plain["rule"], plain["preconditioner"]) == ("gradient", None)
    assert (np.array(prediction["half_times"]) < np.array(plain["half_times"])).all()
    assert any("lag of a running covariance" in note for note in prediction["notes"])
    assert not any("running covariance" in note for note in plain["notes"])


@pytest.mark.slow
def test_a_course_in_steps_with_a_slow_rate_and_no_lag_is_where_the_closed_form_says(tmp_path):
    options = EmbeddingPreconditionerConfig(power=0.5, damping=1e-2, decay=0.0)
    two = {"kernel": "rbf", "init_scale": 1e-4, "projector": ProjectorConfig(dim=2)}
    config = preconditioned(embedding_preconditioner=options, **two)
    closed = predict(config, tmp_path / "closed").prediction
    rate = 0.02 / (8 * closed["gamma"][0])
    steps = int(2 * max(closed["half_times"]) / rate)
    optimizer = OptimizerConfig(lr=rate, momentum=0.0)
    in_steps = dataclasses.replace(config, course="steps", steps=steps, optimizer=optimizer)
    found = predict(in_steps, tmp_path / "steps").prediction
    shares = np.array(found["start_scales"])
    expected = predict(
        dataclasses.replace(config, init_scale=float(shares[0])), tmp_path / "again"
    ).prediction
    # The two modes are not orthogonal on the views, and P sees that.
    np.testing.assert_allclose(found["half_times"][0], expected["half_times"][0], rtol=0.1)


def test_auto_takes_steps_where_a_network_lags_behind_its_preconditioner():
    assert not preconditioned().in_steps
    assert preconditioned(kernel="ntk").in_steps
    assert not preconditioned(kernel="ntk", course="closed").in_steps
    assert not dataclasses.replace(SMALL, kernel="ntk").in_steps


@pytest.mark.slow
def test_a_run_with_a_preconditioner_is_foretold_with_it(tmp_path):
    config = TrainConfig(
        steps=4,
        batch_size=20,
        threads=1,
        device="cpu",
        images=ImagesConfig(size=8, patches=40),
        projector=ProjectorConfig(dim=4),
        embedding_preconditioner=EmbeddingPreconditionerConfig(power=0.5, damping=1e-2),
    )
    train(config, tmp_path / "run")
    foretold = config_of_run(tmp_path / "run")
    assert foretold.embedding_preconditioner == config.embedding_preconditioner
    record = predict(
        dataclasses.replace(foretold, kernel="ntk", pairs=20), tmp_path / "out", run=tmp_path / "run"
    )
    assert record.prediction["rule"] == "preconditioned"
    assert record.prediction["course"] == "steps"


@pytest.mark.slow
def test_muons_modes_are_foretold_and_its_times_are_said_not_to_be(tmp_path):
    config = dataclasses.replace(
        SMALL, kernel="ntk", pairs=20, optimizer=OptimizerConfig(name="muon", lr=0.02)
    )
    record = predict(config, tmp_path / "muon")
    assert record.prediction["rule"] == "orthogonalised"
    assert record.prediction["learning_rate"] is None
    (note,) = (note for note in record.prediction["notes"] if "muon" in note)
    assert "whose times no kernel foretells" in note
    assert "1/sqrt(gamma)" in note
    plain = predict(dataclasses.replace(config, optimizer=OptimizerConfig()), tmp_path / "sgd")
    np.testing.assert_allclose(record.prediction["gamma"], plain.prediction["gamma"])
    adamw = dataclasses.replace(config, optimizer=OptimizerConfig(name="adamw"))
    (note,) = (note for note in predict(adamw, tmp_path / "adamw").prediction["notes"] if "optimiser" in note)
    assert "adamw, whose steps no kernel foretells: times are those of SGD without momentum" in note
