import subprocess
import sys

import pytest
import torch
from safetensors import safe_open

from eigenstep.encoders import load_encoder
from eigenstep.export import export_timm
from eigenstep.training import ImagesConfig, build_encoder


def images_of(size):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def features(model, size):
    with torch.no_grad():
        return model.eval()(images_of(size))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "size", "named"),
    [
        ("resnet18", 16, "'resnet18_small'"),
        ("resnet18_small", 16, "'resnet18_small'"),
        ("resnet18", 72, "'resnet18'"),
        ("test_vit", 48, "'test_vit', img_size=48"),
        ("swin_tiny_patch4_window7_224", 40, "'swin_tiny_patch4_window7_224', img_size=40"),
        # The same weights at every size, and yet networks of one size.
        ("swinv2_tiny_window8_256", 64, "'swinv2_tiny_window8_256', img_size=64"),
        ("swinv2_cr_tiny_224", 64, "'swinv2_cr_tiny_224', img_size=64"),
        ("vit_relpos_small_patch16_224", 64, "'vit_relpos_small_patch16_224', img_size=64"),
        ("coat_tiny", 64, "'coat_tiny', img_size=64"),
        ("maxvit_rmlp_pico_rw_256", 64, "'maxvit_rmlp_pico_rw_256', img_size=64"),
        ("test_convnext", 56, "'test_convnext'"),
        ("test_efficientnet", 33, "'test_efficientnet'"),
    ],
)
def test_the_lines_that_are_told_give_a_model_with_the_runs_features(
    write_run, tmp_path, monkeypatch, backbone, size, named
):
    run = write_run(steps=(5,), backbone=backbone, images=ImagesConfig(size=size))
    state = torch.get_rng_state()
    lines = export_timm(run, tmp_path / "it's a backbone.safetensors")
    assert torch.equal(torch.get_rng_state(), state)
    assert f"backbone = timm.create_model({named}, num_classes=0, checkpoint_path=" in lines
    assert len(lines.splitlines()) == (3 if "_small'" in named else 2)
    expected = features(load_encoder(run).backbone, size)
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(lines, scope)
    torch.testing.assert_close(features(scope["backbone"], size), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["resnet18_small", "test_vit"])
def test_the_lines_need_nothing_but_what_they_import(write_run, tmp_path, backbone):
    """In a Python that has imported nothing, timm's own models and those registered with it."""
    run = write_run(steps=(5,), backbone=backbone, images=ImagesConfig(size=16))
    lines = export_timm(run, tmp_path / "backbone.safetensors")
    torch.save(images_of(16), tmp_path / "images.pt")
    using = "\nimport torch\ntorch.save(backbone.eval()(torch.load('images.pt')).detach(), 'found.pt')"
    done = subprocess.run([sys.executable, "-c", lines + using], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = features(load_encoder(run).backbone, 16)
    torch.testing.assert_close(torch.load(tmp_path / "found.pt"), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["convnet", "test_resnet"])
def test_a_backbone_that_timm_does_not_have_starts_other_runs(write_run, tmp_path, settings, backbone):
    run = write_run(backbone=backbone)
    out = tmp_path / "backbone.safetensors"
    assert export_timm(run, out, 5) is None
    started = build_encoder(backbone, 16, settings.projector, weights=out).backbone
    assert torch.equal(features(started, 16), features(load_encoder(run, 5).backbone, 16))


def test_the_file_holds_the_checkpoints_backbone_alone(write_run, tmp_path):
    run = write_run(best=5)
    export_timm(run, tmp_path / "best.safetensors", "best")
    with safe_open(tmp_path / "best.safetensors", "pt") as written:
        found = {name: written.get_tensor(name) for name in written.keys()}  # noqa: SIM118
    expected = load_encoder(run, 5).backbone.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_file_is_replaced_only_where_that_is_asked_for(write_run, tmp_path):
    run, out = write_run(), tmp_path / "backbone.safetensors"
    out.write_text("before")
    with pytest.raises(FileExistsError, match=r"backbone\.safetensors exists; use --overwrite"):
        export_timm(run, out)
    assert out.read_text() == "before"
    export_timm(run, out, overwrite=True, card=False)
    assert out.stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir() if path != run] == [out.name]


def test_another_suffix_is_refused(write_run, tmp_path):
    with pytest.raises(ValueError, match=r"a name that ends in \.safetensors, got .*backbone\.pth"):
        export_timm(write_run(), tmp_path / "backbone.pth")
