import pytest
import torch
from torch import nn

from eigenstep.training import ProjectorConfig, build_encoder

PROJECTOR = ProjectorConfig(hidden=(12, 10), dim=5)


@pytest.mark.parametrize("size", [3, 16, 33, 96])
def test_the_small_network_gives_256_features_at_any_size(size):
    features, embeddings = build_encoder("convnet", size, PROJECTOR)(torch.randn(2, 3, size, size))
    assert features.shape == (2, 256)
    assert embeddings.shape == (2, 5)


def test_a_resnet_sees_small_images_whole():
    encoder = build_encoder("resnet18", 32, PROJECTOR)
    stem = encoder.backbone.conv1
    assert (stem.kernel_size, stem.stride, stem.padding, stem.bias) == ((3, 3), (1, 1), (1, 1), None)
    assert isinstance(encoder.backbone.maxpool, nn.Identity)
    assert encoder.backbone.forward_features(torch.randn(2, 3, 32, 32)).shape == (2, 512, 4, 4)
    assert 0.8 < stem.weight.std() / (2 / (64 * 9)) ** 0.5 < 1.2


def test_a_resnet_with_a_stem_of_several_layers_gets_one_layer_for_small_images():
    encoder = build_encoder("test_resnet", 32, PROJECTOR)
    assert isinstance(encoder.backbone.conv1, nn.Conv2d)
    assert isinstance(build_encoder("test_resnet", 96, PROJECTOR).backbone.conv1, nn.Sequential)


def test_a_resnet_keeps_its_stem_for_larger_images():
    encoder = build_encoder("resnet18", 96, PROJECTOR)
    assert encoder.backbone.conv1.kernel_size == (7, 7)
    assert encoder.backbone.forward_features(torch.randn(1, 3, 96, 96)).shape == (1, 512, 3, 3)


@pytest.mark.parametrize(
    ("name", "size", "count"),
    [("resnet18", 32, 512), ("vit_tiny_patch16_224", 32, 192), ("test_efficientnet", 32, 256)],
)
def test_the_number_of_features_is_what_the_backbone_gives(name, size, count):
    encoder = build_encoder(name, size, PROJECTOR)
    features, embeddings = encoder(torch.randn(2, 3, size, size))
    assert encoder.num_features == count
    assert (features.shape, embeddings.shape) == ((2, count), (2, 5))
    assert encoder.training
    assert all(module.training for module in encoder.modules())


def test_a_vision_transformer_is_told_the_size():
    encoder = build_encoder("vit_tiny_patch16_224", 48, PROJECTOR)
    assert encoder.backbone.pos_embed.shape == (1, 1 + 3 * 3, 192)


def test_the_scale_is_applied_to_the_last_layer_alone():
    def weights(scale):
        torch.manual_seed(0)
        return build_encoder(
            "convnet", 16, ProjectorConfig(hidden=(12,), dim=5, init_scale=scale)
        ).state_dict()

    plain, scaled = weights(1.0), weights(1e-3)
    last = list(plain)[-1]
    assert plain[last].shape == (5, 12)
    torch.testing.assert_close(scaled[last], 1e-3 * plain[last])
    assert all(torch.equal(plain[name], scaled[name]) for name in plain if name != last)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_projector_is_linear_layers_with_relu_between(batch_norm):
    config = ProjectorConfig(hidden=(12, 10), dim=5, batch_norm=batch_norm, init_scale=1.0)
    encoder = build_encoder("convnet", 16, config)
    linear = [module for module in encoder.projector if isinstance(module, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(256, 12), (12, 10), (10, 5)]
    assert [layer.bias is None for layer in linear] == [batch_norm, batch_norm, True]
    features = torch.randn(64, 256)
    hidden = features
    for layer in linear[:-1]:
        hidden = layer(hidden)
        if batch_norm:
            hidden = (hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + 1e-5).sqrt()
        hidden = hidden.clamp(min=0)
    torch.testing.assert_close(encoder.projector(features), linear[-1](hidden))


def test_a_projector_without_hidden_layers_is_one_matrix():
    encoder = build_encoder("convnet", 16, ProjectorConfig(hidden=(), dim=5))
    assert [tuple(weight.shape) for weight in encoder.projector.parameters()] == [(5, 256)]


def test_the_seed_decides_the_weights():
    def weights(seed):
        torch.manual_seed(seed)
        return build_encoder("resnet18", 32, PROJECTOR).state_dict().values()

    assert all(torch.equal(a, b) for a, b in zip(weights(0), weights(0), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(0), weights(1), strict=True))


@pytest.mark.parametrize(("name", "nearest"), [("resnet_18", "resnet18"), ("conv_net", "convnet")])
def test_an_unknown_backbone_is_refused_with_the_nearest_name(name, nearest):
    with pytest.raises(ValueError, match=rf"unknown backbone '{name}': .*Did you mean {nearest}\?"):
        build_encoder(name, 32, PROJECTOR)


@pytest.mark.parametrize(("name", "size"), [("vit_tiny_patch16_224", 8), ("test_vit", 8)])
def test_images_too_small_for_a_backbone_are_refused(name, size):
    with pytest.raises(ValueError, match=rf"{name} does not take images of {size} px"):
        build_encoder(name, size, PROJECTOR)
