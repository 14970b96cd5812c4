"""Runs that start from weights: frozen parts, rates by layer, the projector first, and the drift."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.optim import param_groups_layer_decay

from eigenstep.analysis import drift_of
from eigenstep.encoders import ProjectorConfig, build_encoder, freeze, load_encoder, stages_of
from eigenstep.record import read_record
from eigenstep.report import write_report
from eigenstep.spectrum.agreement import linear_cka, space_overlap
from eigenstep.training import (
    CheckpointConfig,
    ImagesConfig,
    OptimizerConfig,
    RecordConfig,
    build_optimizer,
    dump_config,
    load_config,
    train,
)

RATE = OptimizerConfig(lr=0.02)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of a convnet's weights that random numbers do not give again."""
    torch.manual_seed(77)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_file(build_encoder("convnet", 16, ProjectorConfig()).backbone.state_dict(), path)
    return str(path)


@pytest.fixture
def settings(small_config, weights):
    def configured(**changes):
        defaults = {"steps": 8, "backbone_weights": weights, "optimizer": RATE}
        return small_config(
            **(defaults | {"record": RecordConfig(every=2, probe=24, directions=4)} | changes)
        )

    return configured


def backbone_at(run, step):
    return load_file(run / f"checkpoints/step_{step:08d}/backbone.safetensors")


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "lars", "muon"])
def test_what_is_frozen_is_what_it_started_from_and_has_no_state(settings, tmp_path, weights, optimizer):
    config = settings(freeze=2, optimizer=OptimizerConfig(name=optimizer, lr=0.02, weight_decay=0.1))
    record = train(config, tmp_path / "run")
    start, end = load_file(weights), backbone_at(tmp_path / "run", 8)
    frozen = [name for name in start if int(name.partition(".")[0]) < 6]
    assert all(torch.equal(start[name], end[name]) for name in frozen)
    assert not torch.equal(start["6.weight"], end["6.weight"])
    state = torch.load(tmp_path / "run/checkpoints/step_00000008/optimizer.pt")["optimizer"]["state"]
    assert len(state) == 3 + 3  # the last convolution with its norm, and the projector
    assert record.summary["frozen"] == "the first 2 of 3 stages (5,136 of 23,696 numbers)"


def test_the_rate_by_layer_is_that_of_timms_groups():
    encoder = build_encoder("test_vit", 32, ProjectorConfig(hidden=(8,), dim=4))
    optimizer = build_optimizer(encoder, OptimizerConfig(lr=1.0, layer_decay=0.75, weight_decay=0.1))
    found = {
        id(p): group["rate_share"]
        for group in optimizer.param_groups
        if "rate_share" in group
        for p in group["params"]
    }
    model = timm.create_model("test_vit", num_classes=3)  # whose head stands where our projector does
    names = {id(p): name for name, p in model.named_parameters()}
    expected = {
        names[id(p)]: group["lr_scale"]
        for group in param_groups_layer_decay(model, layer_decay=0.75)
        for p in group["params"]
    }
    own = {name: found[id(p)] for name, p in encoder.backbone.named_parameters()}
    assert own == pytest.approx({name: expected[name] for name in own})
    shared = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert {id(p) for p in encoder.projector.parameters()} <= shared - set(found)


def test_a_layers_step_is_its_share_of_the_projectors(settings, tmp_path, weights):
    moves = []
    for decay in (None, 0.5):
        config = settings(
            steps=1, optimizer=dataclasses.replace(RATE, layer_decay=decay), precision="64-true"
        )
        train(config, tmp_path / str(decay))
        start, end = load_file(weights), backbone_at(tmp_path / str(decay), 1)
        moves.append([(end[f"{place}.weight"] - start[f"{place}.weight"].double()) for place in (0, 3, 6)])
    for plain, decayed, share in zip(*moves, [0.125, 0.25, 0.5], strict=True):
        torch.testing.assert_close(decayed, share * plain)


@pytest.mark.parametrize("loss", ["barlow_twins", "byol"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "lars", "muon"])
def test_the_projector_comes_first_under_every_optimizer(settings, tmp_path, weights, optimizer, loss):
    config = settings(
        loss=loss,
        freeze=1,
        optimizer=OptimizerConfig(name=optimizer, lr=0.02, projector_first=3),
        checkpoint=CheckpointConfig(every=3, keep=9),
    )
    train(config, tmp_path / "run")
    start, held, end = load_file(weights), backbone_at(tmp_path / "run", 3), backbone_at(tmp_path / "run", 8)
    assert torch.equal(held["6.weight"], start["6.weight"])
    assert not torch.equal(end["6.weight"], start["6.weight"])


