import copy

import pytest
import torch
from torch import nn

from eigenstep.encoders import ProjectorConfig, build_encoder, freeze, layers_of, stages_of

PROJECTOR = ProjectorConfig(hidden=(), dim=4)
BACKBONES = ["convnet", "test_vit", "test_convnext", "test_efficientnet", "test_resnet"]


def built(backbone):
    return build_encoder(backbone, 32, PROJECTOR)


@pytest.mark.parametrize(
    ("backbone", "count"),
    [("convnet", 3), ("test_vit", 6), ("test_convnext", 4), ("test_efficientnet", 5), ("test_resnet", 4)],
)
def test_stages_hold_every_parameter_once_in_the_order_of_the_forward_pass(backbone, count):
    model = built(backbone).backbone
    stages = stages_of(model)
    assert len(stages) == count
    assert sorted(name for stage in stages for name in stage) == sorted(
        n for n, _ in model.named_parameters()
    )
    assert sorted(layers_of(model)) == sorted(name for name, _ in model.named_parameters())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_only_what_comes_after_the_frozen_stages_gets_a_gradient(backbone):
    encoder = built(backbone)
    freeze(encoder, 2)
    encoder(torch.randn(4, 3, 32, 32))[1].sum().backward()
    frozen = {name for stage in stages_of(encoder.backbone)[:2] for name in stage}
    without = {name for name, weight in encoder.backbone.named_parameters() if weight.grad is None}
    assert without == frozen
    assert all(weight.grad is not None for weight in encoder.projector.parameters())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_all_but_the_norms_leaves_vectors_of_norms_alone(backbone):
    encoder = built(backbone)
    freeze(encoder, "norms")
    trained = {name for name, weight in encoder.backbone.named_parameters() if weight.requires_grad}
    modules = dict(encoder.backbone.named_modules())
    assert trained
    assert all("Norm" in type(modules[name.rpartition(".")[0]]).__name__ for name in trained)
    norms = [module for module in modules.values() if isinstance(module, nn.BatchNorm2d | nn.LayerNorm)]
    assert len(trained) == 2 * len(norms)


def test_frozen_batch_norms_keep_their_statistics_and_the_others_do_not():
    encoder = built("convnet")
    freeze(encoder, 1)
    encoder.eval()
    encoder.train()
    before = copy.deepcopy(encoder.state_dict())
    encoder(torch.randn(8, 3, 32, 32))
    moved = {name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {
        f"backbone.{place}.{what}"
        for place in (4, 7)
        for what in ("running_mean", "running_var", "num_batches_tracked")
    }


def test_while_the_backbone_is_held_features_do_not_depend_on_the_batch():
    encoder = built("convnet")
    images = torch.randn(8, 3, 32, 32)
    encoder.hold(True)
    torch.testing.assert_close(encoder(images)[0][:2], encoder(images[:2])[0])
    encoder.hold(False)
    assert not torch.allclose(encoder(images)[0][:2], encoder(images[:2])[0])


def test_all_is_all_of_the_backbone_and_none_of_the_projector():
    encoder = built("convnet")
    said = freeze(encoder, "all").said
    assert not any(weight.requires_grad for weight in encoder.backbone.parameters())
    assert all(weight.requires_grad for weight in encoder.projector.parameters())
    assert said == "all of the backbone (23,696 of 23,696 numbers)"


@pytest.mark.parametrize("what", ["none", 0])
def test_nothing_is_frozen_unasked(what):
    encoder = built("convnet")
    assert freeze(encoder, what).names == frozenset()
    assert all(weight.requires_grad for weight in encoder.parameters())


@pytest.mark.parametrize("count", [4, -1])
def test_more_stages_than_there_are_is_refused(count):
    with pytest.raises(ValueError, match=rf"--freeze: this backbone has 3 stages, .* got {count}"):
        freeze(built("convnet"), count)
