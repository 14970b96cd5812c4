"""Every method says what values its loss has by itself, or is named here with why none are known."""

import dataclasses
import math

import pytest
import torch

from eigenstep.losses import BarlowTwinsLoss, NTXentLoss
from eigenstep.methods import METHODS, Embeddings, build_objective, plugged
from eigenstep.optim import Preconditioned
from eigenstep.training import TrainConfig

N, D, CLASSES = 16, 8, 4
VARIANCE = "without the embedding the loss is the views' variance about their mean, which no formula has"
WITHOUT = dict.fromkeys(("autoencoder", "cross_view_autoencoder", "mae"), VARIANCE)


def build(name):
    config = TrainConfig(loss=name)
    config = dataclasses.replace(config, projector=dataclasses.replace(config.projector, dim=D))
    return build_objective(config, CLASSES)


def landmarks(objective, pairs=N, **processes):
    return {mark.name: mark.value for mark in objective.landmarks(pairs, D, **processes)}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_landmarks_or_is_known_to_have_none(name):
    found = build(name).landmarks(N, D)
    assert bool(found) == (name not in WITHOUT)
    assert all(math.isfinite(mark.value) and mark.says for mark in found)


@pytest.mark.parametrize("name", ["byol", "simsiam"])
def test_predicted_views_that_collapse_have_the_floors_loss(name):
    objective = build(name)
    objective.predictor = torch.nn.Identity()
    one = torch.ones(N, D)
    loss, _ = objective(Embeddings(one, one, target_a=one, target_b=one))
    found = landmarks(objective)
    assert loss.item() == pytest.approx(found["constant embeddings"], abs=1e-6)
    assert found["constant embeddings"] == found["floor"]
    wide, other = torch.randn(2, N, 100_000, generator=torch.Generator().manual_seed(0))
    loss, _ = objective(Embeddings(wide, other, target_a=wide, target_b=other))
    assert loss.item() == pytest.approx(found["chance"], abs=0.01)


@pytest.mark.parametrize(("name", "count"), [("cross_entropy", CLASSES), ("rotation", 4)])
def test_a_classifier_that_knows_nothing_has_the_logarithm_of_its_choices(name, count):
    objective = build(name)
    torch.nn.init.zeros_(objective.classifier.weight)
    torch.nn.init.zeros_(objective.classifier.bias)
    z, drawn = torch.randn(N, D), torch.rand(N, 1)
    batch = Embeddings(z, z, labels=torch.arange(N) % CLASSES, drawn_a=drawn, drawn_b=drawn)
    assert objective(batch)[0].item() == pytest.approx(landmarks(objective)["chance"])
    assert landmarks(objective)["chance"] == pytest.approx(math.log(count))


def test_a_method_sees_the_batch_of_all_processes():
    alone, together = landmarks(build("simclr")), landmarks(build("simclr"), processes=4)
    assert together["chance"] == alone["chance"] == pytest.approx(math.log(2 * N - 1))
    assert together["chance in one process's batch"] == pytest.approx(math.log(2 * N / 4 - 1))


def test_a_plugged_loss_has_its_own_landmarks_and_another_callable_none():
    loss = BarlowTwinsLoss(normalize="none")
    expected = {mark.name: mark.value for mark in loss.landmarks(N, D)}
    for given in (loss, Preconditioned(loss)):
        objective = plugged(given).build(None, D, 1)
        assert landmarks(objective, processes=4) == expected
    contrastive = plugged(NTXentLoss()).build(None, D, 1)  # is given the joint batch, as it does not gather
    assert landmarks(contrastive, processes=4)["chance"] == pytest.approx(math.log(2 * N - 1))
    assert landmarks(plugged(torch.nn.MSELoss()).build(None, D, 1)) == {}
    assert landmarks(plugged(Preconditioned(torch.nn.MSELoss())).build(None, D, 1)) == {}
