"""The card beside an exported file says what the record knows of those weights, and nothing else."""

import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from eigenstep.encoders import load_encoder
from eigenstep.export import export_onnx, export_timm
from eigenstep.images import ImagesConfig
from eigenstep.record import RecordWriter

STEPS, RISES = 200, (40, 150)


def with_record(run):
    """Two modes of four rise, at steps 40 and 150; the effective rank is the step."""
    writer = RecordWriter(run, 4)
    for step in range(STEPS + 1):
        values = np.full(4, 1e-6)
        values[:2] = 1 / (1 + np.exp((np.array(RISES) - step) / 2))
        both = {"cross_correlation": values, "covariance": values}
        writer.append(
            step, 0.01 * step, both, loss=4 - values.sum(), measures={"effective_rank": float(step)}
        )
    return run


def card_of(run, tmp_path, checkpoint="last"):
    """The front matter and the text."""
    out = tmp_path / "backbone.safetensors"
    export_timm(run, out, checkpoint, overwrite=True)
    _, matter, text = (tmp_path / "backbone.safetensors.md").read_text().split("---\n", 2)
    return yaml.safe_load(matter), text


def test_the_front_matter_is_the_hubs(write_run, tmp_path):
    matter, text = card_of(write_run(data="cifar10", loss="simclr"), tmp_path)
    assert matter == {
        "library_name": "eigenstep",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["eigenstep", "self-supervised-learning", "simclr"],
        "datasets": ["uoft-cs/cifar10"],
    }
    assert "knows no licence" in text
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    loaded = hub.ModelCard.load(tmp_path / "backbone.safetensors.md")
    assert loaded.data.to_dict() == matter
    assert loaded.text.strip() == text.strip()


def test_a_loss_that_learns_from_labels_is_not_called_self_supervised(write_run, tmp_path):
    assert card_of(write_run(loss="barlow_twins"), tmp_path)[0]["tags"][1] == "self-supervised-learning"
    assert card_of(write_run(loss="nscl", name="other"), tmp_path)[0]["tags"] == ["eigenstep", "nscl"]


@pytest.mark.slow
def test_the_lines_of_the_card_give_the_encoders_features_of_a_picture(write_run, tmp_path, monkeypatch):
    run = write_run(backbone="resnet18", images=ImagesConfig(size=16, channels=3))
    assert card_of(run, tmp_path)[0]["library_name"] == "timm"
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(256, size=(40, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("cat.jpg")
    encoder = load_encoder(run)
    features, embeddings = encoder(encoder.prepare(["cat.jpg"]))
    for name, export, expected in (
        ("features", export_timm, features),
        ("embeddings", export_onnx, embeddings),
    ):
        out = tmp_path / {"features": "a.safetensors", "embeddings": "a.onnx"}[name]
        export(run, out, **({"output": name} if export is export_onnx else {}))
        names = {}
        card = out.with_name(f"{out.name}.md").read_text()
        exec(card.split("```python\n")[1].split("```")[0], names)
        found = torch.as_tensor(names[name])
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_nothing_is_told_that_came_after_the_weights(write_run, tmp_path):
    run = with_record(write_run(steps=(100, 200), best=100))
    _, early = card_of(run, tmp_path, "100")
    assert "| modes learned | 1 of 4 embedding dimensions |" in early
    assert "| effective rank of the embeddings | 100.00 |" in early
    assert "100 steps" in early
    _, late = card_of(run, tmp_path)
    assert "| modes learned | 2 of 4 embedding dimensions |" in late
    assert "| effective rank of the embeddings | 200.00 |" in late


def test_a_measurement_of_another_step_says_so(write_run, tmp_path):
    _, text = card_of(with_record(write_run(steps=(500,))), tmp_path)
    assert "| modes learned at step 200 | 2 of 4 embedding dimensions |" in text


def test_what_probe_found_is_told_of_its_own_checkpoint_alone(write_run, tmp_path):
    run = with_record(write_run(steps=(100, 200)))
    found = {"checkpoint": "step_00000100", "accuracies": {"features": {"knn": 0.5}, "pixels": {"knn": 0.25}}}
    found |= {"train": {"images": 1000}, "test": {"images": 200}}
    (run / "probes.json").write_text(json.dumps(found))
    _, text = card_of(run, tmp_path, 100)
    assert "learned from 1,000 labelled images and tested on 200" in text
    assert "| features | 50.0% |\n| pixels | 25.0% |" in text
    _, text = card_of(run, tmp_path, 200)
    assert "50.0%" not in text
    assert "was not measured (`eigenstep probe` does that)" in text


def test_a_card_names_no_place_of_the_machine_and_takes_no_markup_from_the_record(write_run, tmp_path):
    data = "/home/someone/holiday|`pictures`<b>\n---\nlicense: mit"
    run = write_run(data=data, backbone_weights="/home/someone/start.pt")
    matter, text = card_of(run, tmp_path)
    assert "someone" not in text
    assert "from weights in `start.pt`" in text
    assert "files called `holiday\\|'pictures'<b> --- license: mit`" in text
    assert set(matter) == {"library_name", "pipeline_tag", "tags"}


@pytest.mark.parametrize("content", ["nothing\n", '{"step": 1'], ids=["no JSON", "torn"])
def test_a_record_that_cannot_be_read_is_told_and_the_file_written(write_run, tmp_path, content):
    run = write_run()
    (run / "metrics.jsonl").write_text(content)
    (run / "probes.json").write_text("[")
    _, text = card_of(run, tmp_path)
    assert "probes.json" in text
    assert "| `backbone` |" in text
    assert (tmp_path / "backbone.safetensors").stat().st_size > 1000


def test_a_card_that_is_there_is_replaced_only_where_that_is_asked_for(write_run, tmp_path):
    run, out = write_run(), tmp_path / "backbone.safetensors"
    card = tmp_path / "backbone.safetensors.md"
    card.write_text("mine")
    with pytest.raises(FileExistsError, match=r"backbone\.safetensors\.md exists; .*--no-card"):
        export_timm(run, out)
    assert not out.exists()
    export_timm(run, out, card=False)
    assert card.read_text() == "mine"
    export_timm(run, out, overwrite=True)
    assert card.read_text().startswith("---\n")
