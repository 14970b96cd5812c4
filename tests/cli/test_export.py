import re
import shlex
from pathlib import Path

import onnxruntime
import pytest

from eigenstep import load_encoder
from eigenstep.cli import main


@pytest.mark.slow
def test_an_onnx_file_is_written_and_its_check_told(run, capsys):
    assert main(["export", "run", "--out", "encoder.onnx", "--output", "embeddings"]) == 0
    told = re.fullmatch(
        r"embeddings: encoder\.onnx \(differs from the encoder by (\S+) at most\)\n"
        r"model card: encoder\.onnx\.md\n",
        capsys.readouterr().out,
    )
    assert 0 <= float(told[1]) < 1e-4
    session = onnxruntime.InferenceSession("encoder.onnx", providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_outputs()] == ["embeddings"]


def test_an_onnx_file_that_could_not_be_checked_is_told_so(run, capsys, monkeypatch):
    monkeypatch.setattr("eigenstep.export.export_onnx", lambda *_, **__: None)
    assert main(["export", "run", "--out", "encoder.onnx", "--no-card"]) == 0
    assert capsys.readouterr().out == "features: encoder.onnx (not checked: onnxruntime is not installed)\n"


@pytest.mark.slow
def test_weights_for_timm_are_written_and_the_call_that_loads_them_told(data, tmp_path, capsys):
    options = ["--data", data, "--steps", "1", "--batch-size", "4", "--threads", "1", "--device", "cpu"]
    assert main(["train", *options, "--images.size", "8", "--backbone", "resnet18", "--out", "run"]) == 0
    capsys.readouterr()
    assert main(["export", "run", "--format", "timm", "--out", "backbone.safetensors"]) == 0
    first, card, *lines = capsys.readouterr().out.splitlines()
    assert (first, card) == ("weights: backbone.safetensors", "model card: backbone.safetensors.md")
    assert Path("backbone.safetensors.md").read_text().startswith("---\nlibrary_name: timm\n")
    names = {}
    exec("\n".join(lines), names)
    loaded = names["backbone"].state_dict()
    expected = load_encoder("run").backbone.state_dict()
    assert loaded.keys() == expected.keys()
    assert all((loaded[name] == expected[name]).all() for name in expected)


@pytest.mark.slow
def test_weights_that_timm_has_no_model_for_start_another_run(run, data, capsys, run_in_shell):
    assert (
        main(["export", "run", "--format", "timm", "--out", "the run's.safetensors", "--checkpoint", "2"])
        == 0
    )
    weights = capsys.readouterr().out.splitlines()[-1].removeprefix("start a run from them with ")
    options = ["--data", data, "--steps", "1", "--batch-size", "4", "--threads", "1", "--images.size", "16"]
    still = ["--device", "cpu", "--optimizer.lr", "1e-25"]
    run_in_shell(shlex.join(["eigenstep", "train", *options, *still, "--out", "other"]) + " " + weights)
    started, left = (
        dict(load_encoder(name, step).backbone.named_parameters())
        for name, step in (("other", 1), ("run", 2))
    )
    assert all((started[name] == left[name]).all() for name in left)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "there.onnx"], "there.onnx exists; use --overwrite"),
        (["--out", "carded.onnx"], "the model card carded.onnx.md exists; use --overwrite"),
        (["--out", "encoder.onnx", "--checkpoint", "3"], "it has last, best, 2, 4"),
        (["--out", "encoder.pth", "--format", "timm"], "a name that ends in .safetensors, got encoder.pth"),
        (["--out", "a.onnx", "--format", "coreml"], "invalid choice 'coreml' for argument '--format'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_exported_is_refused_in_one_line(run, refused, tmp_path, options, message):
    (tmp_path / "there.onnx").write_text("before")
    (tmp_path / "carded.onnx.md").write_text("before")
    assert message in refused(["export", "run", *options])
    assert (tmp_path / "there.onnx").read_text() == "before"
