"""A loss of one's own, plugged in from Python."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from eigenstep.cli import main
from eigenstep.encoders import load_encoder
from eigenstep.losses import BarlowTwinsLoss, VICRegLoss
from eigenstep.methods import Objective
from eigenstep.prediction import config_of_run
from eigenstep.record import read_record
from eigenstep.report import write_report
from eigenstep.training import OptimizerConfig, derived_seed, load_config, train


def my_loss(z_a, z_b):
    return (z_a - z_b).square().mean() + torch.relu(1 - torch.cat([z_a, z_b]).std(0)).mean()


class Learned(nn.Module):
    """A loss with weights of its own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.predictor = nn.Linear(16, 16)

    def forward(self, z_a, z_b):
        return (self.predictor(z_a) - z_b.detach()).square().mean() + my_loss(z_a, z_b)


class Sketched(Objective):
    """Looks along directions that are drawn anew at every step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, batch):
        directions = torch.randn(16, 3, generator=batch.generator)
        self.seen.append((batch.step, directions))
        spread = torch.relu(1 - (torch.cat([batch.z_a, batch.z_b]) @ directions).std(0)).mean()
        distance = (batch.z_a - batch.z_b).square().mean()
        return distance + spread, {"distance": distance.detach(), "spread": spread.detach()}


@pytest.mark.slow
def test_a_function_trains_and_its_name_stands_in_the_configuration(small_config, tmp_path):
    record = train(small_config(), tmp_path / "run", objective=my_loss)
    assert load_config(tmp_path / "run" / "config.yaml").loss == "python:my_loss"
    assert load_config(tmp_path / "run" / "config.yaml").optimizer.lr == 0.05
    assert record.metrics["loss"][-1] < record.metrics["loss"][0] - 0.01
    assert record.summary["state"] == "finished"


@pytest.mark.slow
def test_a_loss_of_eigensteps_plugged_in_is_the_method(small_config, tmp_path):
    """Its terms are recorded, and the spectrum is the same."""
    config = small_config(steps=10, loss="vicreg", optimizer=OptimizerConfig(lr=0.002))
    by_name = train(config, tmp_path / "named")
    plugged = train(config, tmp_path / "plugged", objective=VICRegLoss())
    assert plugged.config["loss"] == "python:VICRegLoss"
    for column, values in by_name.metrics.items():
        assert np.array_equal(plugged.metrics[column], values, equal_nan=True), column
    assert {"invariance", "variance", "covariance"} <= {
        name.rpartition(".")[2].rpartition("/")[2] for name in plugged.metrics
    }


@pytest.mark.slow
def test_the_weights_of_a_module_are_trained_and_kept(small_config, tmp_path):
    objective = Learned()
    before = objective.predictor.weight.detach().clone()
    train(small_config(), tmp_path / "run", objective=objective)
    assert not torch.equal(objective.predictor.weight, before)
    (kept,) = (tmp_path / "run/checkpoints/step_00000024").glob("objective.safetensors")
    weights = load_file(kept)
    assert torch.equal(weights["loss.predictor.weight"], objective.predictor.weight)


class Killed(BaseException):
    pass


def end_at(step):
    def tell(progress):
        if progress.stage == "training" and progress.done == step:
            raise Killed

    return tell


@pytest.mark.slow
@pytest.mark.parametrize("build", [lambda: my_loss, Learned, Sketched])
@pytest.mark.parametrize("micro", [None, 4])
def test_a_run_that_is_resumed_with_its_objective_has_the_same_record(
    small_config, tmp_path, folder_bytes, build, micro
):
    config = small_config(steps=16, micro_batch_size=micro)
    train(config, tmp_path / "whole", objective=build())
    for step in (9, 15):
        with pytest.raises(Killed):
            train(config, tmp_path / "run", resume=True, objective=build(), progress=end_at(step))
    train(config, tmp_path / "run", resume=True, objective=build())
    assert folder_bytes(tmp_path / "run") == folder_bytes(tmp_path / "whole")


@pytest.mark.slow
def test_an_objective_is_given_the_step_and_a_generator_of_its_own(small_config, tmp_path):
    """Determined by the seed and the step: not by what was drawn before, nor by parts of the batch."""
    found = []
    for name, changes in {"a": {}, "b": {"micro_batch_size": 4}, "c": {"seed": 1}}.items():
        objective = Sketched()
        torch.rand(5)
        train(small_config(steps=3, **changes), tmp_path / name, objective=objective)
        found.append(objective.seen)
    assert [[step for step, _ in seen] for seen in found] == [[0, 1, 2, 3]] * 3
    for (_, one), (_, same), (_, other) in zip(*found, strict=True):
        assert torch.equal(one, same)
        assert not torch.equal(one, other)
    assert len({tuple(drawn.flatten().tolist()) for _, drawn in found[0]}) == 4
    for step, drawn in found[2]:  # also in a later version, so that a run can go on in it
        stream = torch.Generator().manual_seed(derived_seed(1, 5, step))
        assert torch.equal(drawn, torch.randn(16, 3, generator=stream))
    record = read_record(tmp_path / "a")
    total = sum(values for name, values in record.metrics.items() if "distance" in name or "spread" in name)
    np.testing.assert_allclose(record.metrics["loss"], total, rtol=1e-6)


@pytest.mark.slow
def test_what_a_loss_draws_from_torchs_own_state_is_the_steps(small_config, tmp_path, folder_bytes):
    def noisy(z_a, z_b):
        return my_loss(z_a, z_b + 0.1 * torch.randn_like(z_b))

    config = small_config(steps=8)
    for name in ("a", "b"):
        torch.rand(3)
        train(config, tmp_path / name, objective=noisy)
    assert folder_bytes(tmp_path / "a") == folder_bytes(tmp_path / "b")


def no_graph(z_a, z_b):
    return my_loss(z_a, z_b).detach()


BAD = {
    "a number": (lambda z_a, z_b: 1.0, "must return a scalar tensor, got float"),
    "nothing": (lambda z_a, z_b: None, "must return a scalar tensor, got nothing"),
    "a vector": (lambda z_a, z_b: (z_a - z_b).square().mean(1), r"got a tensor of shape \(16,\)"),
    "a tensor of one": (lambda z_a, z_b: my_loss(z_a, z_b)[None], r"got a tensor of shape \(1,\)"),
    "an integer": (lambda z_a, z_b: torch.tensor(3), "of real numbers, got one of torch.int64"),
    "no graph": (no_graph, "no_graph must return a loss that depends on the embeddings"),
    "a class": (BarlowTwinsLoss, "BarlowTwinsLoss must return a scalar tensor, got BarlowTwinsLoss"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_minimised_is_refused_before_anything_is_touched(
    small_config, tmp_path, folder_bytes, case
):
    objective, message = BAD[case]
    with pytest.raises(ValueError, match=message) as refused:
        train(small_config(), tmp_path / "new", objective=objective)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "new").exists()
    train(small_config(steps=2), tmp_path / "old")
    before = folder_bytes(tmp_path / "old")
    with pytest.raises(ValueError, match=message):
        train(small_config(), tmp_path / "old", overwrite=True, objective=objective)
    assert folder_bytes(tmp_path / "old") == before


class Bare(Objective):
    def forward(self, batch):
        return my_loss(batch.z_a, batch.z_b)


class Listed(Objective):
    def forward(self, batch):
        return my_loss(batch.z_a, batch.z_b), {"rows": batch.z_a}


class Labelled(Objective):
    needs_labels = True

    def forward(self, batch):
        return my_loss(batch.z_a, batch.z_b), {}


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (Bare(), r"Bare must return \(loss, terms by name\).*, got Tensor"),
        (Listed(), "Listed: the term rows must be a scalar tensor, got a tensor of shape"),
        (Labelled(), "python:Labelled learns from labels, photos has none"),
    ],
)
def test_an_objective_that_breaks_the_contract_is_refused(small_config, tmp_path, objective, message):
    with pytest.raises(ValueError, match=message):
        train(small_config(), tmp_path / "run", objective=objective)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_called_is_refused(small_config, tmp_path):
    with pytest.raises(TypeError, match=r"objective: expected a callable \(z_a, z_b\) -> scalar .*'simclr'"):
        train(small_config(), tmp_path / "run", objective="simclr")


@pytest.mark.slow
def test_to_resume_the_same_objective_is_needed(small_config, tmp_path, folder_bytes, capsys):
    def other(z_a, z_b):
        return my_loss(z_a, z_b)

    config, run = small_config(steps=4), tmp_path / "run"
    train(config, run, objective=my_loss)
    before = folder_bytes(run)
    message = r"python:my_loss is a Python object of the program that began the run: .*objective=my_loss"
    for objective in (None, other):
        with pytest.raises(ValueError, match=message) as refused:
            train(config, run, resume=True, objective=objective)
        assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match=message):
        train(load_config(run / "config.yaml"), tmp_path / "new")
    train(small_config(steps=4), tmp_path / "named")
    with pytest.raises(ValueError, match=r"loss: python:my_loss, not barlow_twins"):
        train(config, tmp_path / "named", resume=True, objective=my_loss)
    assert main(["train", "--resume", "--out", str(run), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert "python:my_loss is a Python object of the program that began the run" in error
    assert error.count("\n") == 1
    assert folder_bytes(run) == before


@pytest.mark.slow
def test_what_reads_runs_reads_one_of_an_objective_or_refuses_in_one_line(small_config, tmp_path):
    run = tmp_path / "run"
    train(small_config(steps=8), run, objective=my_loss)
    assert load_encoder(run).checkpoint.name == "step_00000008"
    page = tmp_path / "report.html"
    write_report(run, page)
    assert "trained with my_loss" in page.read_text()
    with pytest.raises(ValueError, match="is trained by python:my_loss, whose learning is not predicted"):
        config_of_run(run)


@pytest.mark.slow
def test_a_lambda_and_an_object_have_names_that_reports_can_show(small_config, tmp_path):
    class Distance:
        def __call__(self, z_a, z_b):
            return my_loss(z_a, z_b)

        def terms(self, z_a, z_b):
            return {"distance": (z_a - z_b).square().mean()}

    config = small_config(steps=2)
    record = train(config, tmp_path / "lambda", objective=lambda z_a, z_b: my_loss(z_a, z_b))
    assert record.config["loss"] == "python:<lambda>"
    write_report(tmp_path / "lambda", tmp_path / "lambda.html")
    assert "trained with &lt;lambda&gt;" in (tmp_path / "lambda.html").read_text()
    record = train(config, tmp_path / "object", objective=Distance())
    assert record.config["loss"] == "python:Distance"
    assert any("distance" in name for name in record.metrics)


@pytest.mark.slow
def test_the_configurations_own_loss_gives_way(small_config, tmp_path):
    one, other = (
        train(small_config(steps=2, loss=loss), tmp_path / loss, objective=my_loss)
        for loss in ("barlow_twins", "byol")
    )
    assert np.array_equal(one.metrics["loss"], other.metrics["loss"])


class GivenBack(Objective):
    """The other view's mean colour, of views whose right half the encoder does not see."""

    needs_views, draws = True, 1

    def begin(self, shape):
        torch.manual_seed(0)
        self.shape, self.head = shape, nn.Linear(16, shape[0])

    def alter(self, view, drawn):
        return torch.cat([view[..., : view.shape[-1] // 2], 0 * view[..., view.shape[-1] // 2 :]], -1)

    def forward(self, batch):
        return (self.head(batch.z_a) - batch.view_b.mean((2, 3))).square().mean(), {}


def test_an_objective_of_ones_own_is_given_the_views_and_makes_what_depends_on_their_shape(
    small_config, tmp_path
):
    subject = GivenBack()
    record = train(small_config(), tmp_path / "run", objective=subject)
    assert subject.shape == (3, 16, 16)
    assert record.metrics["loss"][-1] < record.metrics["loss"][0]
    weights = load_file(next((tmp_path / "run" / "checkpoints").glob("step_00000024/objective.safetensors")))
    assert weights["head.weight"].shape == (3, 16)
    train(small_config(steps=14), tmp_path / "parted", objective=GivenBack())
    train(small_config(), tmp_path / "parted", objective=GivenBack(), resume=True)
    again = load_file(tmp_path / "parted" / "checkpoints" / "step_00000024" / "objective.safetensors")
    assert all(torch.equal(again[name], weight) for name, weight in weights.items())
