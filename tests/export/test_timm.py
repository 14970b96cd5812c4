import pytest
import timm
import torch
from safetensors import safe_open

from eigenstep.encoders import load_encoder
from eigenstep.export import export_timm
from eigenstep.training import ImagesConfig, build_encoder


def features(model, size):
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model.eval()(images)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "size", "named"),
    [
        ("resnet18", 16, "'resnet18_small'"),
        ("resnet18_small", 16, "'resnet18_small'"),
        ("resnet18", 72, "'resnet18'"),
        ("test_vit", 48, "'test_vit', img_size=48"),
    ],
)
def test_the_call_that_is_told_gives_a_model_with_the_runs_features(
    write_run, tmp_path, backbone, size, named
):
    run = write_run(steps=(5,), backbone=backbone, images=ImagesConfig(size=size))
    call = export_timm(run, tmp_path / "backbone.safetensors")
    assert call.startswith(f"timm.create_model({named}, num_classes=0, checkpoint_path=")
    model = eval(call, {"timm": timm})
    assert torch.equal(features(model, size), features(load_encoder(run).backbone, size))


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
    export_timm(run, out, overwrite=True)
    assert out.stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir() if path != run] == [out.name]


def test_another_suffix_is_refused(write_run, tmp_path):
    with pytest.raises(ValueError, match=r"a name that ends in \.safetensors, got .*backbone\.pth"):
        export_timm(write_run(), tmp_path / "backbone.pth")
