import importlib.util

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from torch import nn

from eigenstep.encoders import load_encoder
from eigenstep.export import export_onnx, export_timm, trace_network
from eigenstep.training import ImagesConfig
from eigenstep.views import ViewsConfig


@pytest.fixture(scope="module")
def traced():
    """The trace of a small network with batch normalisation, which takes images of 16 px to 5 features."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network(torch.randn(8, 3, 16, 16))
    return network.eval(), trace_network(network, 16, "features", "small")


@pytest.fixture
def quick(monkeypatch, traced):
    """`quick(network)`: exports write the trace, and compare it to this network."""

    def replace(network=traced[0]):
        monkeypatch.setattr("eigenstep.export._onnx.trace_network", lambda *_: traced[1])
        monkeypatch.setattr("eigenstep.export._onnx._OneOutput", lambda *_: network)

    return replace


@pytest.fixture
def without(monkeypatch):
    """`without("onnx")`: a package is not installed."""
    find = importlib.util.find_spec

    def hide(hidden):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *rest: None if name == hidden else find(name, *rest)
        )

    return hide


@pytest.mark.slow
@pytest.mark.parametrize(("output", "place"), [("features", 0), ("embeddings", 1)])
def test_onnxruntime_gives_what_the_encoder_gives_at_any_batch_size(write_run, tmp_path, output, place):
    run, out = write_run(), tmp_path / "encoder.onnx"
    difference = export_onnx(run, out, 5, output)
    assert 0 <= difference <= 1e-4
    onnx.checker.check_model(out, full_check=True)
    encoder = load_encoder(run, 5)
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == ["images"]
    assert [entry.name for entry in session.get_outputs()] == [output]
    for batch in (1, 2, 7):
        images = torch.randint(256, (batch, 3, 30, 20), dtype=torch.uint8)
        prepared = encoder.prepare(images)
        with torch.no_grad():
            expected = encoder(prepared)[place].numpy()
        (found,) = session.run([output], {"images": prepared.numpy()})
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    weights = {tensor.name for tensor in onnx.load(out).graph.initializer}
    assert any(name.startswith("projector") for name in weights) == (output == "embeddings")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.onnx", "encoder.onnx.md", "run"]


@pytest.mark.slow
def test_the_file_tells_how_images_go_in(write_run, tmp_path, quick):
    quick()
    export_onnx(write_run(best=5), tmp_path / "encoder.onnx", "best")
    told = {entry.key: entry.value for entry in onnx.load(tmp_path / "encoder.onnx").metadata_props}
    assert told == {
        "backbone": "convnet",
        "channels": "3",
        "checkpoint": "best_00000005",
        "image_size": "16",
        "mean": "0.4 0.5 0.6",
        "std": "0.2 0.3 0.4",
    }


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "timm"])
def test_the_file_tells_channels_and_range_of_other_images(write_run, tmp_path, quick, format):
    images = ImagesConfig(size=16, channels=3, take=(4, 2, 1), range=(0.0, 4095.0))
    views = ViewsConfig(normalize="data", mean=(0.5, 0.25, 0.1), std=(0.3, 0.4, 0.5)).for_channels(3)
    run = write_run(images=images, views=views)
    if format == "onnx":
        quick()
        export_onnx(run, tmp_path / "encoder.onnx")
        told = {entry.key: entry.value for entry in onnx.load(tmp_path / "encoder.onnx").metadata_props}
    else:
        export_timm(run, tmp_path / "backbone.safetensors")
        with safe_open(tmp_path / "backbone.safetensors", "numpy") as file:
            told = file.metadata()
    assert {name: told[name] for name in ("channels", "take", "range", "mean", "std")} == {
        "channels": "3",
        "take": "4 2 1",
        "range": "0.0 4095.0",
        "mean": "0.5 0.25 0.1",
        "std": "0.3 0.4 0.5",
    }


@pytest.mark.slow
def test_the_difference_is_that_of_the_worst_output_relative_to_the_largest(
    write_run, tmp_path, quick, traced
):
    class Off(nn.Module):
        def forward(self, images):
            outputs = traced[0](images)
            return outputs * torch.tensor([1, 1, 1, 1, 1 + 5e-5]) if len(images) > 1 else outputs

    quick(Off())
    difference = export_onnx(write_run(), tmp_path / "encoder.onnx")
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    outputs = traced[0](images).detach().abs()
    assert difference == pytest.approx(float(5e-5 * outputs[:, 4].max() / outputs.max()), rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.001, float("nan")])
def test_a_file_that_computes_something_else_is_not_kept(write_run, tmp_path, quick, traced, factor):
    class Other(nn.Module):
        def forward(self, images):
            return traced[0](images) * factor

    quick(Other())
    out = tmp_path / "encoder.onnx"
    out.write_text("before")
    with pytest.raises(ValueError, match=r"onnxruntime computes other features .* expected at most 0\.0001"):
        export_onnx(write_run(), out, overwrite=True)
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.onnx", "run"]


def test_without_onnxruntime_nothing_is_checked(write_run, tmp_path, quick, without):
    quick()
    without("onnxruntime")
    assert export_onnx(write_run(), tmp_path / "encoder.onnx") is None
    onnx.checker.check_model(tmp_path / "encoder.onnx")


@pytest.mark.parametrize("name", ["onnx", "onnxscript"])
def test_without_the_packages_for_it_one_line_says_what_to_install(write_run, tmp_path, without, name):
    without(name)
    with pytest.raises(ValueError, match=rf"ONNX files need {name}; install by pip install {name}$"):
        export_onnx(write_run(), tmp_path / "encoder.onnx")


@pytest.mark.slow
def test_a_network_that_cannot_be_traced_is_refused_in_one_line():
    class Branching(nn.Module):
        def forward(self, images):
            return images.flatten(1) if images.sum() > 0 else images.flatten(1) * 2

    with pytest.raises(ValueError, match="branching cannot be exported as ONNX: ") as refused:
        trace_network(Branching(), 4, "features", "branching")
    assert str(refused.value).isprintable()  # neither ends of lines nor colours for a terminal
    # What torch had to say, to the line of the network that it stopped at.
    assert "Could not guard on data-dependent expression" in str(refused.value)
    assert "return images.flatten(1) if images.sum() > 0 else" in str(refused.value)


@pytest.mark.slow
def test_what_a_network_says_itself_of_what_it_cannot_do_is_told_whole():
    class Particular(nn.Module):
        def forward(self, images):
            raise AssertionError("expected a height\nthat 8 divides")

    with pytest.raises(
        ValueError, match=r"particular cannot .* expected a height that 8 divides$"
    ) as refused:
        trace_network(Particular(), 4, "features", "particular")
    assert str(refused.value).isprintable()


def test_a_file_that_is_there_is_kept_unless_told_otherwise(write_run, tmp_path):
    out = tmp_path / "encoder.onnx"
    out.write_text("before")
    with pytest.raises(FileExistsError, match="exists; use --overwrite"):
        export_onnx(write_run(), out)
    assert out.read_text() == "before"


def test_another_output_is_refused(write_run, tmp_path):
    with pytest.raises(ValueError, match="expected the output to be features or embeddings, got 'logits'"):
        export_onnx(write_run(), tmp_path / "encoder.onnx", output="logits")
