"""Pretrained encoders as inputs: small models of timm, whose weights are files made here."""

import json

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from eigenstep.cli import main
from eigenstep.comparison import compare, debiased_cka, mutual_knn, parse_input
from eigenstep.images import ImagesConfig, load_spread

QUICK = {"resamples": 2, "permutations": 19}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Files of `test_vit` and `test_resnet`, untrained."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("test_vit", "test_resnet"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            save_file(timm.create_model(name).state_dict(), folder / f"{name}.safetensors")
    return folder


def named(weights, name):
    return f"timm:{name}@{weights}/{name}.safetensors"


def of_timm(weights, name, images):
    """Layers and features of images (n, 3, 160, 160), stored as uint8, by timm alone."""
    model = timm.create_model(name, checkpoint_path=str(weights / f"{name}.safetensors"), num_classes=1000)
    model.reset_classifier(0)
    cfg = model.pretrained_cfg
    mean, std = (torch.tensor(cfg[part])[:, None, None] for part in ("mean", "std"))
    given = (images.float() / 255 - mean) / std
    with torch.no_grad():
        layers = model.eval().forward_intermediates(given, intermediates_only=True)
        return [each.mean(dim=(2, 3)).numpy() for each in layers], model(given).numpy()


@pytest.mark.slow
def test_features_and_layers_are_timms_on_images_of_its_size(weights, monkeypatch):
    monkeypatch.setattr("eigenstep.comparison._pretrained.BATCH", 9)
    names = [named(weights, name) for name in ("test_vit", "test_resnet")]
    found = compare(names, data="photos", images=20, each="layers", agreement=True, neighbours=5, **QUICK)
    images = load_spread("photos", ImagesConfig(size=160), 20, 0)
    sides = [of_timm(weights, name, images) for name in ("test_vit", "test_resnet")]
    (pair,) = found.pairs
    features = [side[1] for side in sides]
    assert pair.calibrated["cka_linear_debiased"].value == pytest.approx(debiased_cka(*features), abs=1e-3)
    cka, knn = pair.maps
    assert (cka.rows[0], cka.rows[-1], len(cka.rows)) == ("layer 1", "features", 7)
    assert cka.found.values.shape == (7, 6)
    assert cka.found.values[2, 1] == pytest.approx(debiased_cka(sides[0][0][2], sides[1][0][1]), abs=1e-3)
    assert knn.found.values[-1, -1] == pytest.approx(mutual_knn(*features, 5), abs=0.03)
    notes = " ".join(found.notes)
    assert "images of 160 px, normalised by the mean (0.5, 0.5, 0.5)" in notes
    assert "features pooled by class token" in notes
    assert "layers are compared by their mean over positions" in notes
    assert "tensors of test_vit found" in notes


@pytest.mark.slow
def test_an_encoder_takes_the_images_of_a_run_enlarged_to_its_own_size(made, weights):
    found = compare([made / "bt", named(weights, "test_resnet")], images=20, neighbours=5, **QUICK)
    assert [each.kind for each in found.inputs] == ["run", "encoder"]
    assert any("images of 160 px resized from 8 px" in note for note in found.notes)
    assert "overlap" not in found.pairs[0].whole  # 96 features of 20 images
    notes = " ".join(found.notes)
    assert "their spaces are not compared: expected more images than modes" in notes
    assert "20 images are not more than 96 dimensions, where anything agrees by" in notes


def test_what_the_name_says():
    found = parse_input("timm:test_vit")
    assert (found.kind, found.at) == ("encoder", "test_vit")
    with pytest.raises(ValueError, match=r"a model name of timm, got 'tst_vit'. Did you mean test_vit"):
        parse_input("timm:tst_vit")
    with pytest.raises(FileNotFoundError, match=r"there is no file of weights nowhere.pt"):
        parse_input("timm:test_vit@nowhere.pt")


def test_an_encoder_alone_asks_for_images_and_names_the_way_to_give_weights(monkeypatch):
    with pytest.raises(ValueError, match=r"expected --data, the images that timm:test_vit embeds"):
        compare(["timm:test_vit", "timm:test_resnet"])
    monkeypatch.setattr("eigenstep.encoders.weights._hub._is_reachable", lambda: False)
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    with pytest.raises(ValueError, match=r"no network.*name it as timm:test_vit@FILE") as error:
        compare(["timm:test_vit", "timm:test_resnet"], data="photos", images=8, neighbours=3)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_layers_of_runs_and_which_checkpoint_came_first(made):
    found = compare([made / "bt", made / "simclr"], images=30, each="layers", **QUICK)
    (layers, _) = found.pairs[0].maps
    assert layers.rows == ["layer 1", "layer 2", "layer 3", "features", "embedding"]
    found = compare([made / "bt", made / "simclr"], images=30, each="checkpoints", **QUICK)
    (steps, _) = found.pairs[0].maps
    assert steps.rows == steps.columns == ["step 3", "step 6"]
    assert steps.steps == ([3, 6], [3, 6])
    assert steps.which_first(("A", "B")) in found.tables()[-3].note + found.tables()[-2].note


def test_the_command_prints_and_writes_it_all(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(40, 3))
    np.save("a.npy", shared @ rng.normal(size=(3, 5)))
    np.save("b.npy", shared + rng.normal(size=(40, 3)))
    options = ["--agreement", "--each", "layers", "--permutations", "39", "--resamples", "2", "--out", "out"]
    assert main(["compare", "a.npy", "b.npy", *options]) == 0
    said = capsys.readouterr().out
    assert "linear CKA, debiased" in said
    assert "p is corrected for having looked at 1" in said
    content = json.loads((tmp_path / "out/comparison.json").read_text())
    (pair,) = content["pairs"]
    assert set(pair["agreement"]["cka_linear_debiased"]) == {"value", "chance", "spread", "z", "p"}
    assert pair["agreement"]["cka_linear_debiased"]["p"] == 1 / 40
    assert pair["maps"][0]["measure"] == "cka_linear_debiased"
    page = (tmp_path / "out/comparison.html").read_text()
    assert "A–B, layers, linear CKA, debiased" in page
    assert "mutual k-NN, cosine" in page