def test_the_projector_comes_first_and_the_backbone_then_starts_without_a_past(settings, tmp_path, weights):
    config = settings(
        optimizer=OptimizerConfig(name="adamw", lr=0.01, projector_first=4),
        checkpoint=CheckpointConfig(every=2, keep=9),
    )
    record = train(config, tmp_path / "run")
    start = load_file(weights)
    assert all(torch.equal(tensor, start[name]) for name, tensor in backbone_at(tmp_path / "run", 4).items())
    assert not torch.equal(backbone_at(tmp_path / "run", 6)["0.weight"], start["0.weight"])
    projectors = [
        load_file(tmp_path / f"run/checkpoints/step_{step:08d}/projector.safetensors") for step in (2, 4)
    ]
    assert not torch.equal(projectors[0]["0.weight"], projectors[1]["0.weight"])
    states = torch.load(tmp_path / "run/checkpoints/step_00000004/optimizer.pt")["optimizer"]["state"]
    assert len(states) == 3
    still = record.metrics["step"] < 4
    assert record.metrics["drift/cka"][still] == pytest.approx(1.0)
    assert (record.metrics["drift/cka"][record.metrics["step"] > 4] < 0.9999).all()


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["convnet", "test_vit"])
def test_a_run_that_was_killed_goes_on_to_the_same_bits(small_config, tmp_path, folder_bytes, backbone):
    size = 16 if backbone == "convnet" else 32
    torch.manual_seed(7)
    save_file(
        build_encoder(backbone, size, ProjectorConfig()).backbone.state_dict(), tmp_path / "w.safetensors"
    )
    config = small_config(
        steps=12,
        backbone=backbone,
        images=ImagesConfig(size=size, patches=32),
        backbone_weights=str(tmp_path / "w.safetensors"),
        freeze=1,
        optimizer=OptimizerConfig(name="adamw", lr=1e-3, layer_decay=0.75, projector_first=3),
        checkpoint=CheckpointConfig(every=2, keep=9),
        projector=ProjectorConfig(hidden=(8,), dim=4, batch_norm=True),
        record=RecordConfig(every=2, probe=24, directions=4),
    )
    train(config, tmp_path / "whole")

    def stop(progress):
        if progress.stage == "training" and progress.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "cut", progress=stop)
    train(config, tmp_path / "cut", resume=True)
    assert folder_bytes(tmp_path / "cut") == folder_bytes(tmp_path / "whole")


def test_the_drift_is_that_of_the_probe_batchs_features_from_before_the_first_step(settings, tmp_path):
    record = train(settings(steps=20), tmp_path / "run")
    run = tmp_path / "run"
    start = np.load(run / "spectrum/start_features.npy")
    config = load_config(run / "config.yaml")
    encoder = load_encoder(run)
    images = encoder.prepare(torch.from_numpy(record.probe).permute(0, 3, 1, 2))
    original = build_encoder("convnet", 16, config.projector, weights=config.backbone_weights).eval()
    with torch.no_grad():
        np.testing.assert_allclose(start, original(images)[0].numpy(), rtol=1e-5, atol=1e-6)
    assert start.shape == (24, 256)
    assert record.metrics["drift/cka"][0] > 0.99
    assert record.metrics["drift/cka"][-1] < record.metrics["drift/cka"][0]
    with torch.no_grad():
        now = encoder(images)[0].numpy()
    # The last measurement's forward pass has moved running statistics once more than the checkpoint's.
    assert record.metrics["drift/cka"][-1] == pytest.approx(linear_cka(start, now), abs=0.02)
    assert record.metrics["drift/overlap"][-1] == pytest.approx(space_overlap(start, now, 8), abs=0.05)


def test_the_summary_and_the_report_tell_start_and_drift(settings, tmp_path):
    record = train(settings(freeze=1), tmp_path / "run")
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["drift"]["cka"] == pytest.approx(record.metrics["drift/cka"][-1])
    assert summary["start"]["matched"] == summary["start"]["expected"] == 15
    page = write_report(tmp_path / "run").read_text()
    sentence = drift_of(record).sentence
    assert sentence[1:] in page
    assert "CKA with the start" in page
    assert "15 of the 15 tensors of convnet found" in page
    assert "frozen: the first 1 of 3 stages" in page


def test_a_run_from_random_weights_follows_its_drift_only_where_that_is_asked_for(small_config, tmp_path):
    plain = train(small_config(steps=2), tmp_path / "plain")
    assert not any("drift" in name for name in plain.metrics)
    assert not (tmp_path / "plain/spectrum/start_features.npy").exists()
    asked = train(
        small_config(steps=2, record=RecordConfig(every=1, probe=24, drift=True)), tmp_path / "asked"
    )
    assert set(plain.metrics) | {"drift/cka", "drift/overlap"} == set(asked.metrics)
    assert "start" not in (asked.summary or {})
    assert drift_of(asked) is not None


