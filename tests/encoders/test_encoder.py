import pathlib

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from eigenstep.training import ProjectorConfig, build_encoder

PROJECTOR = ProjectorConfig(hidden=(12, 10), dim=5)


def features(model, size, channels=3):
    """What a model makes of two images, in evaluation mode."""
    images = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model.eval()(images)


def moved(model, size=64):
    """The model with running statistics that are not those of a new one."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(4, 3, size, size))
    return model


@pytest.mark.parametrize("size", [3, 16, 33, 96])
def test_the_small_network_gives_256_features_at_any_size(size):
    features, embeddings = build_encoder("convnet", size, PROJECTOR)(torch.randn(2, 3, size, size))
    assert features.shape == (2, 256)
    assert embeddings.shape == (2, 5)


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_resnet_keeps_its_stem_for_larger_images():
    encoder = build_encoder("resnet18", 96, PROJECTOR)
    assert encoder.backbone.conv1.kernel_size == (7, 7)
    assert encoder.backbone.forward_features(torch.randn(1, 3, 96, 96)).shape == (1, 512, 3, 3)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.parametrize("hidden", [(), (12,)])
def test_the_embedding_is_standardised_over_the_batch_where_that_is_asked_for(hidden):
    options = {"hidden": hidden, "dim": 5, "init_scale": 0.1}
    torch.manual_seed(0)
    plain = build_encoder("convnet", 16, ProjectorConfig(**options)).projector
    torch.manual_seed(0)
    standardised = build_encoder("convnet", 16, ProjectorConfig(**options, batch_norm_output=True)).projector
    assert [tuple(p.shape) for p in standardised.parameters()] == [tuple(p.shape) for p in plain.parameters()]
    inputs = torch.randn(64, 256)
    raw = plain(inputs)
    expected = (raw - raw.mean(0)) / (raw.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(standardised(inputs), expected)
    mean, variance = 0.1 * raw.mean(0), 0.9 + 0.1 * raw.var(0)
    torch.testing.assert_close(standardised.eval()(inputs), (raw - mean) / (variance + 1e-5).sqrt())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "resnet18_small"])
def test_weights_are_drawn_in_the_order_of_timms_network_the_stem_and_the_projector(name):
    torch.manual_seed(0)
    encoder = build_encoder(name, 32, PROJECTOR)
    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=0).state_dict()
    stem = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    layers = [nn.Linear(512, 12), nn.Linear(12, 10), nn.Linear(10, 5, bias=False)]
    expected = network | {"conv1.weight": stem.weight}
    found = encoder.backbone.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    for layer, reference in zip(encoder.projector[::2], layers, strict=True):
        scale = PROJECTOR.init_scale if reference is layers[-1] else 1
        assert torch.equal(layer.weight, scale * reference.weight)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [18, 34, 50])
def test_timm_loads_a_resnet_for_small_images_by_its_own_name(tmp_path, depth):
    backbone = moved(build_encoder(f"resnet{depth}", 16, PROJECTOR).backbone, 8)
    save_file(backbone.state_dict(), tmp_path / "backbone.safetensors")
    loaded = timm.create_model(
        f"resnet{depth}_small", num_classes=0, checkpoint_path=tmp_path / "backbone.safetensors"
    )
    assert torch.equal(features(loaded, 16), features(backbone, 16))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("resnet18", 96), ("test_vit", 48), ("test_efficientnet", 32)])
def test_timm_loads_other_backbones_by_their_name(tmp_path, name, size):
    backbone = build_encoder(name, size, PROJECTOR).backbone
    save_file(backbone.state_dict(), tmp_path / "backbone.safetensors")
    options = {"img_size": size} if name == "test_vit" else {}
    loaded = timm.create_model(
        name, num_classes=0, checkpoint_path=tmp_path / "backbone.safetensors", **options
    )
    assert torch.equal(features(loaded, size), features(backbone, size))


@pytest.mark.slow
def test_a_small_resnet_takes_timms_options():
    model = timm.create_model("resnet18_small", num_classes=7, in_chans=1)
    assert features(model, 32, channels=1).shape == (2, 7)
    assert model.forward_features(torch.randn(1, 1, 32, 32)).shape == (1, 512, 4, 4)
    with pytest.raises(ValueError, match="no pretrained weights for resnet18"):
        timm.create_model("resnet18_small", pretrained=True)


@pytest.mark.slow
def test_a_small_resnet_keeps_its_stem_for_larger_images():
    encoder = build_encoder("resnet18_small", 96, PROJECTOR)
    assert encoder.backbone.forward_features(torch.randn(1, 3, 96, 96)).shape == (1, 512, 12, 12)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["safetensors", "pth", "nested"])
@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext", "test_vit"])
def test_a_backbone_starts_from_a_file_of_timms_whose_classifier_is_left_out(tmp_path, name, form):
    model = timm.create_model(name, num_classes=9)
    if name == "test_resnet":
        moved(model)
    size = model.pretrained_cfg["input_size"][-1]
    path = tmp_path / ("weights.safetensors" if form == "safetensors" else "weights.pth")
    if form == "safetensors":
        save_file(model.state_dict(), path)
    elif form == "pth":
        torch.save(model.state_dict(), path)
    else:
        state = {f"module.{key}": value for key, value in model.state_dict().items()}
        torch.save({"epoch": 3, "state_dict": state}, path)
    backbone = build_encoder(name, size, PROJECTOR, weights=path).backbone
    model.reset_classifier(0)
    assert torch.equal(features(backbone, size), features(model, size))


def test_a_classifier_that_is_not_there_changes_nothing_and_convnets_weights_come_back(tmp_path):
    backbone = moved(build_encoder("convnet", 32, PROJECTOR).backbone)
    torch.save(backbone.state_dict(), tmp_path / "convnet.pth")
    loaded = build_encoder("convnet", 32, PROJECTOR, weights=str(tmp_path / "convnet.pth")).backbone
    assert torch.equal(features(loaded, 32), features(backbone, 32))


def test_the_projector_is_drawn_alike_with_and_without_a_file(tmp_path):
    save_file(build_encoder("test_resnet", 32, PROJECTOR).backbone.state_dict(), tmp_path / "w.safetensors")
    last = []
    for weights in (None, tmp_path / "w.safetensors"):
        torch.manual_seed(0)
        last.append(build_encoder("test_resnet", 32, PROJECTOR, weights=weights).projector[-1].weight)
    assert torch.equal(*last)


def test_weights_of_files_without_counters_of_batches_fit(tmp_path):
    backbone = moved(build_encoder("convnet", 32, PROJECTOR).backbone)
    state = {key: value for key, value in backbone.state_dict().items() if "num_batches" not in key}
    assert len(state) < len(backbone.state_dict())
    save_file(state, tmp_path / "old.safetensors")
    loaded = build_encoder("convnet", 32, PROJECTOR, weights=tmp_path / "old.safetensors").backbone
    assert torch.equal(features(loaded, 32), features(backbone, 32))


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_a_file_is_read_without_running_its_code(tmp_path):
    torch.save({"0.weight": Touch(tmp_path / "touched")}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"w\.pth cannot be read as weights"):
        build_encoder("convnet", 32, PROJECTOR, weights=tmp_path / "w.pth")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"\x80\x02]q\x00."])
def test_a_file_that_holds_no_weights_is_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"{name} cannot be read as weights: expected .safetensors"
    ) as refused:
        build_encoder("convnet", 32, PROJECTOR, weights=tmp_path / name)
    assert "\n" not in str(refused.value)


def test_a_file_of_other_things_than_tensors_is_refused(tmp_path):
    torch.save({"0.weight": [1.0, 2.0]}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="it holds no tensors by names"):
        build_encoder("convnet", 32, PROJECTOR, weights=tmp_path / "w.pth")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file of weights .*nowhere\.pth"):
        build_encoder("convnet", 32, PROJECTOR, weights=tmp_path / "nowhere.pth")


@pytest.mark.slow
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
