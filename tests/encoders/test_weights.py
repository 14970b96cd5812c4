"""Weights in the layouts of other libraries: read back equal, or refused in one line."""

import argparse
import json
import pathlib
import pickle

import numpy as np
import pytest
import timm
import torch
import torchvision
import transformers
from safetensors.torch import save_file
from timm.models import adapt_input_conv, register_model
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from eigenstep.encoders import ProjectorConfig, build_encoder
from eigenstep.encoders.weights import LEAST_MATCHED, adapted, read_weights, start_from
from eigenstep.training import train

PROJECTOR = ProjectorConfig(hidden=(), dim=4)


def _small_vit(**options):
    known = {key: options[key] for key in ("num_classes", "img_size", "in_chans") if key in options}
    shape = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2}
    extra = {key: value for key, value in options.items() if key in ("init_values", "reg_tokens")}
    return VisionTransformer(**(shape | known | extra), no_embed_class=bool(extra.get("reg_tokens")))


@register_model
def vit_of_tests(pretrained=False, **options):
    return _small_vit(**options)


@register_model
def vit_of_tests_scaled(pretrained=False, **options):
    return _small_vit(**options, init_values=1.0)


@register_model
def vit_of_tests_registers(pretrained=False, **options):
    return _small_vit(**options, init_values=1.0, reg_tokens=4)


