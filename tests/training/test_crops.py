"""Runs of more than two views: what is recorded, parts, resuming, and what is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from eigenstep.losses import CorInfoMaxLoss
from eigenstep.methods import METHODS, Embeddings, Objective, TargetNetwork, build_objective
from eigenstep.optim import Preconditioned
from eigenstep.training import (
    CheckpointConfig,
    EmbeddingPreconditionerConfig,
    ImagesConfig,
    Learner,
    OneProcess,
    ProjectorConfig,
    RecordConfig,
    TrainConfig,
    train,
)
from eigenstep.views import ViewsConfig

CROPS = ViewsConfig(global_views=3, local_views=2)
TAKERS = [
    *("barlow_twins", "simclr", "vicreg", "spectral_contrastive", "w_mse", "dcl", "lejepa", "visreg", "mmcr"),
    *("frossl", "coding_rate", "simsiam", "byol"),
]


class Network(nn.Module):
    """As an encoder is, of any size of image, and without batch normalisation."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 6, 3), nn.GELU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.projector = nn.Linear(24, 4)

    def forward(self, images):
        features = self.backbone(images)
        return features, self.projector(features)


def learner_of(loss, micro_batch_size=None, views=CROPS):
    torch.manual_seed(0)
    encoder = Network().double()
    objective = build_objective(TrainConfig(loss=loss, projector=ProjectorConfig(dim=4)))
    target = TargetNetwork(encoder, 0.9) if objective.target_momentum else None
    return Learner(
        OneProcess("cpu", "64-true"),
        *(encoder, objective, target),
        micro_batch_size=micro_batch_size,
        global_views=views.global_views,
        local_views=views.local_views,
    )


def views_of(n=12):
    generator = torch.Generator().manual_seed(1)
    common = torch.randn(n, 3, 6, 6, generator=generator, dtype=torch.float64)
    views = [common + 0.5 * torch.randn(common.shape, generator=generator).double() for _ in range(5)]
    return (*views[:3], *(view[..., :4, :4].contiguous() for view in views[3:]))


@pytest.mark.parametrize("loss", TAKERS)
def test_parts_give_the_gradient_of_the_whole_batch(loss):
    found = []
    for size in (None, 5):
        learner = learner_of(loss, size)
        passed = learner.forward(0, views_of())
        learner.backward(passed)
        found.append([passed.loss.detach(), *(parameter.grad for parameter in learner.encoder.parameters())])
    whole, parts = found
    assert all(float(gradient.abs().max()) > 0 for gradient in whole[1:])
    for one, other in zip(parts, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_objectives_are_given_all_views_the_global_ones_first_and_targets_of_these():
    given = []
    learner = learner_of("byol")
    learner.objective.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
    views = views_of()
    learner.forward(0, views)
    (batch,) = given
    for z, view in zip(batch.z, views, strict=True):
        torch.testing.assert_close(z, learner.encoder(view)[1])
    targets = (batch.target_a, batch.target_b, *batch.crop_targets)
    for target, view in zip(targets, views[:3], strict=True):
        torch.testing.assert_close(target, learner.target(view))
    assert batch.n_global == 3


@pytest.mark.parametrize(("loss", "offset", "factor"), [("simsiam", 0, 1), ("byol", 2, 2)])
def test_predictions_are_of_every_global_view_but_ones_own(loss, offset, factor):
    torch.manual_seed(0)
    objective = METHODS[loss].build(METHODS[loss].options(), 4, 1).double()
    z = torch.randn(5, 8, 4, dtype=torch.float64)
    targets = torch.randn(3, 8, 4, dtype=torch.float64) if loss == "byol" else z[:3]
    batch = Embeddings(
        *z[:2], None, *targets[:2], crops=tuple(z[2:]), n_global=3, crop_targets=tuple(targets[2:])
    )
    cosines = [
        torch.cosine_similarity(objective.predictor(z[j]), targets[i]).mean()
        for i in range(3)
        for j in range(5)
        if i != j
    ]
    expected = offset - factor * torch.stack(cosines).mean()
    torch.testing.assert_close(objective(batch)[0], expected)


def test_the_record_is_of_the_first_two_global_views(small_config, tmp_path):
    """Their spectrum before the first step is that of a run of two views, to the bit."""
    config = small_config(loss="lejepa", steps=1)
    two = train(config, tmp_path / "two")
    crops = train(
        dataclasses.replace(config, views=dataclasses.replace(CROPS, global_views=2)), tmp_path / "crops"
    )
    for name in ("cross_correlation", "covariance", "features"):
        assert np.array_equal(crops.eigenvalues[name][0], two.eigenvalues[name][0])
    assert crops.metrics["loss"][0] != two.metrics["loss"][0]
    assert crops.config["views"]["local_size"] == 7


@pytest.mark.parametrize("micro", [None, 7])
def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(small_config, folder_bytes, tmp_path, micro):
    config = small_config(
        loss="lejepa", views=CROPS, steps=6, micro_batch_size=micro, checkpoint=CheckpointConfig(every=3)
    )
    train(config, tmp_path / "whole")

    def stop(progress):
        if progress.stage == "training" and progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "stopped", progress=stop)
    train(config, tmp_path / "stopped", resume=True)
    assert folder_bytes(tmp_path / "stopped") == folder_bytes(tmp_path / "whole")