def test_a_run_of_which_the_start_is_lost_goes_on_without_drift_and_says_so(settings, tmp_path):
    train(settings(steps=4), tmp_path / "run")
    (tmp_path / "run/spectrum/start_features.npy").write_bytes(b"nothing")
    with pytest.warns(UserWarning, match="is not followed any more"):
        record = train(settings(steps=8), tmp_path / "run", resume=True)
    assert np.isnan(record.metrics["drift/cka"][-1])
    assert np.isfinite(record.metrics["drift/cka"][0])


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["test_vit", "test_convnext", "test_efficientnet"])
def test_timms_small_models_train_from_given_weights(small_config, tmp_path, backbone):
    torch.manual_seed(3)
    torch.save({"state_dict": timm.create_model(backbone, num_classes=7).state_dict()}, tmp_path / "w.pth")
    config = small_config(
        steps=6,
        backbone=backbone,
        images=ImagesConfig(size=32, patches=32),
        backbone_weights=str(tmp_path / "w.pth"),
        freeze=2,
        record=RecordConfig(every=2, probe=24),
    )
    record = train(config, tmp_path / "run")
    assert np.isfinite(record.metrics["loss"]).all()
    assert record.summary["start"]["matched"] == record.summary["start"]["expected"]
    assert np.isfinite(record.metrics["drift/cka"]).all()
    start = build_encoder(backbone, 32, ProjectorConfig(), weights=tmp_path / "w.pth").backbone
    end = backbone_at(tmp_path / "run", 6)
    frozen = {name for stage in stages_of(start)[:2] for name in stage}
    same = {name for name, weight in start.named_parameters() if torch.equal(weight, end[name])}
    assert frozen <= same
    assert len(same) < len(end)


@pytest.mark.slow
def test_two_processes_train_what_one_does(small_config, tmp_path, two_ranks, weights):
    config = small_config(
        steps=6,
        backbone_weights=weights,
        freeze=1,
        optimizer=OptimizerConfig(lr=0.02, layer_decay=0.5, projector_first=2),
        precision="64-true",
        record=RecordConfig(every=2, probe=24),
    )
    (tmp_path / "config.yaml").write_text(dump_config(config))
    said = two_ranks(
        "runs", {"configs": {"start": str(tmp_path / "config.yaml")}, "folder": str(tmp_path / "two")}
    )
    assert [rank["start"] for rank in said] == ["finished", "finished"]
    one, two = train(config, tmp_path / "one"), read_record(tmp_path / "two/start")
    for name in ("loss", "drift/cka", "drift/overlap"):
        np.testing.assert_allclose(one.metrics[name], two.metrics[name], rtol=1e-6)


@pytest.mark.parametrize("what", [2, "norms", "all", "none"])
def test_what_is_frozen_is_in_the_configuration_and_comes_back(small_config, tmp_path, what):
    config = small_config(freeze=what)
    (tmp_path / "config.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "config.yaml") == config


def test_an_unknown_word_for_what_is_frozen_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_text("freeze: everything")
    with pytest.raises(ValueError, match=r"freeze: expected one of none, norms, all, got 'everything'"):
        load_config(tmp_path / "config.yaml")


def test_frozen_parameters_stay_frozen_through_norms_of_several_processes():
    from eigenstep.training import synchronize_batch_norms

    encoder = build_encoder("convnet", 16, ProjectorConfig())
    freeze(encoder, 1)
    synchronize_batch_norms(encoder, torch.device("cpu"))
    encoder.train()
    assert [encoder.backbone[place].training for place in (1, 4, 7)] == [False, True, True]
    assert not encoder.backbone[1].weight.requires_grad


@pytest.fixture
def lost(settings, tmp_path, weights):
    """A run of which the file that it started from is there no more, and the configuration it was made by."""
    path = tmp_path / "lost.safetensors"
    shutil.copy(weights, path)
    config = settings(steps=4, backbone_weights=str(path), freeze=1)
    train(config, tmp_path / "run")
    path.unlink()
    return config


def test_a_run_goes_on_where_the_file_that_it_started_from_is_gone(settings, tmp_path, lost, folder_bytes):
    more = dataclasses.replace(lost, steps=8)
    record = train(more, tmp_path / "run", resume=True)
    assert record.summary["start"]["matched"] == 15
    assert np.isfinite(record.metrics["drift/cka"]).all()
    with pytest.raises(FileNotFoundError, match=r"no file of weights"):
        train(more, tmp_path / "new")


def test_a_run_says_what_it_started_from_also_when_the_file_is_another_by_then(settings, tmp_path, weights):
    path = tmp_path / "w.safetensors"
    shutil.copy(weights, path)
    config = settings(steps=4, backbone_weights=str(path))
    before = train(config, tmp_path / "run").summary["start"]
    save_file({f"net.{name}": tensor for name, tensor in load_file(weights).items()}, path)
    after = train(dataclasses.replace(config, steps=8), tmp_path / "run", resume=True).summary["start"]
    assert after == before


def test_without_checkpoint_and_without_weights_there_is_nothing_to_go_on_from(tmp_path, lost):
    shutil.rmtree(tmp_path / "run/checkpoints")
    with pytest.raises(FileNotFoundError, match=r"no file of weights"):
        train(lost, tmp_path / "run", resume=True)


@pytest.mark.parametrize("freeze", ["all", 3])
def test_of_a_backbone_that_is_all_frozen_no_drift_is_told(settings, tmp_path, freeze):
    record = train(settings(freeze=freeze), tmp_path / "run")
    assert drift_of(record).sentence == "at step 8 the features are those of the start"