def drawn(module, seed=5):
    """The module with every tensor another than a new one has, running statistics too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, generator=generator) * 0.2
                tensor.copy_(values.abs() + 0.5 if "var" in name else values)
    return module.eval()


def started(backbone, size, path, **options):
    return build_encoder(backbone, size, PROJECTOR, weights=path, **options)


def assert_equal_states(backbone, state):
    own = backbone.state_dict()
    assert {name for name in own if "num_batches" not in name} <= set(state)
    assert all(torch.equal(own[name], state[name]) for name in own if "num_batches" not in name)


LAYOUTS = {
    "a bare state": lambda state, other: state,
    "timm's training": lambda state, other: {
        "epoch": 3,
        "arch": "x",
        "args": argparse.Namespace(lr=1.0),
        "state_dict": other,
        "state_dict_ema": state,
    },
    "Lightning": lambda state, other: {
        "pytorch-lightning_version": "2.0",
        "state_dict": {f"model.backbone.{name}": tensor for name, tensor in state.items()}
        | {"model.projection_head.layers.0.weight": torch.ones(7, 5)},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
    },
    "MoCo": lambda state, other: {
        "state_dict": {f"module.encoder_q.{name}": tensor for name, tensor in state.items()}
        | {f"module.encoder_k.{name}": tensor for name, tensor in other.items()}
        | {"module.queue": torch.ones(8, 9), "module.encoder_q.fc.0.weight": torch.ones(6, 5)},
    },
    "SimSiam": lambda state, other: {
        "state_dict": {f"module.encoder.{name}": tensor for name, tensor in state.items()}
        | {"module.predictor.0.weight": torch.ones(4, 4)},
    },
    "DINO": lambda state, other: {
        "teacher": {f"module.backbone.{name}": tensor for name, tensor in state.items()}
        | {"module.head.last_layer.weight": torch.ones(5, 4)},
        "student": {f"module.backbone.{name}": tensor for name, tensor in other.items()},
        "epoch": 3,
    },
    "solo-learn": lambda state, other: {
        "state_dict": {f"backbone.{name}": tensor for name, tensor in state.items()}
        | {f"momentum_backbone.{name}": tensor for name, tensor in other.items()}
        | {"projector.0.weight": torch.ones(4, 4)},
    },
    "lightly": lambda state, other: {
        "state_dict": {f"teacher_backbone.{name}": tensor for name, tensor in state.items()}
        | {f"student_backbone.{name}": tensor for name, tensor in other.items()},
    },
    "torch.compile": lambda state, other: {
        "model": {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()}
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backbone", ["vit_of_tests", "convnet", "test_resnet"])
def test_weights_come_back_from_every_layout(tmp_path, layout, backbone):
    size = 32
    state, other = (
        drawn(build_encoder(backbone, size, PROJECTOR).backbone, seed).state_dict() for seed in (5, 6)
    )
    torch.save(LAYOUTS[layout](dict(state), dict(other)), tmp_path / "w.ckpt")
    encoder = started(backbone, size, tmp_path / "w.ckpt")
    assert_equal_states(encoder.backbone, state)
    assert encoder.start.matched == encoder.start.expected


def test_what_was_left_out_and_what_stood_beside_is_told(tmp_path):
    state, other = (
        drawn(build_encoder("convnet", 16, PROJECTOR).backbone, seed).state_dict() for seed in (5, 6)
    )
    torch.save(LAYOUTS["MoCo"](dict(state), dict(other)), tmp_path / "w.pth")
    first, *rest = started("convnet", 16, tmp_path / "w.pth").start.lines
    assert first.endswith("15 of the 15 tensors of convnet found, under state_dict.module.encoder_q.")
    assert "as many are under state_dict.module.encoder_k. (--weights-prefix)" in rest[0]
    assert "state_dict.module.encoder_k (15 tensors)" in rest[-1]
    assert "fc (1 tensor)" in rest[-1]
    asked = started("convnet", 16, tmp_path / "w.pth", weights_prefix="state_dict.module.encoder_k.")
    assert_equal_states(asked.backbone, other)


def transformers_models():
    vit = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    }
    none = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "layer_norm_eps": 1e-6}
    return {
        "vit_of_tests": transformers.ViTModel(transformers.ViTConfig(**vit, intermediate_size=32, **none)),
        "vit_of_tests_scaled": transformers.Dinov2Model(
            transformers.Dinov2Config(**vit, mlp_ratio=2, **none)
        ),
        "vit_of_tests_registers": transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(**vit, mlp_ratio=2, num_register_tokens=4, **none)
        ),
    }


@pytest.mark.parametrize("backbone", ["vit_of_tests", "vit_of_tests_scaled", "vit_of_tests_registers"])
@pytest.mark.parametrize("form", ["folder", "in memory", "shards"])
def test_transformers_vision_transformers_give_the_features_that_they_give_there(tmp_path, backbone, form):
    model = drawn(transformers_models()[backbone])
    if form == "in memory":  # its names since version 5
        torch.save(model.state_dict(), tmp_path / "w.pth")
        path = tmp_path / "w.pth"
    else:
        model.save_pretrained(path := tmp_path / "hf", max_shard_size="8kB" if form == "shards" else "1GB")
        assert (path / "model.safetensors.index.json").exists() == (form == "shards")
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        found = started(backbone, 32, path).backbone.eval()(images)
        expected = model(images).last_hidden_state[:, 0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_transformers_and_torchvisions_convolutional_networks_give_the_features_that_they_give_there(
    tmp_path,
):
    images = torch.randn(2, 3, 96, 96)
    resnet = transformers.ResNetModel(
        transformers.ResNetConfig(hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic")
    ).eval()
    resnet.save_pretrained(tmp_path / "resnet")
    convnext = transformers.ConvNextModel(transformers.ConvNextConfig()).eval()
    convnext.save_pretrained(tmp_path / "convnext")
    of_torchvision = torchvision.models.convnext_tiny().eval()
    torch.save({"model": of_torchvision.state_dict()}, tmp_path / "convnext.pth")
    of_torchvision.classifier[2] = nn.Identity()
    vit = torchvision.models.VisionTransformer(96, 16, 12, 3, 192, 768).eval()
    torch.save(vit.state_dict(), tmp_path / "vit.pth")
    vit.heads = nn.Identity()
    cases = {
        ("resnet18", "resnet"): lambda: resnet(images).pooler_output.flatten(1),
        ("convnext_tiny", "convnext"): lambda: convnext(images).pooler_output,
        ("convnext_tiny", "convnext.pth"): lambda: of_torchvision(images),
        ("vit_tiny_patch16_224", "vit.pth"): lambda: vit(images),
    }
    for (backbone, name), expected in cases.items():
        with torch.no_grad():
            found = started(backbone, 96, tmp_path / name).backbone.eval()(images)
            torch.testing.assert_close(found, expected(), rtol=1e-3, atol=1e-4)


def test_dinov2s_chunks_of_blocks_and_mask_token_are_read(tmp_path):
    state = drawn(build_encoder("vit_of_tests_scaled", 32, PROJECTOR).backbone).state_dict()
    chunked = {name.replace("blocks.", "blocks.0."): tensor for name, tensor in state.items()}
    torch.save({"teacher": {f"backbone.{n}": t for n, t in chunked.items()}}, tmp_path / "w.pth")
    encoder = started("vit_of_tests_scaled", 32, tmp_path / "w.pth")
    assert_equal_states(encoder.backbone, state)
    assert len(encoder.start.lines) == 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_config):
    out = tmp_path_factory.mktemp("finished") / "run"
    train(small_config(steps=3, seed=2), out)
    return out


@pytest.mark.parametrize(
    "what", [".", "checkpoints/step_00000003", "checkpoints/step_00000003/backbone.safetensors"]
)
def test_a_run_its_checkpoint_and_the_file_in_it_are_the_same_start(finished, what):
    own = read_weights(finished / "checkpoints/step_00000003/backbone.safetensors")
    assert_equal_states(started("convnet", 16, finished / what).backbone, own)


@pytest.mark.parametrize("channels", [1, 3, 5, 12])
@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("test_vit", "patch_embed.proj.weight"),
        ("test_convnext", "stem.0.weight"),
        ("test_efficientnet", "conv_stem.weight"),
    ],
)
def test_the_first_layer_is_adapted_to_the_channels_by_timms_rule(name, first, channels):
    state = drawn(timm.create_model(name, num_classes=10)).state_dict()
    model = timm.create_model(name, num_classes=0, in_chans=channels)
    start = start_from(model, state, "w.pth", name, 160)
    torch.testing.assert_close(model.state_dict()[first], adapt_input_conv(channels, state[first]))
    assert start.matched == start.expected
    assert any(f"from 3 channels to {channels}" in line for line in start.lines) == (channels != 3)
    others = [key for key in model.state_dict() if key != first]
    assert all(torch.equal(model.state_dict()[key], state[key]) for key in others)


def test_a_grey_image_passes_an_adapted_first_layer_as_its_three_copies_pass_the_original():
    original = nn.Sequential(nn.Conv2d(3, 4, 3))
    grey = nn.Sequential(nn.Conv2d(1, 4, 3))
    start_from(grey, original.state_dict(), "w", "grey", 8)
    images = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(grey(images), original(images.expand(-1, 3, -1, -1)))


def test_positions_and_patches_become_those_of_another_size(tmp_path):
    model = drawn(_small_vit(num_classes=0))
    torch.save(model.state_dict(), tmp_path / "w.pth")
    encoder = started("vit_of_tests", 64, tmp_path / "w.pth")
    found, before = encoder.backbone.pos_embed, model.pos_embed
    assert found.shape == (1, 65, 16)
    torch.testing.assert_close(found[:, 0], before[:, 0])
    grid = nn.functional.interpolate(
        before[:, 1:].reshape(1, 4, 4, 16).permute(0, 3, 1, 2), (8, 8), mode="bicubic", antialias=True
    )
    torch.testing.assert_close(found[:, 1:], grid.permute(0, 2, 3, 1).reshape(1, 64, 16))
    assert "adapted pos_embed to 8×8 patches" in "".join(encoder.start.lines)
    larger = VisionTransformer(img_size=32, patch_size=16, embed_dim=16, depth=2, num_heads=2, mlp_ratio=2)
    said = "".join(start_from(larger, model.state_dict(), "w", "larger", 32).lines)
    assert "from patches of 8×8 to 16×16" in said


def test_a_table_without_or_with_too_many_tokens_before_the_grid_is_fitted_and_told():
    model = _small_vit(num_classes=0)
    bare, said = adapted(model, "pos_embed", torch.ones(1, 16, 16))
    torch.testing.assert_close(bare[:, :1], model.pos_embed[:, :1])
    torch.testing.assert_close(bare[:, 1:], torch.ones(1, 16, 16))
    assert "the file has none for the 1 tokens before them" in said
    assert adapted(model, "pos_embed", torch.ones(1, 19, 16)) is None


@pytest.mark.slow
def test_a_stem_for_small_images_starts_anew_and_that_is_said(tmp_path):
    model = drawn(timm.create_model("resnet18", num_classes=10))
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    torch.manual_seed(0)
    encoder = started("resnet18", 32, tmp_path / "w.safetensors")
    torch.manual_seed(0)
    new = build_encoder("resnet18", 32, PROJECTOR)
    assert torch.equal(encoder.backbone.conv1.weight, new.backbone.conv1.weight)
    assert torch.equal(encoder.backbone.layer4[1].conv2.weight, model.layer4[1].conv2.weight)
    said = "\n".join(encoder.start.lines)
    assert "99 of the 100 tensors" in said
    assert "conv1.weight is 64×3×7×7, expected 64×3×3×3; the stem starts anew" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "backbone", "message"),
    [
        ("resnet18", "resnet34", r"100 of its 180 tensors are there, expected at least 75%"),
        ("resnet34", "resnet18", r"is of a larger network than resnet18 .*80 of its 200 tensors"),
        ("test_vit", "resnet18", r"0 of its 100 tensors are there"),
    ],
)
def test_the_weights_of_another_network_are_refused(tmp_path, file, backbone, message):
    torch.save(timm.create_model(file).state_dict(), tmp_path / "w.pth")
    with pytest.raises(ValueError, match=message) as refused:
        started(backbone, 96, tmp_path / "w.pth")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("lacking", range(7))
def test_what_is_missing_is_told_up_to_a_share_and_refused_beyond(tmp_path, lacking):
    state = build_encoder("convnet", 16, PROJECTOR).backbone.state_dict()
    counted = [name for name in state if "num_batches" not in name]
    for name in counted[:lacking]:
        del state[name]
    torch.save(state, tmp_path / "w.pth")
    share = (len(counted) - lacking) / len(counted)
    if share < LEAST_MATCHED:
        with pytest.raises(ValueError, match=f"{len(counted) - lacking} of its 15 tensors"):
            started("convnet", 16, tmp_path / "w.pth")
    else:
        said = "\n".join(started("convnet", 16, tmp_path / "w.pth").start.lines)
        assert ("initialised anew: 0.weight" in said) == (lacking > 0)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def state_of_convnet(**changes):
    return build_encoder("convnet", 16, PROJECTOR).backbone.state_dict() | changes


HOSTILE = {
    "code": lambda path: torch.save(
        {"state_dict": state_of_convnet(), "x": Touch(path.parent / "touched")}, path
    ),
    "a whole model": lambda path: torch.save(nn.Linear(2, 2), path),
    "truncated": lambda path: (
        torch.save(state_of_convnet(), path),
        path.write_bytes(path.read_bytes()[:20_000]),
    ),
    "truncated safetensors": lambda path: (
        save_file(state_of_convnet(), path),
        path.write_bytes(path.read_bytes()[:2_000]),
    ),
    "a huge header": lambda path: path.write_bytes((2**62).to_bytes(8, "little") + b"{" + b" " * 100),
    "itself": lambda path: (loop := {}, loop.update(x=loop), torch.save(loop, path)),
    "a list": lambda path: torch.save([torch.ones(2)], path),
    "wrong shapes": lambda path: torch.save({n: torch.ones(2, 2) for n in state_of_convnet()}, path),
    "not finite": lambda path: torch.save(
        state_of_convnet(**{"0.weight": torch.full((16, 3, 3, 3), np.nan)}), path
    ),
    "no names": lambda path: torch.save({1: torch.ones(2)}, path),
    "sparse": lambda path: torch.save({n: torch.eye(2).to_sparse() for n in state_of_convnet()}, path),
    "a shard outside": lambda path: path.with_name("x.index.json").write_text(
        json.dumps({"weight_map": {"0.weight": "../secret.safetensors"}})
    ),
}


@pytest.mark.parametrize("how", HOSTILE)
@pytest.mark.filterwarnings("ignore")
def test_a_hostile_file_gives_one_line_and_runs_nothing(tmp_path, how):
    path = tmp_path / "w.pth"
    HOSTILE[how](path)
    given = path if path.exists() else tmp_path / "x.index.json"
    with pytest.raises(ValueError, match=given.name) as refused:
        started("convnet", 16, given)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "touched").exists()


def test_what_would_have_to_run_code_is_named_with_what_to_do(tmp_path):
    torch.save({"state_dict": state_of_convnet(), "x": Touch(tmp_path / "touched")}, tmp_path / "w.pth")
    with pytest.raises(
        ValueError, match=r"would have to run code: .*pathlib.*torch\.save\(model\.state_dict\(\)"
    ):
        started("convnet", 16, tmp_path / "w.pth")


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file of weights in the folder .*expected a run folder"):
        started("convnet", 16, tmp_path)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("convnet", r"--pretrained needs a model name of timm.*--backbone-weights"),
        (
            "test_vit.of_nobody",
            r"unknown backbone 'test_vit\.of_nobody': timm has test_vit pretrained as r160",
        ),
        ("test_vit.r160_in1k", r"there is no network.*timm/test_vit\.r160_in1k.*--backbone-weights FILE"),
    ],
)
def test_pretrained_weights_that_cannot_be_had_are_told_in_one_line(monkeypatch, tmp_path, backbone, message):
    def refuse(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=message) as refused:
        build_encoder(backbone, 32, PROJECTOR, pretrained=True)
    assert "\n" not in str(refused.value)


def test_pretrained_weights_are_those_that_timm_loads(monkeypatch):
    given = drawn(timm.create_model("test_vit"))

    def create(name, pretrained=False, real=timm.create_model, **options):
        return given if pretrained else real(name, **options)

    monkeypatch.setattr(timm, "create_model", create)
    encoder = build_encoder("test_vit.r160_in1k", 160, PROJECTOR, pretrained=True)
    assert_equal_states(encoder.backbone, given.state_dict())
    assert encoder.start.lines[0].startswith("timm's test_vit.r160_in1k: ")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"\(it is empty\)$"),
        (b"hello\n", r"\(it is no file of torch, or a damaged one\)$"),
        (pickle.dumps({"weight": [1.0]}, 4), r"\(it is no file of torch, or a damaged one\)$"),
    ],
)
def test_what_is_no_file_of_weights_is_called_that(tmp_path, content, reason):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_weights(tmp_path / "w.pth")