def test_a_loss_of_ones_own_is_of_pairs_and_an_objective_says_what_it_takes(small_config, tmp_path):
    config = small_config(views=CROPS, steps=2)
    seen = []

    def distance(z_a, z_b):
        seen.append(z_a.shape)
        return (z_a - z_b).square().mean()

    train(config, tmp_path / "own", objective=distance)
    assert len(seen) == 4 * (3 + 6)  # two steps, the measurement after the last, and one to try it

    class Mine(Objective):
        def forward(self, batch):
            return sum(z.square().mean() for z in batch.z), {}

    with pytest.raises(ValueError, match=r"Mine is of two views.*an Objective says .* by takes_crops$"):
        train(config, tmp_path / "mine", objective=Mine())
    for loss in (CorInfoMaxLoss(8), Preconditioned(distance)):
        with pytest.raises(ValueError, match=f"{type(loss).__name__} is of two views"):
            train(config, tmp_path / "mine", objective=loss)
    Mine.takes_crops = True
    assert train(config, tmp_path / "mine", objective=Mine()).summary["state"] == "finished"


@pytest.mark.parametrize("loss", sorted(set(METHODS) - set(TAKERS)))
def test_methods_of_two_views_refuse_more_and_name_those_that_take_them(loss, tmp_path):
    config = TrainConfig(
        loss=loss, data="cifar10", views=ViewsConfig(local_views=1), images=ImagesConfig(size=16)
    )
    with pytest.raises(ValueError, match=f"^views.local_views 1: {loss} is of two views") as told:
        train(config, tmp_path / "run")
    assert all(taker in str(told.value) for taker in TAKERS)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"views": ViewsConfig(local_size=7)}, "views.local_size 7: expected local views, got none"),
        (
            {"embedding_preconditioner": EmbeddingPreconditionerConfig(power=0.5)},
            "embedding_preconditioner.power takes two views only",
        ),
        (
            {"backbone": "vit_tiny_patch16_224", "images": ImagesConfig(size=32, patches=64)},
            "vit_tiny_patch16_224 does not take images of 14 px as local views; set --views.local-size",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(small_config, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message) as told:
        train(small_config(**{"views": CROPS} | changes), tmp_path / "run")
    assert "\n" not in str(told.value)


def test_views_of_ones_own_are_two(small_config, tmp_path):
    with pytest.raises(ValueError, match=r"views of one's own, python:.* are two views only"):
        train(small_config(views=CROPS), tmp_path / "run", views=lambda batch, generator: (batch, batch))


def test_an_encoder_of_ones_own_is_tried_on_a_local_view(small_config, tmp_path):
    config = small_config(views=CROPS, steps=1)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4))
    with pytest.raises(ValueError, match=r"does not take views of shape \(2, 3, 7, 7\)"):
        train(config, tmp_path / "run", encoder=flat)
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 4))
    assert train(config, tmp_path / "run", encoder=pooled).summary["state"] == "finished"


def test_transformers_interpolate_their_positions(small_config, tmp_path):
    config = small_config(
        loss="simclr",
        backbone="vit_tiny_patch16_224",
        images=ImagesConfig(size=32, patches=8),
        views=dataclasses.replace(CROPS, local_size=16),
        batch_size=4,
        steps=1,
        record=RecordConfig(every=1, probe=4, directions=2),
    )
    assert train(config, tmp_path / "run").summary["state"] == "finished"
