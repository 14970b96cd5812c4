"""A batch that passes the encoder in parts has the gradient of the whole."""

import pytest
import torch
from torch import nn

from eigenstep.methods import METHODS, MAEConfig, TargetNetwork, build_objective
from eigenstep.training import ImagesConfig, Learner, OneProcess, ProjectorConfig, TrainConfig


class Network(nn.Module):
    """As an encoder is, without batch normalisation; dropout where it is asked for."""

    def __init__(self, dropout=0.0, norm=False):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Flatten(),
            nn.Linear(3 * 4 * 4, 12),
            nn.BatchNorm1d(12) if norm else nn.Identity(),
            nn.GELU(),
            nn.Dropout(dropout),
        )
        self.projector = nn.Linear(12, 4)

    def forward(self, images):
        features = self.backbone(images)
        return features, self.projector(features)


@pytest.fixture
def learner():
    """`learner("simclr", micro_batch_size=5)`: on one CPU, in float64, the same weights each time."""
    engine = OneProcess("cpu", "64-true")

    def build(loss, micro_batch_size=None, **network):
        torch.manual_seed(0)
        encoder = Network(**network).double()
        config = TrainConfig(
            loss=loss,
            mae=MAEConfig(patch=2),
            projector=ProjectorConfig(dim=4),
            images=ImagesConfig(size=4),
        )
        objective = build_objective(config, classes=3)
        target = TargetNetwork(encoder, 0.9) if objective.target_momentum else None
        return Learner(engine, encoder, objective, target, micro_batch_size=micro_batch_size)

    return build


def views(n=12):
    generator = torch.Generator().manual_seed(1)
    common, noise = torch.randn(2, n, 3, 4, 4, generator=generator, dtype=torch.float64)
    return common, common + 0.5 * noise


def gradients(learner, step=0):
    labels = torch.arange(12) % 3
    outcome = learner.forward(step, views(), labels)
    learner.backward(outcome)
    modules = {"encoder": learner.encoder, "objective": learner.objective}
    found = {
        f"{kind}.{name}": parameter.grad
        for kind, module in modules.items()
        for name, parameter in module.named_parameters()
    }
    return outcome, found


@pytest.mark.slow
@pytest.mark.parametrize("loss", METHODS)
@pytest.mark.parametrize("size", [1, 5, 6])
def test_parts_of_any_size_give_the_gradient_of_the_whole_batch(learner, loss, size):
    whole, expected = gradients(learner(loss))
    parts, found = gradients(learner(loss, micro_batch_size=size))
    torch.testing.assert_close(parts.loss, whole.loss, rtol=1e-12, atol=0)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-12, msg=name)
    for one, other in zip(parts.features, whole.features, strict=True):
        torch.testing.assert_close(one, other)


def test_the_gradient_in_parts_is_that_of_finite_differences(learner):
    """With dropout, whose masks must be the same in both passes of a part."""
    subject = learner("simclr", micro_batch_size=5, dropout=0.5)
    _, found = gradients(subject)
    weight, size = subject.encoder.projector.weight, 1e-6
    for index in [(0, 0), (2, 7), (3, 11)]:
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[index] += sign * size
                values.append(subject.forward(0, views()).loss)
                weight[index] -= sign * size
        slope = (values[0] - values[1]) / (2 * size)
        torch.testing.assert_close(found["encoder.projector.weight"][index], slope, rtol=1e-6, atol=1e-9)


def test_parts_move_the_running_statistics_once(learner):
    subject = learner("barlow_twins", micro_batch_size=4, norm=True)
    norm = subject.encoder.backbone[2]
    subject.backward(subject.forward(0, views()))
    expected = nn.BatchNorm1d(12).double()
    first, second = views()
    for start in (0, 4, 8):
        part = torch.cat([view[start : start + 4] for view in (first, second)])
        expected(subject.encoder.backbone[:2](part))
    torch.testing.assert_close(norm.running_mean, expected.running_mean)
    torch.testing.assert_close(norm.running_var, expected.running_var)
    assert norm.num_batches_tracked == 3


def test_steps_have_their_own_random_state_whatever_was_drawn_before(learner):
    subject = learner("simclr", dropout=0.5)
    losses = []
    for step in (0, 1, 0):
        torch.rand(3)
        losses.append(subject.forward(step, views()).loss.item())
    assert losses[0] == losses[2] != losses[1]


@pytest.mark.parametrize("loss", ["autoencoder", "mae", "rotation"])
def test_an_objective_is_told_of_the_views_and_the_encoder_sees_what_it_makes_of_them(learner, loss):
    subject = learner(loss)
    passed, again, later = (subject.forward(step, views()) for step in (3, 3, 4))
    batch = passed.batch
    assert torch.equal(torch.stack([batch.view_a, batch.view_b]), torch.stack(views()))
    if loss == "autoencoder":
        assert batch.drawn_a is None
        assert passed.views[0] is batch.view_a
        return
    for seen, view, drawn in zip(
        passed.views, (batch.view_a, batch.view_b), (batch.drawn_a, batch.drawn_b), strict=True
    ):
        assert torch.equal(seen, subject.objective.alter(view, drawn))
        assert not torch.equal(seen, view)
        assert len(drawn.unique(dim=0)) == len(drawn)
    assert not torch.equal(batch.drawn_a, batch.drawn_b)
    assert torch.equal(again.batch.drawn_a, batch.drawn_a)
    assert not torch.equal(later.batch.drawn_a, batch.drawn_a)


def test_objectives_that_do_not_ask_are_not_given_the_views(learner):
    batch = learner("simclr").forward(0, views()).batch
    assert (batch.view_a, batch.view_b, batch.drawn_a, batch.drawn_b) == (None,) * 4
